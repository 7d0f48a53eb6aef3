"""Hypothesis strategies for tenants, for what is wanted of them, and for whole plans."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import strategies as st

from reconciler.differ.compare import diff
from reconciler.differ.lint import lint
from reconciler.documents import Failure, SavedPlan, Validation
from reconciler.documents.validation import CheckedRoot
from reconciler.graph import wire
from reconciler.model.diagnostics import error, has_errors, sort_diagnostics, warning
from reconciler.model.impact import (
    ComplianceAction,
    Impact,
    PolicyImpact,
    Reach,
    StatusOverview,
    TenantImpact,
    Unknown,
)
from reconciler.model.plan import Plan, PlanTenant, Scheduled, Stop, key_of
from reconciler.model.result import ApplyResult, PolicyOutcome, Status
from reconciler.model.state import (
    NO_FILTER_ID,
    AssignmentFilter,
    BroadTargets,
    Cloud,
    Filter,
    FilterMode,
    Group,
    Guardrails,
    Hold,
    LivePolicy,
    Ownership,
    Policy,
    ResolvedAssignment,
    ResolvedPolicy,
    ResolvedState,
    Target,
    TargetKind,
    Writes,
)
from tests.support import build

# Few ids, so that what is wanted and what is there meet often.
GROUP_IDS = [f"2000000{n}-0000-4000-8000-0000000000ab" for n in range(5)]
FILTER_IDS = [f"3000000{n}-0000-4000-8000-0000000000cd" for n in range(3)]
POLICY_IDS = [f"1000000{n}-0000-4000-8000-0000000000ef" for n in range(4)]
COLLECTIONS = ["SMS00042", "sms00043"]

hostile_names = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            '"',
            "\\",
            "a | b `c` @d #1 <e>",
            "line\r\nbreak\u2028",
            "\u202egnp.exe",
            "\x00\x1b[31m",
            "O'Neil",
            "\ud800",
            "Zoë \U0001f600",
        ]
    ),
    st.text(st.characters(), max_size=12),
)
filters = st.builds(Filter, st.sampled_from(FilterMode), st.sampled_from(FILTER_IDS))
maybe_filters = st.none() | filters

groups = st.builds(Target, st.just(TargetKind.GROUP), st.sampled_from(GROUP_IDS))
exclusions = st.builds(Target, st.just(TargetKind.EXCLUSION_GROUP), st.sampled_from(GROUP_IDS))
broad_targets = st.builds(Target, st.sampled_from([TargetKind.ALL_DEVICES, TargetKind.ALL_USERS]))
collections = st.sampled_from(COLLECTIONS).map(build.collection)
scope_tag_groups = st.builds(
    build.scope_tag_group, st.sampled_from(GROUP_IDS), st.sampled_from(["user", "device"])
)
known_targets = st.one_of(groups, groups, exclusions, broad_targets, collections, scope_tag_groups)


def identity(target):
    """What makes two targets the same, said without the help of the code under test."""
    return target.kind, target.id, target.target_type


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=4,
)
unknown_properties = st.dictionaries(
    st.sampled_from(["future", "note", "été"]), json_values, max_size=2
)
_in_some_case = st.sampled_from([str.lower, str.upper, str.title])


@st.composite
def spelled_targets(draw, target, filter):
    """The target's JSON in one of the spellings that Graph may choose."""
    raw = wire.target_json(target, filter, with_filter=True)
    if filter is None:
        raw.pop(wire.FILTER_ID)
        raw.pop(wire.FILTER_TYPE)
        raw |= draw(
            st.sampled_from(
                [
                    {wire.FILTER_ID: None, wire.FILTER_TYPE: "none"},
                    {wire.FILTER_ID: NO_FILTER_ID, wire.FILTER_TYPE: "none"},
                    {wire.FILTER_ID: NO_FILTER_ID, wire.FILTER_TYPE: "include"},
                    {wire.FILTER_ID: FILTER_IDS[0], wire.FILTER_TYPE: "none"},
                    {wire.FILTER_ID: None, wire.FILTER_TYPE: None},
                    {},
                ]
            )
        )
    else:
        raw[wire.FILTER_ID] = draw(_in_some_case)(filter.id)
        raw[wire.FILTER_TYPE] = draw(_in_some_case)(filter.mode.value)
    for key in ("groupId", "collectionId", "entraObjectId"):
        if key in raw:
            raw[key] = draw(_in_some_case)(raw[key])
    raw |= draw(unknown_properties)
    return dict(draw(st.permutations(list(raw.items()))))


@st.composite
def live_assignments(draw, target=None, source="direct", id=None):
    """One live assignment of a target that the program knows."""
    target = target or draw(known_targets)
    filter = None if target.kind is TargetKind.EXCLUSION_GROUP else draw(maybe_filters)
    raw = draw(spelled_targets(target, filter))
    return build.read(raw, id=id or "/".join(key_of(target)), source=source)


@st.composite
def opaque_assignments(draw, id):
    """An assignment that no release knows: of a strange type, without its group, with a new filter mode."""
    raw = draw(
        st.sampled_from(
            [
                {"@odata.type": "#microsoft.graph.futureAssignmentTarget", "groupId": "x"},
                {"@odata.type": "#microsoft.graph.groupAssignmentTarget"},
                {
                    "@odata.type": "#microsoft.graph.groupAssignmentTarget",
                    "groupId": GROUP_IDS[0],
                    wire.FILTER_TYPE: "resolve",
                    wire.FILTER_ID: FILTER_IDS[0],
                },
                {"groupId": GROUP_IDS[1]},
            ]
        )
    )
    return build.read(raw | draw(unknown_properties), id=id)


@st.composite
def live_sets(draw):
    """A policy's assignments, in any order: direct ones, those of policy sets, and opaque ones."""
    direct = draw(st.lists(known_targets, max_size=5, unique_by=identity))
    inherited = draw(st.lists(known_targets, max_size=3))
    found = [draw(live_assignments(target)) for target in direct]
    found += [
        build.inherited(target, id=f"set-{number}") for number, target in enumerate(inherited)
    ]
    found += [
        draw(opaque_assignments(f"opaque-{number}")) for number in range(draw(st.integers(0, 2)))
    ]
    return tuple(draw(st.permutations(found)))


@st.composite
def wishes(draw, live=()):
    """What may be declared of one policy: each target once, no group on both sides."""
    meets_live = [a.target for a in live if a.target.kind is not TargetKind.OPAQUE]
    targets = st.sampled_from(meets_live) | known_targets if meets_live else known_targets
    chosen = draw(st.lists(targets, max_size=5, unique_by=_side_free))
    wanted = []
    for line, target in enumerate(chosen, start=5):
        filter = None if target.kind is TargetKind.EXCLUSION_GROUP else draw(maybe_filters)
        wanted.append(ResolvedAssignment(target, filter, draw(st.booleans()), build.at(line)))
    return tuple(wanted)


def _side_free(target):
    if target.kind is TargetKind.EXCLUSION_GROUP:
        return identity(replace(target, kind=TargetKind.GROUP))
    return identity(target)


@st.composite
def policies(draw, id=build.WINDOWS):
    """One policy of either family, hostile names included."""
    platform, family = draw(
        st.sampled_from(
            [("windows10", "classic"), ("linux", "settings_catalog"), (None, "classic")]
        )
    )
    odata_type = platform and f"#microsoft.graph.{platform}CompliancePolicy"
    return Policy(id, draw(hostile_names), family, odata_type, platform, draw(st.booleans()))


@st.composite
def resolved_policies(draw, id=build.WINDOWS):
    """A policy, what it has, and what is wanted of it."""
    live = draw(live_sets())
    return ResolvedPolicy(
        LivePolicy(draw(policies(id)), live),
        draw(st.sampled_from(Ownership)),
        draw(wishes(live)),
        build.at(1, text=draw(hostile_names)),
    )


@st.composite
def directories(draw):
    """Names for some of the ids, so that some stay without."""
    known = [Group(id, draw(hostile_names)) for id in GROUP_IDS[:3]]
    return build.directory(
        *known, *(AssignmentFilter(id, draw(hostile_names)) for id in FILTER_IDS[:2])
    )


@st.composite
def policy_plans(draw, id=build.WINDOWS):
    """What the differ makes of one policy; those that it refuses are not of interest here."""
    for _ in range(20):
        difference = diff(
            ResolvedState(build.config(), (draw(resolved_policies(id)),)), draw(directories())
        )
        if difference.policies:
            return difference.policies[0]
    return build.nothing(build.policy(id=id))


def _scheduled(target, filter, day):
    return Scheduled(build.policy(), target, filter, day, build.at(3))


@st.composite
def maybe_held(draw, made):
    """The same plan with scheduled lines, or what a hold makes of it."""
    plan = draw(made)
    later = draw(
        st.lists(st.builds(_scheduled, known_targets, maybe_filters, st.dates()), max_size=2)
    )
    plan = replace(plan, scheduled=tuple(replace(each, policy=plan.policy) for each in later))
    if not plan.changes or draw(st.booleans()):
        return plan
    hold = Hold(draw(st.dates()), draw(hostile_names))
    return replace(plan, changes=(), held=plan.changes, hold=hold)


def may_be_applied(plan):
    """Whether a reviewer's findings leave the plan whole: no group on both sides of a policy."""
    return not has_errors(lint([plan], build.directory()))


_diagnostics = st.builds(
    lambda make, code, message, place, advice, policy: make(
        code, message, place, help=advice, policy=policy
    ),
    st.sampled_from([error, warning]),
    st.sampled_from(["broad-target", "unknown-group"]),
    hostile_names,
    st.none() | st.builds(build.at, st.integers(1, 9), file=hostile_names, text=hostile_names),
    hostile_names,
    hostile_names,
)


_diagnostic_tuples = st.lists(_diagnostics, max_size=3).map(tuple)
moments = st.datetimes(
    datetime(2020, 1, 1),  # noqa: DTZ001 - hypothesis puts the zone in
    datetime(2100, 1, 1),  # noqa: DTZ001 - as above
    timezones=st.just(UTC),
).map(lambda moment: moment.replace(fold=0))


def _known(values):
    return values | st.builds(Unknown, hostile_names)


_number = st.integers(0, 2000)
_reaches = st.builds(Reach, *[st.none() | _known(_number)] * 4)
_actions = st.builds(
    ComplianceAction, st.just("block") | hostile_names, st.sampled_from([0.0, 0.5, 3.0])
)
_policy_impacts = st.builds(
    PolicyImpact,
    _known(st.lists(_actions, max_size=2).map(tuple)),
    _known(st.none() | st.builds(StatusOverview, *[_number] * 5, st.none() | moments)),
)
_tenant_impacts = st.builds(
    TenantImpact,
    _known(st.booleans()),
    _known(_number),
    _known(st.lists(st.sampled_from(FILTER_IDS), max_size=2).map(tuple)),
)


@st.composite
def impacts(draw, policies):
    """What a tenant may answer about the changes of these policies."""
    changed = [plan for plan in policies if plan.changes]
    return Impact(
        draw(moments),
        draw(_tenant_impacts),
        {plan.policy.id: draw(_policy_impacts) for plan in changed},
        {change: draw(_reaches) for plan in changed for change in plan.changes},
    )


@st.composite
def plans(draw):
    """A whole plan, whatever it says of itself."""
    ids = draw(st.lists(st.sampled_from(POLICY_IDS), max_size=3, unique=True))
    found = sorted(
        [draw(maybe_held(policy_plans(id))) for id in ids], key=lambda plan: plan.policy.sort_key
    )
    return Plan(
        tenant=PlanTenant(
            draw(st.sampled_from([build.TENANT, POLICY_SET_TENANT])),
            draw(hostile_names),
            draw(st.none() | hostile_names),
            draw(st.sampled_from(Cloud)),
        ),
        policies=tuple(found),
        writes=draw(st.sampled_from(Writes)),
        guardrails=draw(guardrails),
        complete=draw(st.booleans()),
        diagnostics=sort_diagnostics(draw(st.lists(_diagnostics, max_size=3))),
        stopped_by=tuple(draw(st.lists(_stops, max_size=2))),
        selection=tuple(draw(st.lists(hostile_names, max_size=2))),
        impact=draw(st.none() | impacts(found)),
    )


POLICY_SET_TENANT = "0d2f9a54-51d8-4c0e-9b57-0c1f5d6c7a11"
_limits = st.integers(0, 99)
guardrails = st.builds(Guardrails, _limits, _limits, _limits, st.sampled_from(BroadTargets))
_stops = st.builds(
    Stop,
    st.sampled_from(["max-deletes", "broad-target"]),
    hostile_names,
    st.none() | st.builds(build.at, st.integers(1, 9)),
)
saved_plans = st.builds(SavedPlan, plans(), moments, st.sampled_from(["0.1.0", "9.9.9"]))


@st.composite
def results(draw):
    """What an apply of some plan may have done."""
    plan = draw(plans())
    maybe = st.none() | hostile_names
    outcomes = tuple(
        PolicyOutcome(
            each.policy,
            draw(st.sampled_from(Status)),
            each.changes,
            each.changes[: draw(st.integers(0, len(each.changes)))],
            error=draw(maybe),
            request_id=draw(maybe),
            approval_code=draw(maybe),
            notes=tuple(draw(st.lists(hostile_names, max_size=2))),
        )
        for each in plan.policies
    )
    faults = draw(st.lists(hostile_names, max_size=2))
    return ApplyResult(plan.tenant, plan.digest, outcomes, draw(st.booleans()), tuple(faults))


failures = st.builds(
    Failure,
    st.sampled_from(["plan", "apply"]),
    hostile_names,
    hostile_names,
    st.integers(1, 9),
    hostile_names,
    _diagnostic_tuples,
    st.none() | hostile_names,
    st.booleans(),
)
validations = st.builds(
    Validation,
    st.lists(
        st.builds(CheckedRoot, hostile_names, hostile_names, _diagnostic_tuples), max_size=2
    ).map(tuple),
)


# --- what Graph makes of a write


def stored(wanted):
    """What the next reading shows of a set that was sent; opaque ones keep their ids."""
    return tuple(
        build.read(
            json.loads(json.dumps(wire.wanted_json(entry)))["target"],
            id=entry.target.id
            if entry.target.kind is TargetKind.OPAQUE
            else "/".join(key_of(entry.target)),
        )
        for entry in wanted
    )
