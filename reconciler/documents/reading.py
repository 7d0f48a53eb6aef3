"""From the JSON document back to a plan. Pure."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError

from reconciler.documents.impact import impact_of, reach_of
from reconciler.documents.models import (
    ChangeModel,
    DeclaredPolicyModel,
    DiagnosticModel,
    HeldModel,
    LiveModel,
    LiveTargetModel,
    LocationModel,
    Model,
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
M = TypeVar("M", bound=Model)


class IncoherentPlanError(ValueError):
    """The document has the right shape and contradicts itself; ``str()`` says where."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The JSON entries of what is as declared. Reading empties the lists: a large plan is in memory once."""

    targets: list[Any]
    """Of ``unchanged_targets``."""
    assignments: list[Any]
    """Of ``unchanged``."""


def plan(document: PlanModel, unchanged: Unchanged) -> Plan:
    """Rebuild the plan. Raises `IncoherentPlanError`.

    ``document`` is without the entries of ``unchanged``, which are used up.
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


def _policies(document: PlanModel, entries: Unchanged) -> tuple[PolicyPlan, ...]:
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
    place = _place(item.declared_at)
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


def _unchanged(entries: Unchanged, policies: Mapping[str, Policy]) -> Mapping[str, list[Keep]]:
    """Read the assignments that are as declared, by policy; equal targets are kept once."""
    targets = _used_up(LiveTargetModel, entries.targets, "unchanged_targets")
    known = [_assignment(target, "") for target in targets]
    grouped: dict[str, list[Keep]] = defaultdict(list)
    for number, item in enumerate(_used_up(UnchangedModel, entries.assignments, "unchanged")):
        if item.policy.id not in policies:
            raise IncoherentPlanError(f"policy {item.policy.id} is not among policies")
        if item.target >= len(known):
            raise IncoherentPlanError(f"unchanged.{number}.target")
        live = replace(known[item.target], id=item.assignment_id)
        keep = Keep(policies[item.policy.id], live, _place(item.declared_at))
        grouped[item.policy.id].append(keep)
    return grouped


def _used_up(model: type[M], entries: list[Any], member: str) -> Iterator[M]:
    entries.reverse()
    for number in range(len(entries)):
        try:
            yield model.model_validate(entries.pop())
        except ValidationError as invalid:
            place = ".".join(map(str, (member, number, *invalid.errors()[0]["loc"])))
            raise IncoherentPlanError(place) from None


def _live(item: LiveModel) -> Assignment:
    return _assignment(item, item.assignment_id)


def _assignment(item: LiveTargetModel, id: str) -> Assignment:
    return Assignment(
        id,
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
    return None if item is None else _place(item)


def _place(item: LocationModel) -> Location:
    return Location(sys.intern(item.file), item.line, item.column, item.text)


def diagnostic_of(item: DiagnosticModel, severity: Severity) -> Diagnostic:
    """Rebuild a diagnostic."""
    return Diagnostic(
        severity, item.code, item.message, _location(item.declared_at), item.help, item.policy
    )


def _required(value: T | None, name: str) -> T:
    if value is None:
        raise IncoherentPlanError(f"a change lacks {name}")
    return value
