"""The laws of the dangerous half: what is merged loses nothing, invents nothing, and converges."""

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from reconciler.applier.merge import (
    ChangeState,
    judge_all,
    merge,
    read_back_differences,
)
from reconciler.differ.compare import split
from reconciler.graph import wire
from reconciler.graph.encoding import encode
from reconciler.model.plan import Create, Delete, Update, key_of
from reconciler.model.requests import AssignRequest
from reconciler.model.state import TargetKind
from tests.support import build
from tests.support.property_rounds import examples
from tests.support.strategies import (
    filters,
    known_targets,
    live_sets,
    may_be_applied,
    policy_plans,
    stored,
)

sound_plans = policy_plans().filter(may_be_applied)
quick = examples(100)


def direct_of(plan):
    direct, inherited, problems = split(plan.policy, plan.live)
    assert not problems
    return direct, inherited


@quick
@given(sound_plans)
def test_every_live_direct_assignment_that_is_not_deleted_is_sent_unchanged(plan):
    direct, _ = direct_of(plan)
    result = {key_of(entry.target): entry for entry in merge(direct, plan.changes)}
    touched = {key_of(op.target): op for op in plan.changes}
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
    result = {key_of(entry.target): entry for entry in merge(direct, plan.changes)}
    created = {key_of(op.target): op for op in plan.changes if isinstance(op, Create)}
    deleted = {key_of(op.target) for op in plan.changes if isinstance(op, Delete)}
    assert result.keys() == (direct.keys() - deleted) | created.keys()
    assert not result.keys() & (inherited.keys() - direct.keys())
    for key, create in created.items():
        assert (result[key].raw_target, result[key].filter) == (None, create.filter)


@quick
@given(sound_plans, st.randoms(use_true_random=False))
def test_a_merge_depends_on_no_order(plan, random):
    direct, _ = direct_of(plan)
    shuffled, changes = list(direct.items()), list(plan.changes)
    random.shuffle(shuffled)
    random.shuffle(changes)
    assert repr(merge(dict(shuffled), changes)) == repr(merge(direct, plan.changes))


@quick
@given(sound_plans)
def test_after_a_merge_every_operation_is_done_and_nothing_surprises(plan):
    direct, inherited = direct_of(plan)
    sent = merge(direct, plan.changes)
    after, _, problems = split(plan.policy, stored(sent))
    assert not problems
    judgements = judge_all(plan.changes, after, inherited)
    assert [judgement.state for judgement in judgements] == [ChangeState.DONE] * len(plan.changes)
    assert read_back_differences(sent, (), after.values()) == ()


@quick
@given(sound_plans)
def test_before_a_merge_every_operation_is_to_do(plan):
    judgements = judge_all(plan.changes, *direct_of(plan))
    assert [judgement.state for judgement in judgements] == [ChangeState.TO_DO] * len(plan.changes)


@quick
@given(sound_plans, st.data())
def test_a_run_that_was_cut_short_is_carried_on_to_the_same_end(plan, data):
    direct, inherited = direct_of(plan)
    some = [op for op in plan.changes if data.draw(st.booleans())]
    halfway, _, _ = split(plan.policy, stored(merge(direct, some)))
    judgements = judge_all(plan.changes, halfway, inherited)
    assert {v.state for v in judgements if v.change in some} <= {ChangeState.DONE}
    rest = [v.change for v in judgements if v.state is ChangeState.TO_DO]
    assert rest == [op for op in plan.changes if op not in some]
    whole = merge(direct, plan.changes)
    assert meaning(merge(halfway, rest)) == meaning(whole)


def meaning(wanted):
    return [json.dumps(wire.wanted_json(entry), sort_keys=True) for entry in wanted]


@quick
@given(sound_plans, filters, st.data())
def test_a_filter_that_somebody_else_changed_is_a_conflict_unless_it_is_as_wanted(
    plan, other, data
):
    direct, inherited = direct_of(plan)
    working = [op for op in plan.changes if not isinstance(op, Create)]
    if not working:
        return
    change = data.draw(st.sampled_from(working))
    key = key_of(change.target)
    edited = {**direct, key: replace(direct[key], filter=other)}
    (judgement,) = judge_all([change], edited, inherited)
    expected = ChangeState.CONFLICT
    if isinstance(change, Update) and other == change.after:
        expected = ChangeState.DONE
    elif other == change.live.filter:
        expected = ChangeState.TO_DO
    assert judgement.state is expected


@quick
@given(sound_plans, st.data())
def test_whatever_is_missing_or_altered_after_a_write_is_named(plan, data):
    sent = merge(direct_of(plan)[0], plan.changes)
    shown, _, _ = split(plan.policy, stored(sent))
    if not shown:
        return
    key = data.draw(st.sampled_from(sorted(shown)))
    (missing,) = read_back_differences(sent, (), [a for k, a in shown.items() if k != key])
    assert (key_of(missing.target), missing.is_extra) == (key, False)
    other = data.draw(filters.filter(lambda found: found != shown[key].filter))
    (altered,) = read_back_differences(
        sent, (), {**shown, key: replace(shown[key], filter=other)}.values()
    )
    assert (key_of(altered.target), altered.is_extra) == (key, False)
    (extra,) = read_back_differences(
        [entry for entry in sent if key_of(entry.target) != key], (), shown.values()
    )
    assert (key_of(extra.target), extra.is_extra) == (key, True)


def digest_of(entries, *, reproducible=True):
    request = AssignRequest(build.policy(), tuple(entries))
    return encode(request, reproducible=reproducible).digest


@quick
@given(sound_plans, st.randoms(use_true_random=False), st.text(max_size=3))
def test_the_digest_of_a_request_is_unmoved_by_order_and_by_names(plan, random, name):
    sent = list(merge(direct_of(plan)[0], plan.changes))
    digest = digest_of(sent)
    renamed = [
        replace(
            entry,
            target=replace(entry.target, name=name),
            filter=entry.filter and replace(entry.filter, name=name),
        )
        for entry in sent
        if entry.target.kind is not TargetKind.COLLECTION  # its name is its id as it was spelt
    ]
    kept = [entry for entry in sent if entry.target.kind is TargetKind.COLLECTION]
    mixed = renamed + kept
    random.shuffle(mixed)
    assert digest_of(mixed) == digest


@quick
@given(live_sets(), filters, known_targets)
def test_the_digest_of_a_request_moves_with_what_is_sent(live, filter, target):
    direct, _, _ = split(None, live)
    sent = merge(direct, [])
    digest = digest_of(sent)
    for number, entry in enumerate(sent):
        others = [*sent[:number], *sent[number + 1 :]]
        assert digest_of(others) != digest
        if entry.filter != filter:
            assert digest_of([*others, replace(entry, filter=filter)]) != digest
        assert digest_of([*others, replace(entry, raw_target="{}")]) != digest
        if entry.target.kind is not TargetKind.OPAQUE and key_of(entry.target) != key_of(target):
            new = replace(entry, target=target, raw_target=None)
            assert digest_of([*others, new]) != digest
