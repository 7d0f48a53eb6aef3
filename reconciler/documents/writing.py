"""From values to the members of the JSON documents. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any

from reconciler.differ.compare import explain_update
from reconciler.differ.risk import risk_of
from reconciler.documents.envelope import LongList
from reconciler.documents.impact import impact_json, reach_json
from reconciler.model.diagnostics import Diagnostic, Location, Severity
from reconciler.model.impact import Impact, Risk
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
    Summary,
    Unmanaged,
    Update,
    action_of,
    fingerprint,
)
from reconciler.model.state import Assignment, Filter, Hold, Policy, Target
from reconciler.model.text import escape_json


def json_text(document: object) -> str:
    """Write any JSON document as text, with a final newline; harmless on a terminal."""
    return escape_json(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def plan_json(plan: Plan) -> dict[str, Any]:
    """Write a plan, without what belongs to the moment it was made in; for `envelope.json_parts`."""
    unchanged = _Unchanged(plan)
    return {
        "tenant": tenant_json(plan.tenant),
        "complete": plan.complete,
        "applyable": plan.applyable,
        "digest": plan.digest,
        "writes": plan.writes.value,
        "selection": list(plan.selection),
        "summary": _summary_json(plan.summary),
        "risk": _risk_json(risk_of(plan)),
        "policies": LongList(lambda: map(_declared_policy, plan.policies)),
        "changes": [_change_json(change, plan.impact) for change in plan.changes],
        "held": [_held_json(change, p.hold) for p in plan.policies for change in p.held],
        "scheduled": [_scheduled_json(line) for p in plan.policies for line in p.scheduled],
        "impact": _impact_json(plan),
        "unchanged_targets": LongList(unchanged.targets),
        "unchanged": LongList(unchanged.entries),
        "unmanaged": [_untouched(change) for p in plan.policies for change in p.unmanaged],
        "inherited": [_untouched(change) for p in plan.policies for change in p.inherited],
        "errors": _diagnostics(plan.diagnostics, Severity.ERROR),
        "warnings": _diagnostics(plan.diagnostics, Severity.WARNING),
        "guardrails": _guardrails(plan),
        "baseline": {policy.policy.id: fingerprint(policy.live) for policy in plan.policies},
    }


def tenant_json(tenant: PlanTenant) -> dict[str, Any]:
    """Write the tenant that a plan is for."""
    return {
        "id": tenant.id,
        "label": tenant.label,
        "display_name": tenant.display_name,
        "cloud": tenant.cloud.value,
    }


def _summary_json(summary: Summary) -> dict[str, int]:
    return {field.name: getattr(summary, field.name) for field in fields(summary)}


def policy_json(policy: Policy) -> dict[str, Any]:
    """Write a policy."""
    return {
        "id": policy.id,
        "name": policy.name,
        "odata_type": policy.odata_type,
        "platform": policy.platform,
        "family": policy.family,
    }


def change_json(change: Change) -> dict[str, Any]:
    """Write one change."""
    document: dict[str, Any] = {
        "action": action_of(change).value,
        "policy": policy_json(change.policy),
        "assignment_id": None,
        "before": None,
        "after": None,
        "declared_at": None,
    }
    match change:
        case Create():
            document["after"] = _target(change.target, change.filter)
        case Update():
            document["after"] = _target(change.target, change.after)
            document["fields"] = [
                {"path": field.path, "before": field.before, "after": field.after}
                for field in explain_update(change)
            ]
        case Delete():
            pass
    document["declared_at"] = location_json(change.declared_at)
    if isinstance(change, Create | Update):
        document["broad"] = change.broad
    if isinstance(change, Update | Delete):
        document["assignment_id"] = change.live.id
        document["before"] = _target(change.live.target, change.live.filter)
        document["live"] = _live(change.live)
    return document


def _change_json(change: Change, impact: Impact | None) -> dict[str, Any]:
    reach = impact.reach.get(change) if impact else None
    return change_json(change) | ({"reach": reach_json(reach)} if reach else {})


def _impact_json(plan: Plan) -> dict[str, Any] | None:
    if plan.impact is None:
        return None
    changed = [each.policy for each in plan.policies if each.policy.id in plan.impact.policies]
    return impact_json(plan.impact, map(policy_json, changed))


def _risk_json(risk: Risk) -> dict[str, Any]:
    return {
        "level": risk.level.value,
        "reasons": [
            {
                "code": reason.code,
                "policy": reason.policy,
                "message": reason.message,
                "declared_at": location_json(reason.declared_at),
            }
            for reason in risk.reasons
        ],
    }


def _held_json(change: Change, hold: Hold | None) -> dict[str, Any]:
    if hold is None:
        raise ValueError("a change is held without a hold")
    return change_json(change) | {
        "hold": {"until": hold.until.isoformat(), "reason": hold.reason},
    }


def _scheduled_json(line: Scheduled) -> dict[str, Any]:
    return {
        "policy": policy_json(line.policy),
        "target": _target(line.target, line.filter),
        "from": line.starts.isoformat(),
        "declared_at": location_json(line.declared_at),
    }


def location_json(location: Location | None) -> dict[str, Any] | None:
    """Write a place in the desired state."""
    if location is None:
        return None
    return {
        "file": location.file,
        "line": location.line,
        "column": location.column,
        "text": location.text,
    }


def _declared_policy(plan: PolicyPlan) -> dict[str, Any]:
    return policy_json(plan.policy) | {
        "ownership": plan.ownership.value,
        "custom_compliance": plan.policy.custom_compliance,
    }


def _target(target: Target, filter: Filter | None) -> dict[str, Any]:
    return target_json(target) | {"filter": filter_json(filter)}


def target_json(target: Target) -> dict[str, Any]:
    """Write a target without its filter."""
    document: dict[str, Any] = {"kind": target.kind.value, "id": target.id, "name": target.name}
    if target.target_type is not None:
        document["target_type"] = target.target_type
    if target.odata_type is not None:
        document["odata_type"] = target.odata_type
    return document


def filter_json(filter: Filter | None) -> dict[str, Any] | None:
    """Write a filter in use; null where there is none."""
    if filter is None:
        return None
    return {"mode": filter.mode.value, "id": filter.id, "name": filter.name}


def _live(assignment: Assignment) -> dict[str, Any]:
    return {"assignment_id": assignment.id} | _live_target(assignment)


def _live_target(assignment: Assignment) -> dict[str, Any]:
    beside = json.loads(assignment.raw_properties)
    return {
        "source": assignment.source,
        "target": _target(assignment.target, assignment.filter),
        "graph_target": json.loads(assignment.raw_target),
        **({"graph_properties": beside} if beside else {}),
    }


class _Unchanged:
    """The assignments that are as declared, which are most: a target that many have is written once."""

    def __init__(self, plan: Plan) -> None:
        self._targets: list[Assignment] = []
        self._placed: list[tuple[Keep, int]] = []
        positions: dict[tuple[object, ...], int] = {}
        for keep in (keep for policy in plan.policies for keep in policy.kept):
            position = positions.setdefault(_all_but_id(keep.assignment), len(self._targets))
            if position == len(self._targets):
                self._targets.append(keep.assignment)
            self._placed.append((keep, position))

    def targets(self) -> Iterator[dict[str, Any]]:
        """Write each target once."""
        return map(_live_target, self._targets)

    def entries(self) -> Iterator[dict[str, Any]]:
        """Write each assignment with the position of its target."""
        for keep, position in self._placed:
            yield {
                "policy": {"id": keep.policy.id},
                "assignment_id": keep.assignment.id,
                "target": position,
                "declared_at": location_json(keep.declared_at),
            }


def _all_but_id(live: Assignment) -> tuple[object, ...]:
    """What is written of an assignment beside its id; the names too, which are not compared."""
    target, filter = live.target, live.filter
    names = target.name, filter.name if filter else None
    return target, filter, names, live.source, live.raw_target, live.raw_properties


def _untouched(change: Unmanaged | Inherited) -> dict[str, Any]:
    declared_at = None if isinstance(change, Unmanaged) else change.declared_at
    document = {"policy": policy_json(change.policy)} | _live(change.assignment)
    if declared_at is not None:
        document["declared_at"] = location_json(declared_at)
    return document


def _diagnostics(diagnostics: Iterable[Diagnostic], severity: Severity) -> list[dict[str, Any]]:
    return [
        diagnostic_json(diagnostic) for diagnostic in diagnostics if diagnostic.severity is severity
    ]


def diagnostic_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """Write a diagnostic; its severity is told by where it stands."""
    return {
        "code": diagnostic.code,
        "message": diagnostic.message,
        "help": diagnostic.help,
        "policy": diagnostic.policy,
        "declared_at": location_json(diagnostic.location),
    }


def _guardrails(plan: Plan) -> dict[str, Any]:
    return {
        "max_creates": plan.guardrails.max_creates,
        "max_updates": plan.guardrails.max_updates,
        "max_deletes": plan.guardrails.max_deletes,
        "broad_targets": plan.guardrails.broad_targets.value,
        "stopped_by": [
            {
                "code": stop.code,
                "message": stop.message,
                "declared_at": location_json(stop.declared_at),
            }
            for stop in plan.stopped_by
        ],
    }
