"""The laws of the dangerous half: what is merged loses nothing, invents nothing, and converges."""

import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.applier.merge import Standing, body_digest, judge_all, merge, surprises
from reconciler.differ.compare import split
from reconciler.graph import wire
from reconciler.model.plan import Create, Delete, Update, key_of
from reconciler.model.state import TargetKind
from tests.support.strategies import (
    filters,
    known_targets,
    live_sets,
    may_be_applied,
    policy_plans,
    stored,
)

sound_plans = policy_plans().filter(may_be_applied)
quick = settings(max_examples=100, deadline=None, print_blob=True)


def direct_of(plan):
    direct, inherited, problems = split(plan.policy, plan.live)
    assert not problems
    return direct, inherited


@quick
@given(sound_plans)
def test_every_live_direct_assignment_that_is_not_deleted_is_sent_unchanged(plan):
    direct, _ = direct_of(plan)
    result = {key_of(entry.target): entry for entry in merge(direct, plan.operations)}
    touched = {key_of(op.target): op for op in plan.operations}
    for key, assignment in direct.items():
        match touched.get(key):
            case Delete():
                assert key not in result
            case Update(after=after):
                assert (result[key].raw_target, result[key].filter) == (
                    assignment.raw_target,
                    after,
                )
            case untouched:
                assert untouched is None
                assert (result[key].raw_target, result[key].filter) == (
                    assignment.raw_target,
                    assignment.filter,
                )


@quick
@given(sound_plans)
def test_nothing_is_sent_but_what_is_direct_and_what_the_plan_creates(plan):
    direct, inherited = direct_of(plan)
    result = {key_of(entry.target): entry for entry in merge(direct, plan.operations)}
    created = {key_of(op.target): op for op in plan.operations if isinstance(op, Create)}
    deleted = {key_of(op.target) for op in plan.operations if isinstance(op, Delete)}
    assert result.keys() == (direct.keys() - deleted) | created.keys()
    assert not result.keys() & (inherited.keys() - direct.keys())
    for key, create in created.items():
        assert (result[key].raw_target, result[key].filter) == (None, create.filter)


@quick
@given(sound_plans, st.randoms(use_true_random=False))
def test_a_merge_depends_on_no_order(plan, random):
    direct, _ = direct_of(plan)
    shuffled, operations = list(direct.items()), list(plan.operations)
    random.shuffle(shuffled)
    random.shuffle(operations)
    assert repr(merge(dict(shuffled), operations)) == repr(merge(direct, plan.operations))


@quick
@given(sound_plans)
def test_after_a_merge_every_operation_is_done_and_nothing_surprises(plan):
    direct, inherited = direct_of(plan)
    sent = merge(direct, plan.operations)
    after, _, problems = split(plan.policy, stored(sent))
    assert not problems
    verdicts = judge_all(plan.operations, after, inherited)
    assert [verdict.standing for verdict in verdicts] == [Standing.DONE] * len(plan.operations)
    assert surprises(sent, (), after.values()) == ()


@quick
@given(sound_plans)
def test_before_a_merge_every_operation_is_to_do(plan):
    verdicts = judge_all(plan.operations, *direct_of(plan))
    assert [verdict.standing for verdict in verdicts] == [Standing.TO_DO] * len(plan.operations)


@quick
@given(sound_plans, st.data())
def test_a_run_that_was_cut_short_is_carried_on_to_the_same_end(plan, data):
    direct, inherited = direct_of(plan)
    some = [op for op in plan.operations if data.draw(st.booleans())]
    halfway, _, _ = split(plan.policy, stored(merge(direct, some)))
    verdicts = judge_all(plan.operations, halfway, inherited)
    assert {v.standing for v in verdicts if v.operation in some} <= {Standing.DONE}
    rest = [v.operation for v in verdicts if v.standing is Standing.TO_DO]
    assert rest == [op for op in plan.operations if op not in some]
    whole = merge(direct, plan.operations)
    assert meaning(merge(halfway, rest)) == meaning(whole)


def meaning(wanted):
    return [json.dumps(wire.wanted_json(entry), sort_keys=True) for entry in wanted]


@quick
@given(sound_plans, filters, st.data())
def test_a_filter_that_somebody_else_changed_is_a_conflict_unless_it_is_as_wanted(
    plan, other, data
):
    direct, inherited = direct_of(plan)
    working = [op for op in plan.operations if not isinstance(op, Create)]
    if not working:
        return
    operation = data.draw(st.sampled_from(working))
    key = key_of(operation.target)
    edited = {**direct, key: replace(direct[key], filter=other)}
    (verdict,) = judge_all([operation], edited, inherited)
    expected = Standing.CONFLICT
    if isinstance(operation, Update) and other == operation.after:
        expected = Standing.DONE
    elif other == operation.live.filter:
        expected = Standing.TO_DO
    assert verdict.standing is expected


@quick
@given(sound_plans, st.data())
def test_whatever_is_missing_or_altered_after_a_write_is_named(plan, data):
    sent = merge(direct_of(plan)[0], plan.operations)
    shown, _, _ = split(plan.policy, stored(sent))
    if not shown:
        return
    key = data.draw(st.sampled_from(sorted(shown)))
    (missing,) = surprises(sent, (), [a for k, a in shown.items() if k != key])
    assert (key_of(missing.target), missing.is_extra) == (key, False)
    other = data.draw(filters.filter(lambda found: found != shown[key].filter))
    (altered,) = surprises(sent, (), {**shown, key: replace(shown[key], filter=other)}.values())
    assert (key_of(altered.target), altered.is_extra) == (key, False)
    (extra,) = surprises(
        [entry for entry in sent if key_of(entry.target) != key], (), shown.values()
    )
    assert (key_of(extra.target), extra.is_extra) == (key, True)


@quick
@given(sound_plans, st.randoms(use_true_random=False), st.text(max_size=3))
def test_the_body_digest_is_unmoved_by_order_and_by_names(plan, random, name):
    sent = list(merge(direct_of(plan)[0], plan.operations))
    digest = body_digest("assign", sent, plan.operations)
    renamed = [
        replace(
            entry,
            target=replace(entry.target, name=name),
            filter=entry.filter and replace(entry.filter, name=name),
        )
        for entry in sent
    ]
    random.shuffle(renamed)
    assert body_digest("assign", renamed, list(reversed(plan.operations))) == digest


@quick
@given(live_sets(), filters, known_targets)
def test_the_body_digest_moves_with_what_is_sent(live, filter, target):
    direct, _, _ = split(None, live)
    sent = merge(direct, [])
    digest = body_digest("assign", sent, [])
    assert body_digest("create", sent, []) != digest
    for number, entry in enumerate(sent):
        others = [*sent[:number], *sent[number + 1 :]]
        assert body_digest("assign", others, []) != digest
        if entry.filter != filter:
            assert body_digest("assign", [*others, replace(entry, filter=filter)], []) != digest
        assert body_digest("assign", [*others, replace(entry, raw_target="{}")], []) != digest
        if entry.target.kind is not TargetKind.OPAQUE and key_of(entry.target) != key_of(target):
            assert body_digest("assign", [*others, replace(entry, target=target)], []) != digest
