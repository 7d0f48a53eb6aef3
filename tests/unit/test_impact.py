"""Whom a change concerns at most, and which plans are dangerous."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.differ.impact import (
    bounds_before,
    impact_diagnostics,
    impact_of,
    questions_of,
    reach_of,
)
from reconciler.model.impact import (
    ImpactReadings,
    MemberCounts,
    PolicyImpact,
    Reach,
    TenantImpact,
    Unknown,
)
from reconciler.model.plan import Create, Delete, PolicyPlan, Update
from reconciler.model.ports import Directory, GroupSearch
from reconciler.model.state import AssignmentFilter, Group, Ownership
from reconciler.model.wording import NO_NAMES, Names
from tests.support import build

REFUSED = Unknown("403: needs Device.Read.All")
FILTERS = {
    id: AssignmentFilter(id, "Corporate", "windows10AndLater", rule="(device.model -eq 1)")
    for id in (build.CORPORATE, build.KIOSKS)
}
DIRECTORY = Directory(GroupSearch({}, {}, {}), FILTERS)
POLICY = build.policy()


def readings(members=None, matches=None, disabled=()):
    return ImpactReadings(
        build.MADE_AT,
        {} if members is None else {build.SALES: MemberCounts(*members)},
        {} if matches is None else {build.CORPORATE: matches},
        {POLICY.id: PolicyImpact(REFUSED, None)},
        TenantImpact(secure_by_default=False, conditional_access_policies=0, disabled_filters=disabled),
    )  # fmt: skip


def create(target=None, filter=None):
    return Create(POLICY, target or build.group(), filter, build.at())


INCLUDE, EXCLUDE = build.filtered(), build.filtered(mode="exclude")


HIDDEN = Unknown("the group hides its members; counting them needs Member.Read.Hidden")


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ((0, 0), Reach(HIDDEN, HIDDEN, None, HIDDEN)),
        ((0, REFUSED), Reach(HIDDEN, REFUSED, None, HIDDEN)),
        ((0, 7), Reach(0, 7, None, 7)),
        ((3, 0), Reach(3, 0, None, None)),
    ],
)
def test_no_members_of_a_group_that_hides_them_are_not_believed(members, expected):
    group = Group(build.SALES, "Sales", hides_members=True)
    directory = Directory(GroupSearch({build.SALES: group}, {}, {}), FILTERS)
    assert reach_of(create(), readings(members), directory) == expected


@pytest.mark.parametrize(
    ("target", "filter", "members", "matches", "expected"),
    [
        (build.group(), None, (0, 1240), None, Reach(0, 1240, None, 1240)),
        (build.group(), INCLUDE, (0, 1240), 3410, Reach(0, 1240, 3410, 1240)),
        (build.group(), INCLUDE, (0, 1240), 12, Reach(0, 1240, 12, 12)),
        (build.group(), EXCLUDE, (0, 1240), 12, Reach(0, 1240, 12, 1240)),
        (build.group(), None, (3, 1240), None, Reach(3, 1240, None, None)),
        (build.group(), INCLUDE, (3, 1240), 12, Reach(3, 1240, 12, 12)),
        (build.group(), EXCLUDE, (3, 1240), 12, Reach(3, 1240, 12, None)),
        (build.group(), None, (0, REFUSED), None, Reach(0, REFUSED, None, REFUSED)),
        (build.group(), INCLUDE, (0, REFUSED), 12, Reach(0, REFUSED, 12, 12)),
        (build.group(), None, (REFUSED, 5), None, Reach(REFUSED, 5, None, REFUSED)),
        (build.group(), INCLUDE, (REFUSED, 5), 12, Reach(REFUSED, 5, 12, 12)),
        (build.group(), INCLUDE, (0, 5), REFUSED, Reach(0, 5, REFUSED, 5)),
        (build.group(), INCLUDE, (3, 5), REFUSED, Reach(3, 5, REFUSED, REFUSED)),
        (build.exclusion(), None, (0, 7), None, Reach(0, 7, None, 7)),
        (build.all_devices(), None, None, None, Reach()),
        (build.all_devices(), INCLUDE, None, 12, Reach(filter_matches=12, at_most=12)),
        (build.all_devices(), EXCLUDE, None, 12, Reach(filter_matches=12)),
        (build.all_users(), INCLUDE, None, 12, Reach(filter_matches=12, at_most=12)),
        (build.all_users(), INCLUDE, None, REFUSED, Reach(filter_matches=REFUSED, at_most=REFUSED)),
    ],
)  # fmt: skip
def test_the_smallest_bound_that_holds(target, filter, members, matches, expected):
    assert reach_of(create(target, filter), readings(members, matches), DIRECTORY) == expected


LINUX = build.policy(platform="linux")
SCRIPTED = build.policy(custom_compliance=True)
IPHONE = build.policy(platform="ios")
OFF = readings((3, 1240), 12, (build.CORPORATE,))
ON = readings((3, 1240), 12)
FOR_APPS = Directory(
    DIRECTORY.groups, {build.CORPORATE: replace(FILTERS[build.CORPORATE], management_type="apps")}
)


@pytest.mark.parametrize(
    ("policy", "read", "directory"),
    [
        (POLICY, OFF, DIRECTORY),
        (LINUX, ON, DIRECTORY),
        (SCRIPTED, ON, DIRECTORY),
        (IPHONE, ON, DIRECTORY),
        (POLICY, ON, FOR_APPS),
    ],
)
def test_a_filter_that_intune_may_not_evaluate_bounds_nothing(policy, read, directory):
    for target in (build.group(), build.all_devices()):
        reach = reach_of(Create(policy, target, INCLUDE, build.at()), read, directory)
        assert reach.filter_matches == 12
        assert isinstance(reach.at_most, Unknown)
        assert reach.unknown.keys() == {"at_most"}
    without_users = replace(read, members={build.SALES: MemberCounts(0, 7)})
    change = Create(policy, build.group(), INCLUDE, build.at())
    assert reach_of(change, without_users, directory).at_most == 7
    assert reach_of(replace(change, filter=EXCLUDE), read, directory).at_most is None


@pytest.mark.parametrize(("policy", "read"), [(POLICY, OFF), (LINUX, ON), (SCRIPTED, ON)])
def test_such_a_filter_bounded_nothing_before_an_update_either(policy, read):
    change = Update(policy, build.live(build.group(), INCLUDE), build.group(), EXCLUDE, build.at())
    read = replace(read, policies={policy.id: PolicyImpact(REFUSED, None)})
    impact = impact_of([replace(plan_of(change), policy=policy)], read, DIRECTORY)
    assert isinstance(bounds_before(impact)[change], Unknown)


@pytest.mark.parametrize("policy", [LINUX, SCRIPTED, IPHONE])
def test_nothing_is_said_of_the_effect_of_such_a_filter(policy):
    change = Create(policy, build.group(), INCLUDE, build.at())
    read = replace(readings((3, 5), 0), policies={policy.id: PolicyImpact(REFUSED, None)})
    plan = replace(plan_of(change), policy=policy)
    found = impact_diagnostics([plan], impact_of([plan], read, DIRECTORY), NO_NAMES, DIRECTORY)
    (diagnostic,) = found
    assert diagnostic.message.endswith("matches no device of the tenant now")


def test_a_delete_reaches_what_stands_before_it():
    change = Delete(POLICY, build.live(build.group(), INCLUDE))
    assert reach_of(change, readings((0, 90), 12), DIRECTORY) == Reach(0, 90, 12, 12)


def test_an_update_reaches_what_stands_after_it():
    change = Update(POLICY, build.live(build.group(), INCLUDE), build.group(), None, build.at())
    assert reach_of(change, readings((0, 90), 12), DIRECTORY) == Reach(0, 90, None, 90)


@pytest.mark.parametrize("target", [build.group(), build.all_devices()])
@pytest.mark.parametrize("members", [(0, 1240), (3, 1240), (REFUSED, REFUSED)])
@pytest.mark.parametrize("before", [None, INCLUDE, EXCLUDE])
def test_an_update_was_bounded_before_it_as_an_addition_of_what_it_was(target, members, before):
    change = Update(POLICY, build.live(target, before), target, build.filtered(), build.at())
    read = readings(members, 12)
    impact = impact_of([plan_of(change)], read, DIRECTORY)
    expected = reach_of(create(target, before), read, DIRECTORY).at_most
    assert bounds_before(impact) == {change: expected}


def test_a_filter_that_only_stood_before_was_not_counted():
    target = build.group()
    other = build.filtered(id=build.KIOSKS)
    change = Update(POLICY, build.live(target, other), target, INCLUDE, build.at())
    with_users = impact_of([plan_of(change)], readings((3, 1240), 12), DIRECTORY)
    assert bounds_before(with_users) == {change: Unknown("the filter before was not counted")}
    without = impact_of([plan_of(change)], readings((0, 1240), 12), DIRECTORY)
    assert bounds_before(without) == {change: 1240}


@pytest.mark.parametrize("target", [build.collection(), build.scope_tag_group()])
def test_what_graph_does_not_count_is_unknown(target):
    reach = reach_of(create(target), readings(), DIRECTORY)
    assert reach.unknown.keys() == {"users", "devices", "at_most"}


def test_a_filter_that_is_gone_or_shows_no_rule_is_unknown():
    gone = build.filtered(id="gone")
    assert reach_of(create(filter=gone), readings((0, 1)), DIRECTORY).unknown == {
        "filter_matches": "Graph does not list the filter"
    }
    assert reach_of(create(filter=INCLUDE), readings((0, 1)), DIRECTORY).unknown == {
        "filter_matches": "Graph does not show the rule of the filter"
    }


def plan_of(*changes, held=()):
    return PolicyPlan(POLICY, Ownership.ADDITIVE, changes, (), (), (), held=held)


def test_each_group_filter_and_policy_is_asked_for_once_and_held_changes_are_not():
    changes = (
        create(filter=INCLUDE),
        create(build.exclusion()),
        create(build.all_devices(), EXCLUDE),
        create(build.collection()),
    )
    questions = questions_of([plan_of(*changes, held=(create(build.group("x")),))], DIRECTORY)
    assert questions.groups == (build.SALES,)
    assert [filter.id for filter in questions.filters] == [build.CORPORATE]
    assert questions.policies == (POLICY,)


def test_a_plan_that_only_holds_asks_nothing():
    questions = questions_of([plan_of(held=(create(),))], DIRECTORY)
    assert (questions.groups, questions.filters, questions.policies) == ((), (), ())


@given(data=st.data())
def test_a_bound_is_never_below_what_is_reached(data):
    """Devices of the tenant are numbers; members, matches and owners are any sets of them."""
    everything = st.frozensets(st.integers(0, 30))
    group_devices, matching, owned = (data.draw(everything) for _ in range(3))
    users = data.draw(st.integers(0, 3)) if owned else 0
    filter = data.draw(st.sampled_from([None, INCLUDE, EXCLUDE]))
    known = data.draw(st.tuples(*[st.booleans()] * 3))
    shown = [
        number if is_known else REFUSED
        for number, is_known in zip((users, len(group_devices), len(matching)), known, strict=True)
    ]
    reached = group_devices | (owned if users else frozenset())
    if filter is not None:
        reached = reached & matching if filter is INCLUDE else reached - matching
    reach = reach_of(create(filter=filter), readings(shown[:2], shown[2]), DIRECTORY)
    assert not isinstance(reach.at_most, int) or len(reached) <= reach.at_most


def codes(change, read):
    impact = impact_of([plan_of(change)], read, DIRECTORY)
    found = impact_diagnostics([plan_of(change)], impact, NO_NAMES, DIRECTORY)
    return [each.code for each in found]


@pytest.mark.parametrize(
    ("change", "read", "expected"),
    [
        (create(), readings((0, 0)), ["empty-group"]),
        (create(build.exclusion()), readings((0, 0)), ["empty-group"]),
        (create(), readings((0, REFUSED)), []),
        (create(), readings((REFUSED, 0)), []),
        (create(), readings((1, 0)), []),
        (create(filter=INCLUDE), readings((0, 1), 0), ["filter-matches-nothing"]),
        (create(filter=EXCLUDE), readings((0, 1), 0), ["filter-matches-nothing"]),
        (create(filter=INCLUDE), readings((0, 1), REFUSED), []),
        (create(filter=INCLUDE), readings((0, 1), 4, (build.CORPORATE,)), ["filter-disabled"]),
        (create(filter=INCLUDE), readings((0, 1), 4, (build.KIOSKS,)), []),
        (create(filter=INCLUDE), readings((0, 1), 4, REFUSED), []),
        (Delete(POLICY, build.live(build.group(), INCLUDE)), readings((0, 0), 0), []),
    ],
)  # fmt: skip
def test_what_is_empty_or_off_is_said_and_what_is_unknown_is_not(change, read, expected):
    assert codes(change, read) == expected


def test_a_name_that_two_groups_or_filters_share_has_its_id_beside_it():
    group, filter = build.group(name="Sales"), build.filtered(name="Corporate")
    others = build.group(build.FINANCE, "Sales"), build.filtered(build.KIOSKS, name="Corporate")
    names = Names.of([POLICY], [group, others[0]], [filter, others[1]])
    plan = plan_of(create(group, filter))
    impact = impact_of([plan], readings((0, 0), 0, (build.CORPORATE,)), DIRECTORY)

    empty, off, nothing = impact_diagnostics([plan], impact, names, DIRECTORY)

    of_group = f'include group "Sales" ({names.short_id(build.SALES)}): '
    of_filter = f'the filter "Corporate" ({names.short_id(build.CORPORATE)}) '
    assert names.short_id(build.SALES)
    assert names.short_id(build.CORPORATE)
    assert empty.message.startswith(of_group)
    assert off.message.startswith(f"{of_group}the evaluation of {of_filter}")
    assert nothing.message.startswith(f"{of_group}{of_filter}")


def test_a_filter_without_a_rule_or_platform_or_place_is_not_asked_for():
    known = {
        build.CORPORATE: AssignmentFilter(build.CORPORATE, "A", "windows10AndLater"),
        build.KIOSKS: AssignmentFilter(build.KIOSKS, "B", None, rule="(device.model -eq 1)"),
    }
    directory = Directory(GroupSearch({}, {}, {}), known)
    used = (INCLUDE, build.filtered(id=build.KIOSKS), build.filtered(id="gone"))
    plan = plan_of(*(create(filter=each) for each in used))
    assert questions_of([plan], directory).filters == ()


def test_an_impact_keeps_its_time_and_each_changed_policy():
    read = readings((0, 1))
    impact = impact_of([plan_of(create())], read, DIRECTORY)
    assert impact.read_at == read.read_at
    assert impact.policies == read.policies


def test_why_a_target_is_not_counted():
    reach = reach_of(create(build.collection()), readings(), DIRECTORY)
    assert reach.unknown["devices"] == "Graph does not count a Configuration Manager collection"
    assert reach_of(create(), readings(), DIRECTORY).unknown["users"] == "it was not asked for"
    assert reach_of(create(), readings(), DIRECTORY).unknown["devices"] == "it was not asked for"
