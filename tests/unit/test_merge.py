"""Judging and merging; the laws stand in tests/properties/test_merge_properties.py."""

from dataclasses import replace

import pytest

from reconciler.applier.merge import (
    ChangeState,
    Judgement,
    has_same_properties,
    is_third_state,
    judge,
    judge_all,
    merge,
    read_back_differences,
)
from reconciler.model.plan import Create, Delete, Update, key_of
from reconciler.model.requests import AssignmentToSend
from tests.support import build

POLICY = build.policy()
CREATE = Create(POLICY, build.group(name="Sales"), None, build.at())
CREATE_FILTERED = Create(POLICY, build.group(), build.filtered(), build.at())
UPDATE = Update(
    POLICY,
    build.live(filter=build.filtered()),
    build.group(),
    build.filtered(build.KIOSKS),
    build.at(),
)
DELETE = Delete(POLICY, build.live(filter=build.filtered()))
TO_DO, DONE, CONFLICT = ChangeState.TO_DO, ChangeState.DONE, ChangeState.CONFLICT


def by_key(*assignments):
    return {key_of(one.target): one for one in assignments}


def there(filter=None, target=None):
    return build.live(target, filter)


@pytest.mark.parametrize(
    ("change", "live", "state", "reason"),
    [
        (CREATE, None, TO_DO, ""),
        (CREATE, there(), DONE, ""),
        (
            CREATE,
            there(build.filtered()),
            CONFLICT,
            f"it was added meanwhile with filter include {build.CORPORATE}",
        ),
        (CREATE_FILTERED, there(), CONFLICT, "it was added meanwhile without a filter"),
        (
            CREATE_FILTERED,
            there(build.filtered(mode="exclude")),
            CONFLICT,
            f"it was added meanwhile with filter exclude {build.CORPORATE}",
        ),
        (CREATE_FILTERED, there(build.filtered()), DONE, ""),
        (CREATE, there(target=build.exclusion()), CONFLICT, "the group is excluded meanwhile"),
        (CREATE, there(target=build.exclusion(build.FINANCE)), TO_DO, ""),
        (Create(POLICY, build.all_users(), None, build.at()), there(), TO_DO, ""),
        (UPDATE, None, CONFLICT, "it was removed"),
        (UPDATE, there(build.filtered()), TO_DO, ""),
        (UPDATE, there(build.filtered(build.KIOSKS)), DONE, ""),
        (UPDATE, there(), CONFLICT, "it is now assigned without a filter"),
        (
            UPDATE,
            there(build.filtered(mode="exclude")),
            CONFLICT,
            f"it is now assigned with filter exclude {build.CORPORATE}",
        ),
        (DELETE, None, DONE, ""),
        (DELETE, there(build.filtered()), TO_DO, ""),
        (DELETE, there(), CONFLICT, "it is now assigned without a filter"),
    ],
)
def test_an_operation_is_judged_by_what_is_there_now(change, live, state, reason):
    judgement = judge(change, by_key(live) if live else {})
    assert (judgement.change, judgement.state, judgement.reason) == (change, state, reason)


def test_an_exclusion_is_not_created_on_an_included_group():
    change = Create(POLICY, build.exclusion(), None, build.at())
    judgement = judge(change, by_key(there()))
    assert judgement == Judgement(change, CONFLICT, "the group is included meanwhile")


def test_a_policy_set_that_covers_a_create_makes_it_done_unless_it_has_a_filter():
    inherited = {key_of(build.group())}
    assert judge(CREATE, {}, inherited) == Judgement(CREATE, DONE)
    assert judge_all([CREATE], {}, inherited) == (Judgement(CREATE, DONE),)
    conflict = judge(CREATE_FILTERED, {}, inherited)
    assert (conflict.change, conflict.state) == (CREATE_FILTERED, CONFLICT)
    assert conflict.reason == "a policy set assigns it meanwhile, without a filter"
    assert judge(CREATE, by_key(there(build.filtered())), inherited).state is CONFLICT


def test_a_policy_set_says_nothing_about_what_is_changed_or_deleted():
    inherited = {key_of(build.group())}
    live = by_key(there(build.filtered()))
    assert [judge(op, live, inherited).state for op in (UPDATE, DELETE)] == [TO_DO, TO_DO]


def test_a_group_changes_sides_where_the_plan_itself_deletes_the_other_side():
    exclude = Create(POLICY, build.exclusion(), None, build.at())
    live = by_key(there(build.filtered()))
    judgements = judge_all([DELETE, exclude], live)
    assert [judgement.state for judgement in judgements] == [TO_DO, TO_DO]
    assert [entry.target for entry in merge(live, [DELETE, exclude])] == [build.exclusion()]


def test_a_group_does_not_change_sides_on_somebody_elses_assignment():
    other = Delete(POLICY, build.live(build.group(build.FINANCE)))
    exclude = Create(POLICY, build.exclusion(), None, build.at())
    live = by_key(there(), build.live(build.group(build.FINANCE)))
    judgements = judge_all([other, exclude], live)
    assert [judgement.state for judgement in judgements] == [TO_DO, CONFLICT]


def test_what_is_there_already_is_done_and_stands_in_the_way_of_its_other_side():
    exclude = Create(POLICY, build.exclusion(), None, build.at())
    assert judge_all([CREATE], by_key(there())) == (Judgement(CREATE, DONE),)
    states = [each.state for each in judge_all([UPDATE, exclude], by_key(there(build.filtered())))]
    assert states == [TO_DO, CONFLICT]


def test_a_merge_refuses_what_is_not_to_do():
    with pytest.raises(AssertionError):
        merge(by_key(there()), [CREATE])
    with pytest.raises(KeyError):
        merge({}, [DELETE])


def test_what_is_live_is_sent_as_it_was_read_and_what_is_new_is_not():
    strange = replace(build.opaque(future=1), raw_properties='{"beside": 3}')
    foreign = build.live(build.group(build.FINANCE), build.filtered(), future=2)
    sent = merge(by_key(strange, foreign), [CREATE_FILTERED])
    assert sent == (
        AssignmentToSend(CREATE.target, build.filtered()),
        AssignmentToSend(foreign.target, foreign.filter, foreign.raw_target),
        AssignmentToSend(strange.target, None, strange.raw_target, strange.raw_properties),
    )


def test_an_update_sends_the_live_assignment_with_the_other_filter():
    live = build.live(filter=build.filtered(), future=1)
    assert merge(by_key(live), [UPDATE]) == (
        AssignmentToSend(live.target, UPDATE.after, live.raw_target),
    )


def test_what_differs_after_a_write_is_named_in_order():
    sent = [
        AssignmentToSend(build.all_users(), None),
        AssignmentToSend(build.group(name="Sales"), build.filtered(name="Corporate")),
    ]
    shown = by_key(there(), build.live(build.exclusion(build.FINANCE)))
    assert [
        (str(found), found.is_extra) for found in read_back_differences(sent, (), shown.values())
    ] == [
        ("include all users is missing after the write", False),
        (f"include group {build.SALES} is assigned without a filter after the write", False),
        (f"exclude group {build.FINANCE} was added by somebody else during the write", True),
    ]


def test_what_a_policy_set_lost_or_gained_during_the_write_is_named():
    ours = build.live(build.group(name="Sales"))
    lost = build.live(build.group(build.FINANCE), source="policySets")
    gained = build.live(build.all_users(), source="policySets")
    sent = [AssignmentToSend(ours.target, None, ours.raw_target)]
    assert [
        (str(s), s.is_extra) for s in read_back_differences(sent, [ours, lost], [ours, gained])
    ] == [
        ("include all users was assigned by a policy set meanwhile", True),
        (f"include group {build.FINANCE} of a policy set is missing after the write", False),
    ]


def test_a_property_that_a_write_lost_is_named():
    strange = build.opaque(future=1)
    sent = [AssignmentToSend(strange.target, None, strange.raw_target)]
    without = replace(strange, raw_target=build.opaque().raw_target)
    (found,) = read_back_differences(sent, [strange], [without])
    assert str(found).endswith("has other properties after the write")
    assert read_back_differences(sent, [strange], [strange]) == ()


def test_another_filter_after_a_write_is_named():
    sent = [AssignmentToSend(build.group(), build.filtered())]
    (found,) = read_back_differences(sent, (), [there(build.filtered(build.KIOSKS, "exclude"))])
    assert found.what == f"is assigned with filter exclude {build.KIOSKS} after the write"


KEPT = build.live(build.all_users(), future=1)
REMOVED = build.live(build.group(build.FINANCE))
ADDED = build.live(build.exclusion(), whatGraphFillsIn="x")
BEFORE = by_key(KEPT, REMOVED, there())
EXPECTED = [
    AssignmentToSend(KEPT.target, None, KEPT.raw_target),
    AssignmentToSend(build.group(), build.filtered(), there().raw_target),
    AssignmentToSend(ADDED.target, None),
]


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param([KEPT, REMOVED, there()], id="before the write"),
        pytest.param([KEPT, there(build.filtered()), ADDED], id="after the write"),
        pytest.param([KEPT, REMOVED, there(), ADDED], id="the addition alone"),
        pytest.param([KEPT, there()], id="the removal alone"),
    ],
)
def test_a_reading_that_lags_is_no_third_state(shown):
    assert not is_third_state(BEFORE, EXPECTED, by_key(*shown))


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param([REMOVED, there()], id="what was to stay is gone"),
        pytest.param([KEPT, REMOVED], id="what was to be updated is gone"),
        pytest.param([KEPT, there(build.filtered(build.KIOSKS)), ADDED], id="a third filter"),
        pytest.param([KEPT, there(build.filtered()), ADDED, build.opaque()], id="one more"),
        pytest.param(
            [replace(KEPT, raw_target=build.live(build.all_users()).raw_target), there()],
            id="a property is lost",
        ),
        pytest.param(
            [KEPT, build.live(build.exclusion(), build.filtered()), there()],
            id="the addition with a filter",
        ),
    ],
)
def test_what_was_neither_before_nor_after_the_write_is_a_third_state(shown):
    assert is_third_state(BEFORE, EXPECTED, by_key(*shown))


def test_nulls_annotations_and_the_spelling_of_ids_are_no_properties():
    was = build.opaque(id="x", groupId=build.SALES)
    spelt = build.opaque(id="x", groupId=build.SALES.upper(), **{"a": None, "b@odata.bind": "c"})
    assert has_same_properties(was, spelt)


def test_what_stands_beside_a_target_is_compared_too():
    was = replace(there(), raw_properties='{"beside": 1}')
    assert has_same_properties(was, replace(was, raw_properties='{"beside": 1, "more": null}'))
    assert not has_same_properties(was, there())


def test_another_type_is_another_property_and_another_spelling_of_it_is_none():
    future = "microsoft.graph.futureAssignmentTarget"
    was = build.opaque(odata_type=f"#{future}")
    assert has_same_properties(was, build.opaque(odata_type=future.upper()))
    assert not has_same_properties(was, build.opaque(odata_type="#microsoft.graph.laterTarget"))
