"""Guardrails stop a run before its first write."""

import re

import pytest

from reconciler.differ.guardrails import Limits, effective, reaches_everybody, stops, tightened
from reconciler.model.plan import Create, Delete, Update
from reconciler.model.state import BroadTargets, Guardrails
from tests.support import build

POLICY = build.policy()
CREATE = Create(POLICY, build.group(), None, build.at())
UPDATE = Update(POLICY, build.live(), build.group(), build.filtered(), build.at())
DELETE = Delete(POLICY, build.live())
EVERYTHING = Guardrails(99, 99, 99)


def broad_create(*, filter=None, broad=False):
    return Create(POLICY, build.all_devices(), filter, build.at(3), broad)


def broad_update(after, *, broad=False):
    live = build.live(build.all_users(), build.filtered())
    return Update(POLICY, live, build.all_users(), after, build.at(4), broad)


def stops_of(changes, guardrails):
    return [(stop.code, stop.message, stop.declared_at) for stop in stops(changes, guardrails)]


@pytest.mark.parametrize(
    ("change", "limits", "message"),
    [
        (
            CREATE,
            Guardrails(max_creates=1),
            (
                "2 assignments to add are over the limit of 1 (max_creates); "
                "check that every one is meant"
            ),
        ),
        (
            UPDATE,
            Guardrails(max_updates=1),
            (
                "2 assignments to change are over the limit of 1 (max_updates); "
                "check that every one is meant"
            ),
        ),
        (
            DELETE,
            Guardrails(max_deletes=1),
            (
                "2 assignments to remove are over the limit of 1 (max_deletes); "
                "check that every one is meant"
            ),
        ),
    ],
)
def test_a_limit_stops_what_is_over_it_and_nothing_below(change, limits, message):
    assert stops_of([change], limits) == []
    (stop,) = stops_of([change] * 2, limits)
    assert stop[1] == message


def test_no_delete_is_allowed_unless_it_is_written_down():
    assert [code for code, _, _ in stops_of([DELETE], Guardrails())] == ["max-deletes"]


def test_every_limit_that_is_exceeded_is_named():
    expected = stops_of([CREATE, UPDATE, DELETE], Guardrails(0, 0, 0))
    assert [code for code, _, _ in expected] == ["max-creates", "max-updates", "max-deletes"]
    assert expected[0][1].startswith(
        "1 assignment to add is over the limit of 0 (max_creates); check that it is"
    )


@pytest.mark.parametrize(
    ("change", "is_anew"),
    [
        (broad_create(), True),
        (broad_create(filter=build.filtered()), False),
        (broad_update(None), True),
        (broad_update(build.filtered(mode="exclude")), False),
        (CREATE, False),
        (UPDATE, False),
        (Update(POLICY, UPDATE.live, build.group(), None, build.at()), False),
        (Delete(POLICY, build.live(build.all_devices())), False),
    ],
)
def test_a_broad_target_without_a_filter_needs_consent(change, is_anew):
    assert reaches_everybody(change) is is_anew
    assert bool(stops_of([change], EVERYTHING)) is is_anew


def test_a_broad_target_says_what_it_reaches_and_what_it_needs():
    assert stops_of([broad_create(), broad_update(None)], EVERYTHING) == [
        (
            "broad-target",
            (
                '"Windows 11 - Baseline" would reach every device; narrow it with a filter, or use '
                'a group; where everybody is meant, the entry needs "broad: true"'
            ),
            build.at(3),
        ),
        (
            "broad-target",
            (
                '"Windows 11 - Baseline" would reach every user; narrow it with a filter, or use '
                'a group; where everybody is meant, the entry needs "broad: true"'
            ),
            build.at(4),
        ),
    ]


def test_policies_of_one_name_are_told_apart_by_their_ids():
    twin = build.policy(id="99999999-0000-4000-8000-00000000000c")
    changes = [broad_create(), Create(twin, build.all_devices(), None, build.at(8))]
    subjects = [message.partition(" would")[0] for _, message, _ in stops_of(changes, EVERYTHING)]
    assert subjects == [f'"{POLICY.name}" ({POLICY.id[:8]})', f'"{POLICY.name}" (99999999)']


@pytest.mark.parametrize("change", [broad_create(broad=True), broad_update(None, broad=True)])
def test_consent_on_the_line_is_enough_to_confirm_and_not_against_a_denial(change):
    denied = Guardrails(broad_targets=BroadTargets.DENY)
    assert stops_of([change], EVERYTHING) == []
    assert [code for code, _, _ in stops_of([change], denied)] == ["broad-target"]


def test_broad_targets_may_be_allowed_for_a_whole_tenant():
    assert stops_of([broad_create()], Guardrails(broad_targets=BroadTargets.ALLOW)) == []


@pytest.mark.parametrize(
    ("written", "allowed", "expected"),
    [
        ("confirm", True, "allow"),
        ("confirm", False, "confirm"),
        ("allow", False, "allow"),
        ("deny", True, "deny"),
    ],
)
def test_the_command_line_consents_but_lifts_no_denial(written, allowed, expected):
    guardrails = Guardrails(broad_targets=BroadTargets(written))
    assert effective(guardrails, Limits(allow_broad=allowed)).broad_targets == expected


def test_the_command_line_sets_the_limits_it_names_zero_included():
    written = Guardrails(1, 2, 3)
    assert effective(written, Limits(max_creates=0, max_deletes=9)) == Guardrails(0, 2, 9)
    assert effective(written, Limits(max_updates=7)) == Guardrails(1, 7, 3)


def test_over_a_saved_plan_limits_only_tighten():
    stored = Guardrails(5, 5, 5, BroadTargets.DENY)
    looser = Limits(max_creates=9, max_updates=9, max_deletes=9, allow_broad=True)
    assert tightened(stored, looser) == stored
    assert tightened(stored, Limits(max_creates=0, max_updates=1, max_deletes=2)) == Guardrails(
        0, 1, 2, BroadTargets.DENY
    )
    assert tightened(stored, Limits()) == stored


@pytest.mark.parametrize(
    "guardrails", [Guardrails(0, 0, 0), Guardrails(0, 0, 0, BroadTargets.DENY)]
)
def test_no_stop_tells_how_to_raise_a_limit(guardrails):
    changes = [broad_create(), broad_update(None), UPDATE, DELETE]
    expected = stops(changes, guardrails)
    assert len(expected) == 5
    assert not [stop for stop in expected if re.search(r"--\w|allow|\bset\b|raise", stop.message)]
