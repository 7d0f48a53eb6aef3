"""The values: what is compared, what is for people, how things stand in order."""

from dataclasses import FrozenInstanceError

import pytest

from reconciler.model.plan import key_of
from reconciler.model.state import KIND_ORDER, LivePolicy, TargetKind
from tests.support import build


def test_names_are_for_people_and_never_compared():
    assert build.group(name="Sales") == build.group(name="Vertrieb")
    assert build.filtered(name="Corporate") == build.filtered(name=None)


@pytest.mark.parametrize(
    "other",
    [
        build.exclusion(),
        build.group(build.FINANCE),
        build.scope_tag_group(),
        build.all_devices(),
        build.collection(build.SALES),
    ],
)
def test_an_identity_is_kind_and_id(other):
    assert key_of(build.group()) != key_of(other)


def test_the_target_type_is_part_of_a_scope_tag_groups_identity():
    user, device = (build.scope_tag_group(target_type=word) for word in ("user", "device"))
    assert key_of(user) != key_of(device)


def test_a_filter_is_no_part_of_the_identity():
    plain, narrowed = build.live(build.group()), build.live(build.group(), build.filtered())
    assert key_of(plain.target) == key_of(narrowed.target)


def test_only_all_users_and_all_devices_are_broad():
    targets = [
        build.all_devices(),
        build.all_users(),
        build.group(),
        build.exclusion(),
        build.collection(),
        build.scope_tag_group(),
        build.opaque().target,
    ]
    assert [target.is_broad for target in targets] == [True, True, *[False] * 5]


@pytest.mark.parametrize(
    ("source", "is_direct"),
    [("direct", True), ("Direct", True), ("policySets", False), ("somethingNew", False)],
)
def test_whatever_is_not_called_direct_is_inherited(source, is_direct):
    assert build.live(source=source).is_direct is is_direct


def test_kinds_stand_in_the_order_of_the_plan_json():
    assert sorted(TargetKind, key=KIND_ORDER.get) == list(TargetKind)
    assert [str(kind) for kind in TargetKind] == [
        "all_devices",
        "all_users",
        "group",
        "exclusion_group",
        "collection",
        "scope_tag_group",
        "opaque",
    ]


def test_policies_stand_in_order_of_name_then_id():
    found = [build.policy(name=name, id=id) for name, id in (("b", "3"), ("a", "2"), ("a", "1"))]
    live = build.tenant_of(*(LivePolicy(policy, ()) for policy in found))
    assert [policy.policy.sort_key for policy in live] == [("a", "1"), ("a", "2"), ("b", "3")]


def test_a_reference_is_quoted_name_first():
    assert str(build.named("Sales", build.SALES)) == '"Sales"'
    assert str(build.named(id=build.SALES)) == build.SALES


def test_values_do_not_change():
    with pytest.raises(FrozenInstanceError):
        build.group().id = build.FINANCE


def test_the_directory_knows_no_name_for_what_has_no_id():
    known = build.directory()
    assert (known.group_name(None), known.group_name("x"), known.membership_rule(None)) == (
        None,
    ) * 3
