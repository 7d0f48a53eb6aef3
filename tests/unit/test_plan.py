"""A plan counts, orders and names what it holds."""

import pytest

from reconciler.model.plan import (
    Action,
    Change,
    Create,
    Delete,
    Inherited,
    Keep,
    Stop,
    Summary,
    Unmanaged,
    Update,
    action_of,
    filter_after,
    fingerprint,
    sort_changes,
)
from tests.support import build

POLICY = build.policy()
CREATE = Create(POLICY, build.group(), build.filtered(), build.at())
UPDATE = Update(
    POLICY, build.live(build.all_users(), build.filtered()), build.all_users(), None, build.at()
)
DELETE = Delete(POLICY, build.live(build.exclusion(build.FINANCE), build.filtered()))


def test_the_digest_is_the_same_on_every_machine():
    """Pinned: a digest that was approved must still fit after an upgrade."""
    full = build.plan(build.nothing(changes=(DELETE, UPDATE, CREATE)))
    assert full.digest == "sha256:9789608139bb2ff9152b7f464c755e07e11ecaeb0dbc6c37f5f575b50c2bfcd8"
    assert (
        build.plan().digest
        == "sha256:461b9d53c17472348e2554314cc5e04a655af912e3ca2a3dfb9ece12a36aed20"
    )


def test_each_operation_has_its_action_and_the_filter_it_leaves():
    assert [action_of(op) for op in (CREATE, UPDATE, DELETE)] == [
        Action.CREATE,
        Action.UPDATE,
        Action.DELETE,
    ]
    assert [filter_after(op) for op in (CREATE, UPDATE, DELETE)] == [build.filtered(), None, None]


def test_operations_stand_delete_update_create_then_by_kind_then_by_id():
    creates = [
        Create(POLICY, target, None, build.at())
        for target in (
            build.all_devices(),
            build.all_users(),
            build.group(),
            build.group(build.FINANCE),
            build.exclusion(),
        )
    ]
    expected: tuple[Change, ...] = (DELETE, UPDATE, *creates)
    assert sort_changes(reversed(expected)) == expected


def test_the_summary_counts_every_place():
    live = build.live()
    policy = build.nothing(
        changes=(DELETE, UPDATE, CREATE),
        kept=(Keep(POLICY, live, build.at()),) * 2,
        unmanaged=(Unmanaged(POLICY, live),) * 3,
        inherited=(Inherited(POLICY, live),) * 4,
    )
    assert build.plan(policy, policy).summary == Summary(2, 2, 2, 4, 6, 8)


@pytest.mark.parametrize("change", [CREATE, UPDATE, DELETE])
def test_a_single_operation_makes_a_plan_that_is_not_empty(change):
    plan = build.plan(build.nothing(changes=(change,)))
    assert (plan.is_empty, plan.summary.has_changes) == (False, True)


def test_a_plan_without_operations_is_empty_whatever_else_it_holds():
    plan = build.plan(build.nothing(unmanaged=(Unmanaged(POLICY, build.live()),)))
    assert (plan.is_empty, plan.summary.has_changes) == (True, False)


def test_a_plan_is_applyable_when_it_is_complete_and_nothing_stops_it():
    stop = Stop("max-deletes", "too many")
    assert build.plan().applyable
    assert not build.plan(complete=False).applyable
    assert not build.plan(stopped_by=(stop,)).applyable


@pytest.mark.parametrize(
    "other",
    [
        build.live(source="policySets"),
        build.live(filter=build.filtered()),
        build.live(build.exclusion()),
        build.live(future=1),
    ],
)
def test_a_fingerprint_moves_with_any_part_of_an_assignment(other):
    assert fingerprint([build.live()]) != fingerprint([other])


def test_a_fingerprint_does_not_move_with_the_order_of_keys():
    one, other = ({"@odata.type": "#x", "a": 1, "b": 2}, {"b": 2, "a": 1, "@odata.type": "#x"})
    assert fingerprint([build.read(one)]) == fingerprint([build.read(other)])
