"""The differ compares by identity; what a whole plan says stands in tests/cases/differ."""

from dataclasses import replace
from datetime import date

import pytest

from reconciler.differ.compare import FieldChange, Namer, diff, explain, explain_update
from reconciler.model.plan import Delete, Inherited, Keep, Scheduled, Unmanaged, Update
from reconciler.model.state import Group, ResolvedRemoval, ResolvedState
from tests.support import build


def compare(*wanted, live=(), owned="additive"):
    policy = build.resolved(*wanted, live=live, owned=owned)
    return diff(ResolvedState(build.config(), (policy,)), build.directory())


def test_a_live_only_assignment_stays_unmanaged_when_additive():
    foreign = build.live(build.group(build.FINANCE), build.filtered())
    plan = build.planned(build.want(), live=[foreign])
    assert plan.unmanaged == (Unmanaged(build.policy(), foreign),)


def test_what_is_unmanaged_stands_in_order_of_target():
    live = [build.live(build.exclusion()), build.live(build.all_users()), build.live()]
    assert [each.assignment for each in build.planned(live=live).unmanaged] == [
        live[1],
        live[2],
        live[0],
    ]


def test_only_what_is_declared_stays_when_authoritative():
    foreign = build.live(build.group(build.FINANCE), build.filtered())
    plan = build.planned(live=[foreign], owned="authoritative")
    assert plan.changes == (Delete(build.policy(), foreign),)
    assert plan.unmanaged == ()


@pytest.mark.parametrize("owned", ["additive", "authoritative"])
def test_what_is_opaque_is_never_deleted(owned):
    strange = build.opaque()
    plan = build.planned(live=[strange], owned=owned)
    assert (plan.changes, [change.assignment for change in plan.unmanaged]) == ((), [strange])


@pytest.mark.parametrize("owned", ["additive", "authoritative"])
def test_what_a_policy_set_assigned_is_never_touched(owned):
    inherited = build.inherited()
    plan = build.planned(live=[inherited], owned=owned)
    assert (plan.changes, plan.unmanaged) == ((), ())
    assert plan.inherited == (Inherited(build.policy(), inherited, None),)


def test_several_policy_sets_may_assign_one_target():
    sets = [build.inherited(id="set-1"), build.inherited(id="set-2")]
    plan = build.planned(build.want(), live=reversed(sets))
    assert plan.inherited == tuple(Inherited(build.policy(), each, build.at(5)) for each in sets)
    assert plan.changes == ()


def test_a_direct_assignment_is_compared_beside_the_one_of_a_policy_set():
    live = [build.live(filter=build.filtered()), build.inherited(id="set")]
    plan = build.planned(build.want(), live=live)
    assert [type(op) for op in plan.changes] == [Update]
    assert [change.declared_at for change in plan.inherited] == [None]


def test_a_filter_on_a_target_of_a_policy_set_is_an_error_and_the_policy_is_not_planned():
    difference = compare(
        build.want(filter=build.filtered()), build.want(build.all_users()), live=[build.inherited()]
    )
    assert difference.policies == ()
    assert [(d.code, d.is_error, d.location.line) for d in difference.diagnostics] == [
        ("inherited-without-filter", True, 5)
    ]


def test_a_duplicate_in_the_tenant_is_an_error_at_the_policys_line():
    difference = compare(build.want(), live=[build.live(id="one"), build.live(id="two")])
    assert difference.policies == ()
    (only,) = difference.diagnostics
    assert (only.code, only.location) == ("live-duplicate", build.at(1, column=5))


def test_the_same_group_included_and_excluded_is_two_assignments():
    live = [build.live(build.group()), build.live(build.exclusion())]
    plan = build.planned(build.want(build.exclusion()), live=live, owned="authoritative")
    assert plan.changes == (Delete(build.policy(), live[0]),)
    assert plan.kept == (Keep(build.policy(), live[1], build.at(5)),)


@pytest.mark.parametrize(
    ("target", "key"),
    [
        (build.group(), build.SALES.upper()),
        (build.exclusion(), build.SALES),
        (build.all_devices(), "adadadad-808e-44e2-905a-0b7873a8a531"),
        (build.all_users(), "acacacac-9df4-4c7d-9d50-4ef0226f57a9"),
    ],
)
def test_nothing_is_created_where_an_unreadable_assignment_has_its_id(target, key):
    strange = build.opaque(f"{build.WINDOWS}_{key}")
    difference = compare(build.want(target), live=[strange])
    assert difference.policies == ()
    assert [(d.code, d.location.line) for d in difference.diagnostics] == [("opaque-target", 5)]
    assert strange.id in difference.diagnostics[0].message


def test_an_unreadable_assignment_without_a_type_is_named_as_such():
    strange = build.opaque(f"{build.WINDOWS}_{build.SALES}", odata_type=None)
    (diagnostic,) = compare(build.want(), live=[strange]).diagnostics
    assert diagnostic.policy == build.policy().name
    assert diagnostic.message.endswith(f"not know: no type, assignment {strange.id}")


def remove(*targets, live):
    removals = [ResolvedRemoval(each, build.at(n)) for n, each in enumerate(targets, start=1)]
    policy = replace(build.resolved(live=live), removals=tuple(removals))
    return diff(ResolvedState(build.config(), (policy,)), build.directory())


def test_each_line_of_remove_that_cannot_be_done_is_told_whatever_the_others_do():
    live = [
        build.inherited(id="set"),
        build.live(build.all_users()),
        build.inherited(build.all_users(), id="another set"),
        build.opaque(f"{build.WINDOWS}_{build.FINANCE}", odata_type=None),
    ]
    targets = [build.group(), build.all_users(), build.group(build.FINANCE), build.collection()]
    difference = remove(*targets, live=live)
    assert difference.policies == ()
    assert [(each.code, each.location.line) for each in difference.diagnostics] == [
        ("removal-of-policy-set", 1),
        ("still-assigned-by-policy-set", 2),
        ("removal-of-opaque-target", 3),
    ]
    assert "never removed: no type, assignment" in difference.diagnostics[2].message


@pytest.mark.parametrize(
    ("id", "maker"),
    [
        (f"{build.POLICY_SET}_{build.SALES}", f"the policy set {build.POLICY_SET}"),
        (f"{build.POLICY_SET}_{build.SALES}_0", f"the policy set {build.POLICY_SET}"),
        (f"{build.WINDOWS.upper()}_{build.SALES}", "a policy set"),
        ("another_form", "a policy set"),
    ],
)
def test_a_policy_set_is_named_where_the_id_of_its_assignment_begins_with_its_own(id, maker):
    (diagnostic,) = remove(build.group(), live=[build.inherited(id=id)]).diagnostics
    assert f"is assigned by {maker} alone" in diagnostic.message


def test_a_line_of_remove_deletes_the_direct_assignment_and_carries_its_place():
    live = build.live()
    (plan,) = remove(build.group(), live=[live]).policies
    assert plan.changes == (Delete(build.policy(), live, build.at(1)),)


def test_a_scheduled_line_is_shown_with_its_policy_and_day():
    line = replace(build.want(), starts=date(2026, 12, 3))
    policy = replace(build.resolved(), scheduled=(line,))
    (plan,) = diff(ResolvedState(build.config(), (policy,)), build.directory()).policies
    day = date(2026, 12, 3)
    assert plan.scheduled == (Scheduled(build.policy(), line.target, None, day, build.at(5)),)


def test_an_update_carries_the_lines_consent_and_place():
    plan = build.planned(
        build.want(build.all_devices(), broad=True, line=7),
        live=[build.live(build.all_devices(), build.filtered())],
    )
    (update,) = plan.changes
    assert (update.broad, update.declared_at, update.after) == (True, build.at(7), None)


def test_an_update_is_explained_field_by_field():
    before, after = (
        build.filtered(mode="include", name="A"),
        build.filtered(mode="exclude", name="A"),
    )
    update = Update(build.policy(), build.live(filter=before), build.group(), after, build.at())
    named = Namer(build.directory(build.AssignmentFilter(build.CORPORATE, "A"))).named(update.live)
    update = Update(build.policy(), named, build.group(), after, build.at())
    assert explain_update(update) == (FieldChange("filter.mode", "include", "exclude"),)


def test_a_filter_that_comes_or_goes_is_explained_whole():
    update = Update(
        build.policy(), build.live(), build.group(), build.filtered(name="A"), build.at()
    )
    assert explain_update(update) == (
        FieldChange("filter.id", None, build.CORPORATE),
        FieldChange("filter.mode", "none", "include"),
        FieldChange("filter.name", None, "A"),
    )


def test_what_is_the_same_needs_no_explanation():
    assert explain({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}) == ()


def test_equal_targets_and_filters_are_named_once_and_kept_once():
    namer = Namer(build.directory())
    one, other = (namer.named(build.live(filter=build.filtered(), id=id)) for id in "ab")
    assert one.target is other.target
    assert one.filter is other.filter


def test_naming_an_assignment_loses_nothing_of_it():
    read = replace(build.live(filter=build.filtered(), future=1), raw_properties='{"beside": 2}')
    known = build.directory(Group(build.SALES, "Sales"))
    assert Namer(known).named(read) == read


def test_names_stand_beside_ids_and_an_unknown_id_stays_without():
    known = build.directory(
        Group(build.SALES, "Sales"), build.AssignmentFilter(build.CORPORATE, "Corporate")
    )
    named = Namer(known).named(build.live(build.exclusion(), build.filtered()))
    assert (named.target.name, named.filter.name) == ("Sales", "Corporate")
    ghost = Namer(known).named(build.live(build.group(build.FINANCE), build.filtered(build.KIOSKS)))
    assert (ghost.target.name, ghost.filter.name) == (None, None)
    assert Namer(known).named(build.live(build.scope_tag_group())).target.name is None
