"""Reach and consequence in words: bounds with their basis, and what is not known with its reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from reconciler.model.impact import (
    ComplianceAction,
    PolicyImpact,
    Reach,
    StatusOverview,
    TenantImpact,
    Unknown,
)
from reconciler.views import text
from reconciler.views.impact_text import ImpactText
from tests.support.build_impact import (
    FORBIDDEN,
    LATE,
    blocking,
    devices,
    uncounted,
    users,
    with_impact,
)
from tests.support.build_plans import (
    ALL_DEVICES,
    ALL_USERS,
    LINUX,
    MACS,
    WINDOWS,
    create,
    delete,
    excluded,
    group,
    only,
    plan,
    policy_plan,
    update,
    without,
)

SALES = create(WINDOWS, group("Sales"))
FILTERED = create(WINDOWS, group("Sales"), only("Corporate"))
NARROWED = create(WINDOWS, group("Sales"), without("Kiosks"))

REACHES = {
    "devices": (SALES, devices(1240), "reaches at most 1,240 devices"),
    "one device": (SALES, devices(1), "reaches at most 1 device"),
    "an include filter": (
        FILTERED,
        devices(1240, matches=3410),
        "reaches at most 1,240 devices: 1,240 in the group, filter matches 3,410",
    ),
    "an exclude filter bounds nothing": (
        NARROWED,
        devices(1240, matches=40),
        "reaches at most 1,240 devices: 1,240 in the group, exclude filter matches 40",
    ),
    "users": (SALES, users(120), "reaches at most 120 users (any number of devices)"),
    "users and devices": (
        SALES,
        users(120, more_devices=30),
        "reaches at most 120 users (any number of devices) and 30 devices",
    ),
    "users with an include filter": (
        FILTERED,
        Reach(120, 0, 3410, 3410),
        "reaches at most 3,410 devices: 120 users in the group, filter matches 3,410",
    ),
    "users and devices with an include filter": (
        FILTERED,
        Reach(120, 30, 3410, 3410),
        "reaches at most 3,410 devices: 120 users and 30 devices in the group, filter matches 3,410",
    ),
    "an empty group": (SALES, devices(0), "reaches at most 0 devices: no members of the group can be seen"),
    "an exclusion": (create(WINDOWS, excluded("A")), devices(12), "leaves out at most 12 devices"),
    "an exclusion that goes": (
        delete(WINDOWS, excluded("A")), devices(12), "left out at most 12 devices"
    ),
    "an empty exclusion": (
        create(WINDOWS, excluded("A")), devices(0), "leaves out at most 0 devices: no members of the group can be seen"
    ),
    "an include that goes": (delete(WINDOWS, group("A")), devices(12), "reached at most 12 devices"),
    "a filter that matches nothing": (
        FILTERED,
        devices(12, matches=0, at_most=0),
        "reaches at most 0 devices: 12 in the group, filter matches 0",
    ),
    "everybody": (create(WINDOWS, ALL_DEVICES), Reach(), ""),
    "everybody with an include filter": (
        create(WINDOWS, ALL_USERS, only("A")),
        Reach(filter_matches=40, at_most=40),
        "reaches at most 40 devices: filter matches 40",
    ),
    "everybody with an exclude filter": (
        create(WINDOWS, ALL_USERS, without("A")),
        Reach(filter_matches=40),
        "reaches the devices of all users except what the filter matches: exclude filter matches 40",
    ),
    "a filter not counted, everybody": (
        create(WINDOWS, ALL_DEVICES, only("A")),
        Reach(filter_matches=LATE, at_most=LATE),
        "reach not known (filter: it did not come in time)",
    ),
    "a filter that may not be evaluated": (
        FILTERED,
        Reach(3, 7, 12, Unknown("Intune may pass over it")),
        "reach not known (Intune may pass over it): 3 users and 7 devices in the group, filter matches 12",
    ),
    "nothing known": (
        SALES, uncounted(), "reach not known (members: 403: needs Device.Read.All)"
    ),
    "nothing known of an exclusion": (
        create(WINDOWS, excluded("A")),
        uncounted(LATE),
        "number left out not known (members: it did not come in time)",
    ),
    "two reasons": (
        SALES,
        Reach(Unknown("404: gone"), FORBIDDEN, None, FORBIDDEN),
        "reach not known (users: 404: gone; devices: 403: needs Device.Read.All)",
    ),
    "devices unknown": (
        SALES,
        Reach(0, FORBIDDEN, None, FORBIDDEN),
        "reach not known: devices in the group not known (403: needs Device.Read.All)",
    ),
    "users known, devices not": (
        SALES,
        Reach(120, FORBIDDEN, None, None),
        ("reaches at most 120 users (any number of devices): 120 users in the group, devices in the "
        "group not known (403: needs Device.Read.All)"),
    ),
    "users unknown": (
        SALES,
        Reach(FORBIDDEN, 30, None, FORBIDDEN),
        ("reach not known: 30 devices in the group, users in the group not known "
        "(403: needs Device.Read.All)"),
    ),
    "bounded by the filter alone": (
        FILTERED,
        Reach(FORBIDDEN, FORBIDDEN, 3410, 3410),
        ("reaches at most 3,410 devices: members of the group not known "
        "(403: needs Device.Read.All), filter matches 3,410"),
    ),
    "bounded by the group alone": (
        FILTERED,
        Reach(0, 12, LATE, 12),
        ("reaches at most 12 devices: 12 in the group, filter matches not known "
        "(it did not come in time)"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "reach", "expected"), REACHES.values(), ids=REACHES)
def test_the_reach_of_a_change_is_one_phrase(change, reach, expected):
    made = with_impact(plan(policy_plan(WINDOWS, change)), {change: reach})
    assert ImpactText.of(made).reach(change) == expected


@pytest.mark.parametrize(("change", "reach", "expected"), REACHES.values(), ids=REACHES)
def test_a_bound_has_no_basis(change, reach, expected):
    made = with_impact(plan(policy_plan(WINDOWS, change)), {change: reach})
    bound = ImpactText.of(made).bound(change)
    assert expected.startswith(bound)
    assert "not known (" not in bound


def action(type: str, days: float) -> ComplianceAction:
    return ComplianceAction(type, days)


def overview(
    compliant: int, noncompliant: int, error: int, pending: int, as_of: datetime | None = None
) -> StatusOverview:
    return StatusOverview(compliant, noncompliant, error, pending, 9, as_of)


CONSEQUENCES = {
    "at once": (
        blocking(),
        "noncompliant: block at once; today 2,049 compliant, 64 not, as of 09:12 UTC",
    ),
    "several actions": (
        PolicyImpact(
            (
                action("pushNotification", 0.0),
                action("notification", 0.5),
                action("block", 1.0),
                action("remoteLock", 1 / 24),
                action("retire", 30.0),
                action("somethingNew", 1.5),
            ),
            None,
        ),
        (
            "noncompliant: push notification at once, email after 12 hours, block after 1 day, "
            "remote lock after 1 hour, retire after 30 days, somethingNew after 1.5 days; today no data"
        ),
    ),
    "errors and another day": (
        PolicyImpact(
            (action("block", 3.0),),
            overview(10, 0, 2, 3, as_of=datetime(2026, 11, 22, 16, 8, tzinfo=UTC)),
        ),
        (
            "noncompliant: block after 3 days; today 10 compliant, 0 not, 2 in error, 3 pending, "
            "as of 2026-11-22 16:08 UTC"
        ),
    ),
    "no time": (
        PolicyImpact((action("block", 3.0),), overview(10, 1, 0, 0)),
        "noncompliant: block after 3 days; today 10 compliant, 1 not, time not given",
    ),
    "not known": (
        PolicyImpact(LATE, FORBIDDEN),
        (
            "actions not known (it did not come in time); today not known "
            "(403: needs Device.Read.All)"
        ),
    ),
}


@pytest.mark.parametrize(("impact", "expected"), CONSEQUENCES.values(), ids=CONSEQUENCES)
def test_the_consequence_of_a_policy_is_one_phrase(impact, expected):
    made = with_impact(plan(policy_plan(WINDOWS, SALES)), {SALES: devices(1)}, {WINDOWS: impact})
    assert ImpactText.of(made).consequence(WINDOWS) == expected


TENANTS = {
    "all known": (
        TenantImpact(True, 3, ()),
        (
            "devices without a policy count as not compliant; 3 enabled Conditional Access policies "
            "require a compliant device, alone or as one of several controls."
        ),
    ),
    "one and none": (
        TenantImpact(False, 1, ()),
        (
            "devices without a policy count as compliant; 1 enabled Conditional Access policy requires "
            "a compliant device, alone or as one of several controls."
        ),
    ),
    "none": (
        TenantImpact(False, 0, ()),
        (
            "devices without a policy count as compliant; no enabled Conditional Access policy requires "
            "a compliant device."
        ),
    ),
    "not known": (
        TenantImpact(LATE, Unknown("403: needs Policy.Read.All"), LATE),
        (
            "how devices without a policy count is not known (it did not come in time); how many "
            "enabled Conditional Access policies require a compliant device is not known "
            "(403: needs Policy.Read.All); whether a filter is disabled is not known "
            "(it did not come in time)."
        ),
    ),
}


@pytest.mark.parametrize(("tenant", "expected"), TENANTS.values(), ids=TENANTS)
def test_the_tenant_is_one_sentence(tenant, expected):
    made = with_impact(plan(policy_plan(WINDOWS, SALES)), {}, tenant=tenant)
    assert ImpactText.of(made).tenant() == f"In this tenant: {expected}"


def test_a_plan_without_impact_has_no_words_of_it():
    words = ImpactText.of(plan(policy_plan(WINDOWS, SALES)))
    assert (words.reach(SALES), words.bound(SALES), words.consequence(WINDOWS)) == ("", "", "")
    assert (words.tenant(), words.not_known()) == ("", ())


def test_a_change_without_a_reach_has_no_words_of_it():
    made = with_impact(plan(policy_plan(WINDOWS, SALES)), {})
    assert ImpactText.of(made).reach(SALES) == ""


def forbidden_everywhere(number: int = 40):
    """A plan in a tenant that answers nothing, in which each 404 names another group."""
    changes = [create(WINDOWS, group(f"Group {n}"), only("Corporate")) for n in range(number)]
    macs = create(MACS, group("Macs"))
    nothing = PolicyImpact(FORBIDDEN, FORBIDDEN)
    made = plan(policy_plan(WINDOWS, *changes), policy_plan(MACS, macs))
    reach = {each: uncounted(Unknown(f"404: group {each.target.id} is gone")) for each in changes}
    reach = {change: replace(each, filter_matches=LATE) for change, each in reach.items()}
    return with_impact(made, reach | {macs: uncounted()}, dict.fromkeys((WINDOWS, MACS), nothing))


def test_a_reason_that_many_share_is_told_once():
    made = forbidden_everywhere()
    assert ImpactText.of(made).not_known() == (
        "Not known: members of the group, for 40 changes (404: group ID is gone).",
        "Not known: filter matches, for 40 changes (it did not come in time).",
        (
            "Not known: members of the group, actions for noncompliance, devices "
            "today, for 1 change and 2 policies (403: needs Device.Read.All)."
        ),
    )
    shown = text.render(made, width=80)
    assert shown.count("\n      reach not known\n") == 41
    assert shown.count("403") == 1
    assert shown.count("404") == 1
    assert "\nRisk: review:\n  reach not known for 41 changes\nDigest: " in shown


def test_reasons_that_nobody_shares_stay_with_their_change():
    changes = [create(WINDOWS, group(f"Group {n}")) for n in range(9)]
    reach = {each: uncounted(Unknown(f"500: number {n}")) for n, each in enumerate(changes)}
    made = with_impact(plan(policy_plan(WINDOWS, *changes)), reach)
    assert ImpactText.of(made).not_known() == ()
    assert text.render(made, width=80).count("reach not known (members: 500") == 9


def test_no_unknown_number_is_nought_and_no_numbers_are_added_up():
    changes = [create(LINUX, group(f"Group {n}")) for n in range(3)]
    reach = {changes[0]: devices(700), changes[1]: devices(800), changes[2]: uncounted()}
    shown = text.render(with_impact(plan(policy_plan(LINUX, *changes)), reach), width=80)
    assert "1,500" not in shown
    assert "at most 0" not in shown
    assert "reach not known" in shown


def test_a_filter_that_changes_reaches_what_stands_after_it_and_tells_what_stood_before():
    change = update(WINDOWS, group("A"), without("Kiosks"), only("Kiosks"))
    made = with_impact(
        plan(policy_plan(WINDOWS, change)), {change: devices(30, matches=4, at_most=4)}
    )
    assert ImpactText.of(made).reach(change) == (
        "reaches at most 4 devices, before at most 30: 30 in the group, filter matches 4"
    )


def test_a_bound_before_that_is_the_same_or_not_known_is_left_out():
    same = update(WINDOWS, group("A"), without("Kiosks"), None)
    other = update(WINDOWS, group("B"), only("Corporate"), None)
    made = with_impact(
        plan(policy_plan(WINDOWS, same, other)), {same: devices(30), other: users(120)}
    )
    words = ImpactText.of(made)
    assert words.bound(same) == "reaches at most 30 devices"
    assert words.bound(other) == "reaches at most 120 users (any number of devices)"
