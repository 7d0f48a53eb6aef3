"""People read what happens to an assignment, never that a group is created or deleted."""

from __future__ import annotations

import pytest

from reconciler.model import wording
from reconciler.model.plan import Summary
from reconciler.model.state import Target, TargetKind
from tests.support.build_plans import (
    ALL_DEVICES,
    ALL_USERS,
    WINDOWS,
    create,
    delete,
    excluded,
    group,
    only,
    update,
    without,
)

CORPORATE = only("Corporate owned Windows")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (create(WINDOWS, group("Sales laptops")), 'add include group "Sales laptops"'),
        (create(WINDOWS, excluded("Guests")), 'add exclude group "Guests"'),
        (
            create(WINDOWS, ALL_USERS, CORPORATE),
            'add include all users, filter: include "Corporate owned Windows"',
        ),
        (
            update(WINDOWS, group("Windows"), without("Kiosks"), only("PCs")),
            'change include group "Windows", filter: exclude "Kiosks" -> include "PCs"',
        ),
        (
            update(WINDOWS, ALL_DEVICES, CORPORATE, None),
            'change include all devices, filter: include "Corporate owned Windows" -> no filter',
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
