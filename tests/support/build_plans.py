"""Small builders of plans, for the tests of the views. No test stands here."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime

from reconciler.differ.guardrails import stops
from reconciler.documents import SavedPlan
from reconciler.model.diagnostics import Diagnostic, Location, has_errors
from reconciler.model.plan import (
    Change,
    Create,
    Delete,
    Inherited,
    Keep,
    Plan,
    PlanTenant,
    PolicyPlan,
    Unmanaged,
    Update,
    sort_changes,
)
from reconciler.model.state import (
    Assignment,
    Cloud,
    Filter,
    FilterMode,
    Guardrails,
    Ownership,
    Policy,
    Target,
    TargetKind,
    Writes,
)

TENANT = PlanTenant("7d2f9a54-51d8-4c0e-9b57-0c1f5d6c7a11", "contoso-prod", "Contoso", Cloud.GLOBAL)
MADE_AT = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
DEFAULTS = Guardrails()
_SPACE = uuid.UUID("00000000-0000-4000-8000-000000000001")


def an_id(name: str) -> str:
    """Make an id that is the same on every run."""
    return str(uuid.uuid5(_SPACE, name))


def policy(name: str = "Windows 11 - Baseline", platform: str = "windows10") -> Policy:
    odata_type = f"#microsoft.graph.{platform}CompliancePolicy"
    return Policy(an_id(f"policy {name} {platform}"), name, "classic", odata_type, platform)


ALL_DEVICES = Target(TargetKind.ALL_DEVICES)
ALL_USERS = Target(TargetKind.ALL_USERS)


def group(name: str | None, *, id: str | None = None) -> Target:
    return Target(TargetKind.GROUP, id or an_id(f"group {name}"), name)


def excluded(name: str | None) -> Target:
    return Target(TargetKind.EXCLUSION_GROUP, an_id(f"group {name}"), name)


def only(name: str) -> Filter:
    return Filter(FilterMode.INCLUDE, an_id(f"filter {name}"), name)


def without(name: str) -> Filter:
    return Filter(FilterMode.EXCLUDE, an_id(f"filter {name}"), name)


def at(file: str = "policies/windows.yaml", line: int = 7, column: int = 9) -> Location:
    return Location(file, line, column, "      - group: Sales laptops")


def live(target: Target, filter: Filter | None = None, source: str = "direct") -> Assignment:
    raw = json.dumps({"@odata.type": target.odata_type or target.kind.value})
    return Assignment(an_id(f"assignment {target}"), target, filter, source, raw)


def create(policy: Policy, target: Target, filter: Filter | None = None, line: int = 7) -> Create:
    return Create(policy, target, filter, at(line=line))


def update(
    policy: Policy, target: Target, before: Filter | None, after: Filter | None, line: int = 9
) -> Update:
    return Update(policy, live(target, before), target, after, at(line=line))


def delete(policy: Policy, target: Target, filter: Filter | None = None) -> Delete:
    return Delete(policy, live(target, filter))


def keep(policy: Policy, target: Target, filter: Filter | None = None, line: int = 3) -> Keep:
    return Keep(policy, live(target, filter), at(line=line))


def unmanaged(policy: Policy, target: Target, filter: Filter | None = None) -> Unmanaged:
    return Unmanaged(policy, live(target, filter))


def inherited(policy: Policy, target: Target) -> Inherited:
    return Inherited(policy, live(target, source="policySets"))


def policy_plan(policy: Policy, *changes: Change | Keep | Unmanaged | Inherited) -> PolicyPlan:
    """Put each change where it belongs; a deletion makes the policy authoritative."""
    deletes = any(isinstance(change, Delete) for change in changes)
    return PolicyPlan(
        policy,
        Ownership.AUTHORITATIVE if deletes else Ownership.ADDITIVE,
        sort_changes(c for c in changes if isinstance(c, Create | Update | Delete)),
        tuple(c for c in changes if isinstance(c, Keep)),
        tuple(c for c in changes if isinstance(c, Unmanaged)),
        tuple(c for c in changes if isinstance(c, Inherited)),
    )


def plan(
    *policies: PolicyPlan,
    diagnostics: tuple[Diagnostic, ...] = (),
    guardrails: Guardrails = DEFAULTS,
    selection: tuple[str, ...] = (),
    tenant: PlanTenant = TENANT,
) -> Plan:
    made = Plan(
        tenant,
        tuple(sorted(policies, key=lambda p: p.policy.sort_key)),
        Writes.AUTO,
        guardrails,
        complete=not has_errors(diagnostics),
        diagnostics=diagnostics,
        selection=selection,
    )
    return replace(made, stopped_by=stops(made.changes, guardrails))


def saved(plan: Plan) -> SavedPlan:
    return SavedPlan(plan, MADE_AT, "0.1.0")


WINDOWS = policy()
MACS = policy("macOS - FileVault", "macOS")
PHONES = policy("iOS - Corporate phones", "ios")
LINUX = policy("Ubuntu workstations", "linux")
