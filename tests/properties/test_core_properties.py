"""The laws of comparing: each assignment once, in no order, by identity; a digest of changes alone."""

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from hypothesis import assume, given
from hypothesis import strategies as st

from reconciler.applier.merge import merge
from reconciler.applier.staleness import stale_assignments
from reconciler.differ.compare import (
    diff,
    diff_policy,
    explain,
    explain_update,
    filter_fields,
    split,
)
from reconciler.differ.guardrails import reaches_everybody, stops
from reconciler.differ.resolve import resolve
from reconciler.graph import wire
from reconciler.graph.client import GraphClient
from reconciler.graph.tenant import GraphTenant
from reconciler.graph.transport import Transport
from reconciler.loader import load
from reconciler.model.plan import (
    Create,
    Delete,
    Keep,
    Update,
    action_of,
    assignment_order,
    change_lines,
    digest_of_lines,
    filter_after,
    fingerprint,
    key_of,
)
from reconciler.model.ports import Directory
from reconciler.model.requests import AssignmentToSend
from reconciler.model.state import (
    FilterMode,
    FilterReference,
    Group,
    LiveState,
    Ownership,
    ResolvedState,
    TargetKind,
)
from reconciler.runtime.deadline import Deadline
from reconciler.runtime.retry import Backoff
from reconciler.sandbox import SandboxApp, SandboxState
from tests.support import build
from tests.support.clocks import FakeClock
from tests.support.property_rounds import examples
from tests.support.strategies import (
    FILTER_IDS,
    GROUP_IDS,
    POLICY_IDS,
    directories,
    filters,
    identity,
    known_targets,
    live_assignments,
    live_sets,
    maybe_filters,
    plans,
    policy_plans,
    resolved_policies,
    spelled_targets,
    stored,
)

quick = examples(100)
randoms = st.randoms(use_true_random=False)


def digest(tenant, changes):
    return digest_of_lines(tenant, change_lines(changes))


def compared(wanted, known=None):
    return diff(ResolvedState(build.config(), (wanted,)), known or build.directory())


# --- the differ


@quick
@given(policy_plans())
def test_each_live_assignment_stands_in_exactly_one_place(plan):
    places = [
        *(op.live for op in plan.changes if not isinstance(op, Create)),
        *(keep.assignment for keep in plan.kept),
        *(change.assignment for change in plan.unmanaged),
        *(change.assignment for change in plan.inherited),
    ]
    assert sorted(plan.live, key=assignment_order) == sorted(places, key=assignment_order)


@quick
@given(resolved_policies(), directories())
def test_a_plan_holds_all_that_is_live_and_all_that_is_wanted(wanted, known):
    consents = {line.location: line.broad for line in wanted.assignments}
    for plan in compared(wanted, known).policies:
        planned = sorted(plan.live, key=assignment_order)
        live = sorted(wanted.live.assignments, key=assignment_order)
        assert [(a.id, a.raw_target) for a in planned] == [(a.id, a.raw_target) for a in live]
        covered = [change.declared_at for change in plan.inherited if change.declared_at]
        changed = [op.declared_at for op in plan.changes if not isinstance(op, Delete)]
        assert all(
            op.broad == consents[op.declared_at]
            for op in plan.changes
            if not isinstance(op, Delete)
        )
        met = {*covered, *changed, *(keep.declared_at for keep in plan.kept)}
        assert met == {line.location for line in wanted.assignments}


@quick
@given(policy_plans())
def test_comparing_again_after_a_merge_finds_nothing_to_do(plan):
    direct, inherited, _ = split(plan.policy, plan.live)
    after = stored(merge(direct, plan.changes))
    sets = [assignment for entry in inherited.values() for assignment in entry]
    again = compared(as_declared(plan, (*after, *sets))).policies[0]
    assert again.changes == ()
    assert [change.assignment.target for change in again.unmanaged] == [
        change.assignment.target for change in plan.unmanaged
    ]
    assert [change.assignment.id for change in again.inherited] == [
        change.assignment.id for change in plan.inherited
    ]


@quick
@given(resolved_policies())
def test_after_a_merge_every_line_holds_and_what_was_not_deleted_is_still_there(wanted):
    for plan in compared(wanted).policies:
        direct, inherited, _ = split(plan.policy, wanted.live.assignments)
        after = {
            identity(entry.target): entry.filter for entry in stored(merge(direct, plan.changes))
        }
        covered = {identity(a.target): a.filter for entry in inherited.values() for a in entry}
        for line in wanted.assignments:
            target = identity(line.target)
            assert (after[target] if target in after else covered[target]) == line.filter
        lines = {identity(line.target) for line in wanted.assignments}
        for entry in (a for a in wanted.live.assignments if a.is_direct):
            is_opaque = entry.target.kind is TargetKind.OPAQUE
            if identity(entry.target) in lines:
                continue
            if is_opaque or wanted.ownership is Ownership.ADDITIVE:
                assert after[identity(entry.target)] == entry.filter
            else:
                assert identity(entry.target) not in after


def as_declared(plan, live):
    """What the files must have said for this plan, with another live set under it."""
    wanted = [
        build.want(op.target, filter_after(op), line=op.declared_at.line)
        for op in plan.changes
        if not isinstance(op, Delete)
    ]
    wanted += [build.want(k.assignment.target, k.assignment.filter) for k in plan.kept]
    wanted += [build.want(i.assignment.target) for i in plan.inherited if i.declared_at]
    return build.resolved(*wanted, live=live, owned=plan.ownership, of=plan.policy)


@quick
@given(resolved_policies(), directories(), randoms)
def test_the_order_of_lines_and_of_live_assignments_does_not_matter(wanted, known, random):
    lines, live = list(wanted.assignments), list(wanted.live.assignments)
    random.shuffle(lines)
    random.shuffle(live)
    shuffled = replace(
        wanted, assignments=tuple(lines), live=replace(wanted.live, assignments=tuple(live))
    )
    one, other = compared(wanted, known), compared(shuffled, known)
    assert repr(one.policies) == repr(other.policies)
    assert set(one.diagnostics) == set(other.diagnostics)


@quick
@given(policy_plans())
def test_operations_keep_to_their_kind(plan):
    direct, inherited, _ = split(plan.policy, plan.live)
    for op in plan.changes:
        key = key_of(op.target)
        match op:
            case Create():
                assert key not in direct.keys() | inherited.keys()
            case Update():
                assert direct[key] == op.live
                assert op.live.filter != op.after
                assert explain_update(op)
            case Delete():
                assert direct[key] == op.live
                assert plan.ownership is Ownership.AUTHORITATIVE
                assert op.target.kind is not TargetKind.OPAQUE
    if plan.ownership is Ownership.AUTHORITATIVE:
        left = {change.assignment.target.kind for change in plan.unmanaged}
        assert left <= {TargetKind.OPAQUE}


@quick
@given(known_targets, known_targets, maybe_filters)
def test_another_target_is_a_create_and_never_an_update(before, after, filter):
    assume(identity(before) != identity(after))
    live = (build.live(before, filter),)
    additive = build.planned(build.want(after, filter), live=live)
    owned = build.planned(build.want(after, filter), live=live, owned="authoritative")
    assert [type(op) for op in additive.changes] == [Create]
    assert [change.assignment for change in additive.unmanaged] == list(live)
    assert [type(op) for op in owned.changes] == [Delete, Create]


@quick
@given(live_sets(), st.data())
def test_a_target_that_is_assigned_twice_is_refused_wherever_the_second_one_stands(live, data):
    direct = [a for a in live if a.is_direct]
    assume(direct)
    twin = replace(data.draw(st.sampled_from(direct)), id="twin", filter=data.draw(maybe_filters))
    where = data.draw(st.integers(0, len(live)))
    entry = diff_policy(build.resolved(), (*live[:where], twin, *live[where:]))
    assert entry.policies == ()
    assert [only.code for only in entry.diagnostics] == ["live-duplicate"]


@quick
@given(maybe_filters, maybe_filters)
def test_what_differs_is_explained_and_nothing_else(before, after):
    fields = explain(filter_fields(before), filter_fields(after))
    assert bool(fields) == (before != after)
    one, other = filter_fields(before)["filter"], filter_fields(after)["filter"]
    assert isinstance(one, dict)
    assert isinstance(other, dict)
    differing = {f"filter.{name}" for name in ("mode", "id", "name") if one[name] != other[name]}
    assert {field.path for field in fields} == differing


# --- the resolver


@quick
@given(resolved_policies(), st.data())
def test_a_name_an_id_and_both_lead_to_the_same_plan(wanted, data):
    known = build.directory(
        *(Group(id, f"group {id[:8]}") for id in GROUP_IDS),
        *(build.AssignmentFilter(id, f"filter {id[:8]}") for id in FILTER_IDS),
    )
    live = replace(wanted.live, policy=build.policy(name="the policy", id=wanted.live.policy.id))
    wanted = replace(wanted, live=live, location=build.at())
    lines = [line for line in wanted.assignments if line.target.kind in _GROUPS]
    wanted = replace(wanted, assignments=tuple(lines))
    declared = build.declared_policy(
        reference_as_yaml(data, "the policy", live.policy.id),
        *(as_yaml(data, line) for line in lines),
        owned=wanted.ownership,
    )
    resolution = resolve(build.desired(declared), LiveState({live.policy.id: live}), known)
    assert resolution.diagnostics == ()
    assert resolution.state.policies == (wanted,)
    for line in resolution.state.policies[0].assignments:
        assert line.target.name == f"group {line.target.id[:8]}"
        assert line.filter is None or line.filter.name == f"filter {line.filter.id[:8]}"


_GROUPS = (TargetKind.GROUP, TargetKind.EXCLUSION_GROUP)


def reference_as_yaml(data, name, id):
    return build.named(*data.draw(st.sampled_from([(name, None), (None, id), (name, id)])))


def as_yaml(data, line):
    narrowed = line.filter and FilterReference(
        FilterMode(line.filter.mode),
        reference_as_yaml(data, f"filter {line.filter.id[:8]}", line.filter.id),
    )
    reference = reference_as_yaml(data, f"group {line.target.id[:8]}", line.target.id)
    declared = build.declare(reference, broad=line.broad)
    return replace(declared, kind=line.target.kind, location=line.location, filter=narrowed)


# --- the guardrails


@quick
@given(plans())
def test_nothing_reaches_everybody_anew_without_consent(plan):
    strict = replace(plan.guardrails, max_creates=99, max_updates=99, max_deletes=99)
    entry = stops(plan.changes, strict)
    everybody = (TargetKind.ALL_DEVICES, TargetKind.ALL_USERS)
    broad = [
        op
        for op in plan.changes
        if op.target.kind in everybody and not isinstance(op, Delete) and filter_after(op) is None
    ]
    expected = {
        "allow": [],
        "confirm": [op for op in broad if not op.broad],
        "deny": broad,
    }[strict.broad_targets]
    assert [stop.declared_at for stop in entry] == [op.declared_at for op in expected]
    assert [op for op in plan.changes if reaches_everybody(op)] == broad


# --- the digest


@quick
@given(plans(), randoms, st.text(max_size=4))
def test_the_digest_is_unmoved_by_names_order_places_and_what_is_left_alone(plan, random, name):
    policies = [
        replace(
            entry,
            policy=replace(entry.policy, name=name, platform=name, odata_type=name),
            changes=tuple(renamed(op, name) for op in reversed(entry.changes)),
            kept=(),
            unmanaged=(),
            inherited=(),
        )
        for entry in plan.policies
    ]
    random.shuffle(policies)
    other = replace(
        build.plan(*policies, tenant=plan.tenant.id),
        tenant=replace(plan.tenant, label=name, display_name=name),
    )
    assert other.digest == plan.digest


def renamed(op, name):
    """The same change in other words, seen at another place, on an assignment of another id."""
    op = replace(op, policy=replace(op.policy, name=name))
    if isinstance(op, Delete | Update):
        op = replace(op, live=replace(op.live, id=name, raw_target="{}"))
    if isinstance(op, Delete):
        return replace(op, live=replace(op.live, target=replace(op.live.target, name=name)))
    filter = filter_after(op) and replace(filter_after(op), name=name)
    narrowed = {"filter": filter} if isinstance(op, Create) else {"after": filter}
    elsewhere = build.at(99, file=name)
    target = replace(op.target, name=name)
    return replace(op, target=target, declared_at=elsewhere, broad=not op.broad, **narrowed)


changes = st.one_of(
    st.builds(
        lambda policy, target, narrowed: Create(
            build.policy(id=policy), target, narrowed, build.at()
        ),
        st.sampled_from(POLICY_IDS),
        known_targets,
        maybe_filters,
    ),
    st.builds(
        lambda policy, target, after: Update(
            build.policy(id=policy), build.live(target), target, after, build.at()
        ),
        st.sampled_from(POLICY_IDS),
        known_targets,
        maybe_filters,
    ),
    st.builds(
        lambda policy, target: Delete(build.policy(id=policy), build.live(target)),
        st.sampled_from(POLICY_IDS),
        known_targets,
    ),
)


def canonical(op):
    return action_of(op), op.policy.id, key_of(op.target), filter_after(op)


@examples(150)
@given(st.lists(changes, max_size=3), st.lists(changes, max_size=3))
def test_two_digests_are_equal_exactly_when_the_operations_are(one, other):
    same = sorted(map(repr, map(canonical, one))) == sorted(map(repr, map(canonical, other)))
    assert (digest(build.TENANT, one) == digest(build.TENANT, other)) == same


@quick
@given(changes, st.data())
def test_each_part_of_an_operation_moves_the_digest(op, data):
    before = digest(build.TENANT, [op])
    altered = [replace(op, policy=replace(op.policy, id="another"))]
    other = data.draw(known_targets.filter(lambda entry: key_of(entry) != key_of(op.target)))
    if isinstance(op, Delete):
        altered.append(replace(op, live=replace(op.live, target=other)))
    else:
        narrowed = data.draw(maybe_filters.filter(lambda entry: entry != filter_after(op)))
        name = "filter" if isinstance(op, Create) else "after"
        altered += [replace(op, target=other), replace(op, **{name: narrowed})]
        altered.append(Delete(op.policy, build.live(op.target)))
    assert before not in {digest(build.TENANT, [entry]) for entry in altered}
    assert before not in {digest(build.TENANT, []), digest(build.TENANT, [op, op])}
    assert digest("another", [op]) != before


# --- the fingerprint


@quick
@given(live_sets(), live_assignments(), filters, randoms)
def test_a_fingerprint_moves_with_everything_but_order(live, one, filter, random):
    shuffled = list(live)
    random.shuffle(shuffled)
    assert fingerprint(shuffled) == fingerprint(live)
    before = fingerprint([*live, one])
    others = [
        [*live],
        [*live, one, one],
        [*live, replace(one, source="policySets")],
        [*live, replace(one, raw_target='{"a":1}')],
    ]
    if one.filter != filter:
        others.append([*live, replace(one, filter=filter)])
    assert before not in {fingerprint(entry) for entry in others}


# --- drift


@quick
@given(policy_plans(), st.data())
def test_what_the_plan_itself_brought_about_is_no_drift(plan, data):
    assert stale_assignments(plan, after_some(plan, data)) == ()


def after_some(plan, data):
    """The policy with any part of the plan carried out, and what policy sets assign."""
    direct, inherited, _ = split(plan.policy, plan.live)
    some = [op for op in plan.changes if data.draw(st.booleans())]
    sets = [assignment for entry in inherited.values() for assignment in entry]
    return [*stored(merge(direct, some)), *sets]


@quick
@given(policy_plans(), st.data())
def test_any_other_edit_is_named_and_nothing_besides(plan, data):
    now = after_some(plan, data)
    planned_keys = {key_of(op.target) for op in plan.changes}
    left_alone = [a for a in now if not a.is_direct or key_of(a.target) not in planned_keys]
    assume(left_alone)
    one = data.draw(st.sampled_from(left_alone))
    rest = [assignment for assignment in now if assignment is not one]
    edits = {
        "gone": rest,
        "again": [*now, replace(one, id=f"{one.id}-again", filter=data.draw(maybe_filters))],
        "refiltered": [*rest, replace(one, filter=data.draw(filters_other_than(one.filter)))],
    }
    if one.target.kind is TargetKind.OPAQUE:
        edits["rewritten"] = [*rest, replace(one, raw_target='{"entirely":"other"}')]
    edit = data.draw(st.sampled_from(sorted(edits)))
    entry = stale_assignments(plan, edits[edit])
    assert {key_of(difference.target) for difference in entry} == {key_of(one.target)}
    assert all(
        difference.fields or not (difference.before and difference.now) for difference in entry
    )


def filters_other_than(filter):
    return maybe_filters.filter(lambda entry: entry != filter)


@quick
@given(policy_plans(), st.data())
def test_an_assignment_that_nobody_planned_is_named(plan, data):
    now = after_some(plan, data)
    taken = {key_of(a.target) for a in now} | {key_of(op.target) for op in plan.changes}
    free = [target for target in every_target() if key_of(target) not in taken]
    new = build.live(data.draw(st.sampled_from(free)), data.draw(maybe_filters))
    (difference,) = stale_assignments(plan, [*now, new])
    assert (difference.before, difference.now) == (None, new)


def every_target():
    return [
        build.all_devices(),
        build.all_users(),
        *(make(id) for make in (build.group, build.exclusion) for id in GROUP_IDS),
        build.collection("SMS00099"),
    ]


# --- the wire


@quick
@given(known_targets, maybe_filters, st.data())
def test_every_spelling_of_a_target_reads_as_that_target(target, filter, data):
    raw = data.draw(spelled_targets(target, filter))
    entry = build.read(raw)
    assert (key_of(entry.target), entry.filter) == (key_of(target), filter)
    assert (entry.target.odata_type, entry.is_direct) == (None, True)


@quick
@given(live_sets(), maybe_filters)
def test_a_live_target_goes_back_byte_for_byte_unless_its_filter_changes(live, filter):
    for entry in live:
        wanted = AssignmentToSend(entry.target, entry.filter, entry.raw_target)
        sent = json.dumps(wire.wanted_json(wanted)["target"], separators=(",", ":"))
        assert sent == entry.raw_target
        if filter != entry.filter and entry.target.kind is not TargetKind.OPAQUE:
            changed = wire.wanted_json(replace(wanted, filter=filter))["target"]
            before = build.raw(entry)
            assert {k: v for k, v in changed.items() if k not in _FILTER} == {
                k: v for k, v in before.items() if k not in _FILTER
            }
            assert build.read(changed).filter == filter


_FILTER = (wire.FILTER_ID, wire.FILTER_TYPE)


@quick
@given(known_targets, maybe_filters)
def test_a_new_target_reads_back_as_it_was_meant(target, filter):
    sent = wire.wanted_json(AssignmentToSend(target, filter))["target"]
    entry = build.read(json.loads(json.dumps(sent)))
    assert (key_of(entry.target), entry.filter) == (key_of(target), filter)
    assert set(_FILTER) <= sent.keys()


# --- from the files to the plan


@examples(50)
@given(st.data())
def test_files_pages_and_assignments_may_come_in_any_order(data):
    one, other = (planned_in_some_order(data) for _ in range(2))
    assert one == other
    assert one[0] != digest(build.TENANT, [])


def planned_in_some_order(data):
    """Plan one small tenant, its parts shuffled, through the loader and the embedded Graph."""
    shuffled = lambda entry: data.draw(st.permutations(entry))  # noqa: E731
    groups = [{"id": id, "displayName": f"group {n}"} for n, id in enumerate(GROUP_IDS)]
    assignments = [
        {"id": f"a{n}", "target": build.raw(build.live(build.group(id)))}
        for n, id in enumerate(GROUP_IDS[:3])
    ]
    names = ["Alpha", "Beta", "beta"]
    tenant = {
        "organization": {"id": build.TENANT, "displayName": "Contoso"},
        "groups": shuffled(groups),
        "deviceCompliancePolicies": shuffled(
            [
                {
                    "id": id,
                    "displayName": name,
                    "@odata.type": "#microsoft.graph.iosCompliancePolicy",
                    "assignments": [dict(one) for one in shuffled(assignments)],
                }
                for id, name in zip(POLICY_IDS, names, strict=False)
            ]
        ),
    }
    live, groups_found = read_tenant(tenant, page_size=data.draw(st.integers(1, 5)))
    lines = ["{group: group 1}", "{group: group 2}", "{group: group 3}"]
    texts = [
        f"policies:\n  - name: {name}\n    ownership: authoritative\n"
        f"    include: [{', '.join(shuffled(lines))}]\n"
        for name in names
    ]
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "tenant.yaml").write_text(f"tenant: {build.TENANT}\n")
        for number, text in enumerate(shuffled(texts)):
            (root / f"{number}.yaml").write_text(text)
        desired = load(root).state
    known = Directory(groups_found, {})
    difference = diff(resolve(desired, live, known).state, known)
    plan = build.plan(*difference.policies)
    return plan.digest, [
        (entry.policy.name, [canonical(op) for op in entry.changes], kept_keys(entry.kept))
        for entry in plan.policies
    ]


def kept_keys(kept: tuple[Keep, ...]):
    return [key_of(keep.assignment.target) for keep in kept]


def read_tenant(tenant, *, page_size):
    clock = FakeClock()
    app = SandboxApp(SandboxState(tenant), page_size=page_size)
    with httpx.Client(transport=httpx.WSGITransport(app=app)) as http:
        transport = Transport(
            http=http,
            graph="http://sandbox.localhost",
            tokens=_Tokens(),
            clock=clock,
            deadline=Deadline(clock, 600),
            backoff=Backoff(None),
        )
        client = GraphTenant(GraphClient(transport, parallelism=1))
        names = [group["displayName"] for group in tenant["groups"]]
        return client.read_policies(), client.find_groups(names=names, ids=())


class _Tokens:
    def token(self, *, fresh=False):
        return "any"

    def describe(self):
        return "any token"
