"""People read what happens to an assignment, never that a group is created or deleted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model import wording
from reconciler.model.plan import Summary
from reconciler.model.state import Target, TargetKind
from tests.support.build_plans import (
    ALL_DEVICES,
    ALL_USERS,
    MACS,
    WINDOWS,
    create,
    delete,
    excluded,
    group,
    live,
    only,
    plan,
    policy_plan,
    unmanaged,
    update,
    without,
)

CORPORATE = only("Corporate")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (create(WINDOWS, group("Sales laptops")), 'add include group "Sales laptops"'),
        (create(WINDOWS, excluded("Guests")), 'add exclude group "Guests"'),
        (
            create(WINDOWS, ALL_USERS, CORPORATE),
            'add include all users, filter: include "Corporate"',
        ),
        (
            update(WINDOWS, group("Windows"), without("Kiosks"), only("PCs")),
            'change include group "Windows", filter: exclude "Kiosks" -> include "PCs"',
        ),
        (
            update(WINDOWS, ALL_DEVICES, CORPORATE, None),
            'change include all devices, filter: include "Corporate" -> no filter',
        ),
        (delete(WINDOWS, group("Executives")), 'remove include group "Executives"'),
        (
            delete(WINDOWS, Target(TargetKind.COLLECTION, "sms1", "SMS1")),
            "remove include Configuration Manager collection SMS1",
        ),
    ],
)
def test_a_change_is_named_by_what_happens_to_the_assignment(change, words):
    assert wording.describe_change(change) == words


def test_a_removal_says_what_it_means():
    assert wording.describe_effect(delete(WINDOWS, group("Executives"))) == "no longer assigned"
    assert (
        wording.describe_effect(delete(WINDOWS, excluded("Interns")))
        == "no longer excluded: its members may then be reached"
    )
    assert wording.describe_effect(create(WINDOWS, excluded("Interns"))) == ""


def test_counts_are_those_of_the_contract():
    counted = Summary(create=3, update=1, delete=2)
    assert wording.describe_counts(counted) == "3 to add, 1 to change, 2 to remove"
    assert wording.describe_done(counted) == "3 added, 1 changed, 2 removed"


def test_objects_of_one_name_are_shown_with_the_start_of_their_ids():
    first, second = group("Sales", id="4f1c0b2a-1"), group("Sales", id="5a1c0b2a-1")
    twin = replace(WINDOWS, id="0a0a0a0a-0000")
    filters = replace(CORPORATE, id="12ab34cd-1"), replace(CORPORATE, id="12ab34cd-2")
    changes = [
        create(WINDOWS, first, filters[0]),
        create(twin, second, filters[1]),
        create(WINDOWS, group("Alone")),
    ]
    names = wording.Names.of_changes(changes)
    assert [wording.describe_change(change, names) for change in changes] == [
        'add include group "Sales" (4f1c0b2a), filter: include "Corporate" (12ab34cd-1)',
        'add include group "Sales" (5a1c0b2a), filter: include "Corporate" (12ab34cd-2)',
        'add include group "Alone"',
    ]
    assert names.policy(twin) == "Windows 11 - Baseline (0a0a0a0a)"
    assert names.policy(MACS) == "macOS - FileVault"


def test_the_names_of_a_plan_include_what_it_leaves_alone():
    first, second = group("Sales", id="4f1c0b2a-1"), group("Sales", id="5a1c0b2a-1")
    made = plan(policy_plan(WINDOWS, create(WINDOWS, first), unmanaged(WINDOWS, second)))
    names = wording.Names.of_plan(made)
    assert names.quoted("Sales", first.id) == '"Sales" (4f1c0b2a)'


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("direct", ""),
        ("policySets", "from a policy set"),
        ("somethingNew", 'from the source "somethingNew"'),
    ],
)
def test_a_source_is_shown_as_what_it_is(source, words):
    assert wording.describe_source(live(group("Sales"), source=source)) == words
