"""Which plans are dangerous, which want a review, and what decides it (contract section 7)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.differ.cover import cover
from reconciler.differ.risk import MANY_DEVICES, dangers_of, risk_of
from reconciler.model.impact import (
    ComplianceAction,
    Impact,
    PolicyImpact,
    Reach,
    RiskLevel,
    TenantImpact,
    Unknown,
)
from reconciler.model.plan import (
    Create,
    Delete,
    Keep,
    Plan,
    PlanTenant,
    PolicyPlan,
    Update,
    filter_after,
)
from reconciler.model.ports import Directory, GroupSearch
from reconciler.model.state import Cloud, Guardrails, Ownership, Writes
from reconciler.model.wording import Names
from tests.support import build

POLICY = build.policy()
INCLUDE, EXCLUDE = build.filtered(), build.filtered(mode="exclude")
OTHER = build.filtered(id=build.KIOSKS)
OTHER_EXCLUDED = build.filtered(id=build.KIOSKS, mode="exclude")
KEPT = build.group(build.FINANCE)
REFUSED = Unknown("403")
TENANT = TenantImpact(secure_by_default=False, conditional_access_policies=0, disabled_filters=())


def create(target=None, filter=None):
    return Create(POLICY, target or build.group(), filter, build.at(7))


def live(target, filter):
    """A live assignment as a plan has it, with its names."""
    return replace(build.live(target, filter), target=target, filter=filter)


def delete(target=None, filter=None):
    return Delete(POLICY, live(target or build.group(), filter))


def update(before, after, target=None):
    target = target or build.group()
    return Update(POLICY, live(target, before), target, after, build.at(7))


def plan_of(*changes, kept=(KEPT,), held=(), inherited=(), impact=None):
    policy = PolicyPlan(
        POLICY,
        Ownership.ADDITIVE,
        changes,
        tuple(Keep(POLICY, build.live(target), build.at()) for target in kept),
        (),
        tuple(inherited),
        held=held,
    )
    tenant = PlanTenant(build.TENANT, "prod", None, Cloud.GLOBAL)
    return Plan(tenant, (policy,), Writes.AUTO, Guardrails(), complete=True, impact=impact)


def judged(plan):
    risk = risk_of(plan)
    return risk.level.value, [reason.code for reason in risk.reasons]


@pytest.mark.parametrize(
    ("changes", "level", "codes"),
    [
        ([], "routine", []),
        ([create()], "routine", []),
        ([create(filter=INCLUDE)], "routine", []),
        ([create(build.exclusion())], "review", ["exclusion-added"]),
        ([create(build.all_devices(), INCLUDE)], "review", ["broad-with-filter"]),
        ([create(build.all_users(), EXCLUDE)], "review", ["broad-with-filter"]),
        ([create(build.all_devices())], "dangerous", ["reaches-everybody"]),
        ([create(build.all_users())], "dangerous", ["reaches-everybody"]),
        ([update(INCLUDE, None, build.all_devices())], "dangerous", ["reaches-everybody"]),
        ([update(None, INCLUDE)], "review", ["filter-changed"]),
        ([update(INCLUDE, OTHER)], "review", ["filter-changed"]),
        ([update(EXCLUDE, OTHER)], "review", ["filter-changed"]),
        ([update(INCLUDE, None)], "dangerous", ["filter-widened"]),
        ([update(EXCLUDE, None)], "dangerous", ["filter-widened"]),
        ([update(INCLUDE, OTHER_EXCLUDED)], "dangerous", ["filter-widened"]),
        ([update(INCLUDE, EXCLUDE)], "dangerous", ["filter-inverted"]),
        ([update(EXCLUDE, INCLUDE)], "dangerous", ["filter-inverted"]),
        ([delete()], "dangerous", ["include-removed"]),
        ([delete(build.exclusion())], "dangerous", ["exclusion-removed"]),
        ([delete(build.exclusion()), create()], "dangerous", ["exclude-to-include"]),
        ([delete(), create(build.exclusion())], "dangerous", ["include-to-exclude"]),
    ],
)  # fmt: skip
def test_the_level_and_what_decided_it(changes, level, codes):
    assert judged(plan_of(*changes)) == (level, codes)


def test_the_last_include():
    assert judged(plan_of(delete(), kept=())) == ("dangerous", ["last-include-removed"])


def test_a_policy_with_exclusions_alone_reaches_nobody():
    plan = plan_of(create(build.exclusion()), kept=())
    risk = risk_of(plan)
    assert judged(plan) == ("dangerous", ["reaches-nobody"])
    assert (risk.reasons[0].policy, risk.reasons[0].declared_at) == (POLICY.name, None)


def test_held_changes_do_not_count():
    held = (delete(), create(build.all_devices()))
    assert judged(plan_of(create(), held=held)) == ("routine", [])
    assert judged(plan_of(kept=(), held=held)) == ("routine", [])


def test_the_worst_comes_first_and_only_its_level_is_told():
    plan = plan_of(
        create(build.exclusion()),
        delete(build.group(build.KIOSK_GROUP)),
        create(build.all_users()),
    )
    assert judged(plan) == ("dangerous", ["reaches-everybody", "include-removed"])


def impact(change, reach, *actions):
    shown = tuple(ComplianceAction(*each) for each in actions) or REFUSED
    return Impact(build.MADE_AT, TENANT, {POLICY.id: PolicyImpact(shown, None)}, {change: reach})


BLOCK, LATER = ("block", 0.0), ("block", 0.5)


@pytest.mark.parametrize(
    ("change", "at_most", "action", "level"),
    [
        (create(), MANY_DEVICES + 1, BLOCK, "dangerous"),
        (create(), MANY_DEVICES, BLOCK, "routine"),
        (create(), MANY_DEVICES + 1, LATER, "routine"),
        (create(), MANY_DEVICES + 1, ("notification", 0.0), "routine"),
        (create(), None, BLOCK, "routine"),
        (create(build.exclusion()), MANY_DEVICES + 1, BLOCK, "review"),
        (update(None, INCLUDE), MANY_DEVICES + 1, BLOCK, "dangerous"),
    ],
)
def test_many_devices_on_a_policy_that_blocks_at_once(change, at_most, action, level):
    reach = Reach(0, 5000, None, at_most)
    assert risk_of(plan_of(change, impact=impact(change, reach, action))).level == level


def test_an_unknown_reach_wants_a_review():
    change = create()
    plan = plan_of(change, impact=impact(change, Reach(0, REFUSED, None, REFUSED), BLOCK))
    assert judged(plan) == ("review", ["reach-unknown"])


def test_without_impact_nothing_is_unknown():
    assert judged(plan_of(create())) == ("routine", [])


def test_a_change_with_two_dangers_is_one_to_look_at():
    change = create(build.all_devices())
    plan = plan_of(change, impact=impact(change, Reach(at_most=5000), BLOCK))
    assert judged(plan) == ("dangerous", ["reaches-everybody", "blocks-at-once"])
    assert [each.code for each in dangers_of(plan)] == ["reaches-everybody"]


FILTERS = [None, INCLUDE, EXCLUDE, OTHER, OTHER_EXCLUDED]
GROUPS = (build.SALES, build.FINANCE, build.KIOSK_GROUP)
TARGETS = [
    *map(build.group, GROUPS),
    *map(build.exclusion, GROUPS),
    build.all_devices(),
    build.all_users(),
    build.collection(),
]
NOWHERE = Directory(GroupSearch({}, {}, {}), {})


@given(data=st.data())
def test_the_level_is_what_the_contract_says_of_the_changes(data):
    """Section 7 a second time, clause by clause, with the warnings of the cover as they stand."""
    changes, kept = [], []
    for target in data.draw(st.lists(st.sampled_from(TARGETS), unique=True, max_size=4)):
        filters = st.sampled_from(FILTERS if target.is_include else [None])
        before, after = data.draw(filters), data.draw(filters)
        match data.draw(st.sampled_from(["create", "update", "delete", "keep"])):
            case "create":
                changes.append(create(target, after))
            case "update" if before != after:
                changes.append(update(before, after, target))
            case "delete":
                changes.append(delete(target, before))
            case _:
                kept.append(target)
    plan = plan_of(*changes, kept=kept)
    codes = {each.code for each in cover(plan.policies, NOWHERE, {})}
    dangerous = {"reaches-nobody", "last-include-removed", "filter-inverted", "filter-widened"}
    expected = "routine"
    if any(map(wants_a_look, changes)):
        expected = "review"
    if codes & dangerous or any(map(is_dangerous, changes)):
        expected = "dangerous"
    assert judged(plan)[0] == (expected if changes else "routine")
    assert bool(judged(plan)[1]) is (judged(plan)[0] != "routine")


def is_dangerous(change):
    return isinstance(change, Delete) or (change.target.is_broad and filter_after(change) is None)


def wants_a_look(change):
    return isinstance(change, Update) or change.target.is_broad or not change.target.is_include


def test_numbers_move_no_digest():
    change = create()
    digests = {
        plan_of(change, impact=measured).digest
        for measured in (
            None,
            impact(change, Reach(0, 3, None, 3), BLOCK),
            impact(change, Reach(9, REFUSED, None, None)),
        )
    }
    assert len(digests) == 1


def test_every_message_names_what_it_is_about():
    for change in (
        create(build.all_devices()),
        update(INCLUDE, None),
        delete(build.exclusion(name="Interns")),
    ):
        (reason,) = risk_of(plan_of(change)).reasons
        assert reason.message
        assert "{" not in reason.message
    assert risk_of(plan_of(create())).level is RiskLevel.ROUTINE


def beside(rest):
    """A plan with a routine change of one policy, and another policy that rests."""
    other = build.policy("Other", "10000002-0000-4000-8000-00000000000c")
    plan = plan_of(create())
    return replace(plan, policies=(*plan.policies, replace(rest, policy=other)))


def resting(*kept, held=()):
    return plan_of(kept=kept, held=held).policies[0]


def test_a_policy_at_rest_counts_where_it_has_exclusions_alone():
    assert judged(beside(resting(build.exclusion()))) == ("dangerous", ["reaches-nobody"])


def test_a_policy_at_rest_without_assignments_or_under_a_hold_is_no_news():
    assert judged(beside(resting())) == ("routine", [])
    assert judged(beside(resting(build.exclusion(), held=(delete(),)))) == ("routine", [])
    assert judged(beside(resting(KEPT))) == ("routine", [])


def test_exclusions_alone_reach_nobody_also_where_one_of_them_goes():
    plan = plan_of(delete(build.exclusion()), kept=(build.exclusion(build.KIOSK_GROUP),))
    assert judged(plan) == ("dangerous", ["exclusion-removed", "reaches-nobody"])


def test_the_last_include_that_becomes_an_exclusion():
    plan = plan_of(delete(), create(build.exclusion()), kept=())
    assert judged(plan) == ("dangerous", ["last-include-removed"])


def test_a_reason_has_its_line_its_policy_and_its_number():
    change = create(build.group(name="Sales"))
    (reason,) = risk_of(
        plan_of(change, impact=impact(change, Reach(0, 1240, None, 1240), BLOCK))
    ).reasons
    assert (reason.policy, reason.declared_at) == (POLICY.name, build.at(7))
    assert reason.message == (
        'include group "Sales" reaches at most 1,240 devices, and the policy blocks at once'
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (delete(build.exclusion(name="Interns")),
         'exclude group "Interns": no longer excluded: its members may then be reached'),
        (create(build.all_devices()), "include all devices without a filter: every device of the tenant"),
        (update(build.filtered(name="A"), None, build.group(name="Sales")),
         'include group "Sales", filter: include "A" -> no filter'),
    ],
)  # fmt: skip
def test_a_reason_says_what_changes(change, message):
    assert risk_of(plan_of(change)).reasons[0].message == message


def test_a_group_that_changes_sides_is_named_in_the_reason():
    plan = plan_of(delete(build.exclusion(name="Interns")), create(build.group(name="Interns")))
    assert risk_of(plan).reasons[0].message == (
        'the group "Interns" was excluded, and gets the policy from now on'
    )


def test_a_name_that_two_groups_or_filters_share_has_its_id_beside_it_in_the_reason():
    sales, other = build.group(name="Sales"), build.group(build.FINANCE, "Sales")
    corporate = build.filtered(name="Corporate")
    kiosks = build.filtered(build.KIOSKS, "exclude", "Corporate")
    plan = plan_of(
        delete(build.exclusion(name="Sales")), create(sales), update(corporate, kiosks, other)
    )
    names = Names.of_plan(plan)
    sales_id, other_id = names.short_id(build.SALES), names.short_id(build.FINANCE)
    corporate_id, kiosks_id = names.short_id(build.CORPORATE), names.short_id(build.KIOSKS)
    assert "" not in (sales_id, other_id, corporate_id, kiosks_id)

    turned, widened = risk_of(plan).reasons

    assert turned.message.startswith(f'the group "Sales" ({sales_id}) was excluded')
    assert widened.message == (
        f'include group "Sales" ({other_id}), filter: include "Corporate" ({corporate_id}) '
        f'-> exclude "Corporate" ({kiosks_id})'
    )


def test_what_covers_nobody_any_more_names_the_one_of_two_policies_that_share_a_name():
    one = plan_of(delete(), kept=()).policies[0]
    other = replace(one, policy=replace(POLICY, id="10000002-0000-4000-8000-00000000000c"))
    told = {each.policy for each in cover((one, other), NOWHERE, {})}
    assert told == {f"{POLICY.name} ({POLICY.id[:8]})", f"{POLICY.name} (10000002)"}


def test_each_change_that_is_dangerous_is_one_to_look_at():
    changes = (create(build.all_devices()), create(build.all_users()))
    assert [each.change for each in dangers_of(plan_of(*changes))] == list(changes)


def test_a_saved_plan_that_lacks_the_reach_of_a_change_is_judged_by_the_others():
    change = create(build.exclusion())
    plan = plan_of(create(), change, impact=impact(change, Reach(0, 1, None, 1), BLOCK))
    assert judged(plan) == ("review", ["exclusion-added"])
