"""From the JSON document back to a plan. Pure."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError

from reconciler.documents.impact import impact_of, reach_of
from reconciler.documents.models import (
    ChangeModel,
    DeclaredPolicyModel,
    DiagnosticModel,
    HeldModel,
    LiveModel,
    LocationModel,
    PlanModel,
    PolicyModel,
    ScheduledModel,
    TargetModel,
    UnchangedModel,
)
from reconciler.model.diagnostics import Diagnostic, Location, Severity, sort_diagnostics
from reconciler.model.impact import Impact
from reconciler.model.plan import (
    Change,
    Create,
    Delete,
    Inherited,
    Keep,
    Plan,
    PlanTenant,
    PolicyPlan,
    Scheduled,
    Stop,
    Unmanaged,
    Update,
)
from reconciler.model.policy_types import FAMILIES
from reconciler.model.state import (
    Assignment,
    Filter,
    Guardrails,
    Hold,
    Policy,
    Target,
    TargetKind,
)


class _OfPolicy(Protocol):
    @property
    def policy(self) -> PolicyModel: ...


T = TypeVar("T")
I = TypeVar("I", bound=_OfPolicy)  # noqa: E741 - an item


class IncoherentPlanError(ValueError):
    """The document has the right shape and contradicts itself; ``str()`` says where."""


def plan(document: PlanModel, unchanged: list[Any]) -> Plan:
    """Rebuild the plan. Raises `IncoherentPlanError`.

    ``unchanged`` are the JSON entries of that member, and ``document`` is without them. The list is
    emptied on the way.
    """
    tenant, limits = document.tenant, document.guardrails
    diagnostics = (
        *(diagnostic_of(item, Severity.ERROR) for item in document.errors),
        *(diagnostic_of(item, Severity.WARNING) for item in document.warnings),
    )
    policies = _policies(document, unchanged)
    return Plan(
        tenant=PlanTenant(tenant.id, tenant.label, tenant.display_name, tenant.cloud),
        policies=policies,
        writes=document.writes,
        guardrails=Guardrails(
            limits.max_creates, limits.max_updates, limits.max_deletes, limits.broad_targets
        ),
        complete=document.complete,
        diagnostics=sort_diagnostics(diagnostics),
        stopped_by=tuple(
            Stop(stop.code, stop.message, _location(stop.declared_at)) for stop in limits.stopped_by
        ),
        selection=document.selection,
        impact=_impact(document, policies),
    )


def _impact(document: PlanModel, policies: Sequence[PolicyPlan]) -> Impact | None:
    if document.impact is None:
        return None
    by_id = {each.policy.id: each.policy for each in policies}
    reach = {
        change(item, by_id[item.policy.id]): reach_of(item.reach)
        for item in document.changes
        if item.reach is not None
    }
    known = {item.policy.id for item in document.impact.policies}
    if known != {each.policy.id for each in policies if each.changes}:
        raise IncoherentPlanError("impact names other policies than changes")
    return impact_of(document.impact, reach)


def _policies(document: PlanModel, entries: list[Any]) -> tuple[PolicyPlan, ...]:
    policies = {item.id: _policy(item) for item in document.policies}
    changes = _by_policy(document.changes, policies)
    held = _by_policy(document.held, policies)
    scheduled = _by_policy(document.scheduled, policies)
    unchanged = _unchanged(entries, policies)
    unmanaged = _by_policy(document.unmanaged, policies)
    inherited = _by_policy(document.inherited, policies)
    return tuple(
        PolicyPlan(
            policy=policies[item.id],
            ownership=item.ownership,
            changes=tuple(change(c, policies[item.id]) for c in changes[item.id]),
            kept=tuple(unchanged[item.id]),
            unmanaged=tuple(Unmanaged(policies[item.id], _live(u)) for u in unmanaged[item.id]),
            inherited=tuple(
                Inherited(policies[item.id], _live(u), _location(u.declared_at))
                for u in inherited[item.id]
            ),
            held=tuple(change(c, policies[item.id]) for c in held[item.id]),
            hold=_hold(held[item.id]),
            scheduled=tuple(_scheduled(s, policies[item.id]) for s in scheduled[item.id]),
        )
        for item in document.policies
    )


def _hold(held: Sequence[HeldModel]) -> Hold | None:
    return Hold(held[0].hold.until, held[0].hold.reason) if held else None


def _scheduled(item: ScheduledModel, policy: Policy) -> Scheduled:
    place = _required(_location(item.declared_at), "declared_at")
    return Scheduled(policy, _target(item.target), _filter(item.target), item.from_, place)


def _policy(item: DeclaredPolicyModel) -> Policy:
    if item.family not in FAMILIES:
        raise IncoherentPlanError(
            f'the policy "{item.name}" is of the family "{item.family}", which is not known here'
        )
    return Policy(
        item.id, item.name, item.family, item.odata_type, item.platform, item.custom_compliance
    )


def _by_policy(items: Iterable[I], policies: Mapping[str, Policy]) -> Mapping[str, list[I]]:
    grouped: dict[str, list[I]] = defaultdict(list)
    for item in items:
        if item.policy.id not in policies:
            raise IncoherentPlanError(f"policy {item.policy.id} is not among policies")
        grouped[item.policy.id].append(item)
    return grouped


def change(change: ChangeModel, policy: Policy) -> Change:
    """Rebuild one change. Raises `IncoherentPlanError` for one that no plan would hold."""
    rebuilt = _change(change, policy)
    target = rebuilt.target
    if target.kind is TargetKind.OPAQUE:
        raise IncoherentPlanError("an unknown kind of target is only ever left alone")
    if target.id is not None and target.id != target.id.lower():
        raise IncoherentPlanError("ids are in lower case")
    return rebuilt


def _change(change: ChangeModel, policy: Policy) -> Change:
    where = _location(change.declared_at)
    if change.action == "delete":
        return Delete(policy, _live(_required(change.live, "live")), where)
    after = _required(change.after, "after")
    declared_at = _required(where, "declared_at")
    if change.action == "create":
        return Create(policy, _target(after), _filter(after), declared_at, change.broad)
    live = _live(_required(change.live, "live"))
    return Update(policy, live, _target(after), _filter(after), declared_at, change.broad)


def _unchanged(entries: list[Any], policies: Mapping[str, Policy]) -> Mapping[str, list[Keep]]:
    """Read the assignments that are as declared, by policy; equal targets are kept once."""
    grouped: dict[str, list[Keep]] = defaultdict(list)
    known: dict[tuple[Target, Filter | None], Assignment] = {}
    entries.reverse()
    for number in range(len(entries)):
        try:
            item = UnchangedModel.model_validate(entries.pop())
        except ValidationError as invalid:
            place = ".".join(str(part) for part in invalid.errors()[0]["loc"])
            raise IncoherentPlanError(f"unchanged.{number}.{place}") from None
        if item.policy.id not in policies:
            raise IncoherentPlanError(f"policy {item.policy.id} is not among policies")
        key = _target(item.target), _filter(item.target)
        live = known[key] = _unchanged_assignment(item, known.get(key))
        declared_at = _required(_location(item.declared_at), "declared_at")
        grouped[item.policy.id].append(Keep(policies[item.policy.id], live, declared_at))
    return grouped


def _unchanged_assignment(item: UnchangedModel, before: Assignment | None) -> Assignment:
    """Read one; ``before`` is the last one above it with the same target and filter."""
    target, filter = _target(item.target), _filter(item.target)
    if item.graph_target is not None:
        raw_target = json.dumps(item.graph_target, separators=(",", ":"))
    else:
        raw_target = _required(before, "graph_target").raw_target
    if before is not None and before.target.name == target.name:
        target = before.target
    if filter and before is not None and before.filter and before.filter.name == filter.name:
        filter = before.filter
    beside = json.dumps(item.graph_properties, separators=(",", ":"))
    return Assignment(item.assignment_id, target, filter, item.source, raw_target, beside)


def _live(item: LiveModel) -> Assignment:
    return Assignment(
        item.assignment_id,
        _target(item.target),
        _filter(item.target),
        item.source,
        json.dumps(item.graph_target, separators=(",", ":")),
        json.dumps(item.graph_properties, separators=(",", ":")),
    )


def _target(item: TargetModel) -> Target:
    return Target(item.kind, item.id, item.name, item.target_type, item.odata_type)


def _filter(item: TargetModel) -> Filter | None:
    used = item.filter
    return None if used is None else Filter(used.mode, used.id, used.name)


def _location(item: LocationModel | None) -> Location | None:
    return None if item is None else Location(item.file, item.line, item.column, item.text)


def diagnostic_of(item: DiagnosticModel, severity: Severity) -> Diagnostic:
    """Rebuild a diagnostic."""
    return Diagnostic(
        severity, item.code, item.message, _location(item.declared_at), item.help, item.policy
    )


def _required(value: T | None, name: str) -> T:
    if value is None:
        raise IncoherentPlanError(f"a change lacks {name}")
    return value
