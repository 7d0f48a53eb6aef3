"""What stale_assignments between planning and applying."""

import pytest

from reconciler.applier.staleness import stale_assignments
from reconciler.differ.compare import FieldChange
from tests.support import build

FOREIGN = build.live(build.group(build.FINANCE), build.filtered())
STRANGE = build.opaque(a=1, b={"c": [1, 2]})
SET = build.inherited(build.all_users(), id="set")
TAGGED = build.live(build.exclusion())


def plan():
    """Creates Sales, leaves a foreign, a strange and an inherited assignment alone."""
    return build.planned(build.want(), live=[FOREIGN, STRANGE, SET])


def told(now):
    return [
        (str(found.target.kind), found.before is not None, found.now is not None, found.fields)
        for found in stale_assignments(plan(), now)
    ]


def test_an_unmoved_policy_has_nothing_to_tell_in_any_order():
    assert told([SET, STRANGE, FOREIGN]) == []


def test_what_the_plan_wanted_and_is_there_already_is_no_difference():
    assert told([FOREIGN, STRANGE, SET, build.live()]) == []


def test_what_the_plan_wanted_with_another_filter_is_a_difference():
    assert told([FOREIGN, STRANGE, SET, build.live(filter=build.filtered())]) == [
        ("group", False, True, ())
    ]


def test_what_is_gone_and_what_is_new_is_told_in_order_of_target():
    assert told([STRANGE, TAGGED]) == [
        ("all_users", True, False, ()),
        ("group", True, False, ()),
        ("exclusion_group", False, True, ()),
    ]


def test_another_filter_is_told_field_by_field():
    now = build.live(build.group(build.FINANCE), build.filtered(build.KIOSKS, "exclude"))
    assert told([now, STRANGE, SET]) == [
        (
            "group",
            True,
            True,
            (
                FieldChange("filter.id", build.CORPORATE, build.KIOSKS),
                FieldChange("filter.mode", "include", "exclude"),
            ),
        )
    ]


def test_what_is_opaque_is_compared_whole():
    now = build.opaque(a=1, b={"c": [1, 3]})
    assert told([FOREIGN, now, SET]) == [
        ("opaque", True, True, (FieldChange("target.b.c.1", "2", "3"),))
    ]


def test_what_is_known_is_compared_by_what_it_means():
    spelled = build.raw(FOREIGN) | {
        "groupId": build.FINANCE.upper(),
        "@odata.type": "microsoft.graph.groupAssignmentTarget",
    }
    assert told([build.read(spelled), STRANGE, SET]) == []


def test_an_assignment_that_became_a_policy_sets_is_gone_and_new():
    now = build.inherited(build.group(build.FINANCE), id="another set")
    assert [(before, now) for _, before, now, _ in told([now, STRANGE, SET])] == [
        (True, False),
        (False, True),
    ]


def test_another_policy_set_of_the_same_target_is_new():
    now = build.inherited(build.all_users(), id="another set")
    assert told([FOREIGN, STRANGE, SET, now]) == [("all_users", False, True, ())]


@pytest.mark.parametrize("filter", [None, build.filtered()])
@pytest.mark.parametrize("is_first", [False, True])
def test_a_second_assignment_of_a_target_is_new_wherever_it_stands(filter, is_first):
    twin = build.live(build.group(build.FINANCE), filter, id="0" if is_first else "z")
    now = [twin, FOREIGN, STRANGE, SET] if is_first else [FOREIGN, STRANGE, SET, twin]
    assert ("group", False, True, ()) in told(now)


def test_a_delete_that_is_done_is_no_difference_and_one_that_moved_is():
    deleting = build.planned(live=[FOREIGN], owned="authoritative")
    assert stale_assignments(deleting, []) == ()
    (found,) = stale_assignments(deleting, [build.live(build.group(build.FINANCE))])
    assert found.policy == deleting.policy
    assert found.fields == (
        FieldChange("filter.id", build.CORPORATE, None),
        FieldChange("filter.mode", "include", "none"),
    )


def test_a_policy_set_that_covers_the_plan_meanwhile_is_a_difference():
    (found,) = stale_assignments(build.planned(build.want()), [build.inherited()])
    assert (found.before, found.now) == (None, build.inherited())


def test_a_delete_that_is_done_stays_so_where_a_policy_set_assigns_the_target_meanwhile():
    deleting = build.planned(live=[FOREIGN], owned="authoritative")
    now = build.inherited(FOREIGN.target, id="set")
    assert [found.now for found in stale_assignments(deleting, [now])] == [now]
