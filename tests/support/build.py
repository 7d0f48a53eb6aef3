"""Small builders for the model and the plan, so that a test shows only what it is about."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

from reconciler.differ.compare import diff
from reconciler.documents import SavedPlan
from reconciler.graph import wire
from reconciler.model.diagnostics import Location
from reconciler.model.plan import Plan, PlanTenant, PolicyPlan
from reconciler.model.ports import Directory, GroupSearch
from reconciler.model.state import (
    AssignmentFilter,
    Cloud,
    DesiredAssignment,
    DesiredPolicy,
    DesiredState,
    Filter,
    FilterMode,
    FilterReference,
    Group,
    Guardrails,
    LivePolicy,
    LiveState,
    Ownership,
    Policy,
    Reference,
    ResolvedAssignment,
    ResolvedPolicy,
    ResolvedState,
    Target,
    TargetKind,
    TenantConfig,
    Writes,
)

TENANT = "7d2f9a54-51d8-4c0e-9b57-0c1f5d6c7a11"
SALES, FINANCE, KIOSK_GROUP, BREAK_GLASS = (
    f"2000000{n}-0000-4000-8000-00000000000a" for n in "1234"
)
CORPORATE, KIOSKS = (f"3000000{n}-0000-4000-8000-00000000000b" for n in "12")
WINDOWS = "10000001-0000-4000-8000-00000000000c"
POLICY_SET = "50000001-0000-4000-8000-00000000000d"
MADE_AT = datetime(2026, 11, 23, 10, tzinfo=UTC)
NO_FILTER = {wire.FILTER_ID: None, wire.FILTER_TYPE: "none"}


# --- what Graph has


def at(line=1, *, column=9, file="policies.yaml", text=""):
    return Location(file, line, column, text)


def policy(name="Windows 11 - Baseline", id=WINDOWS, *, platform="windows10", **changes):
    odata_type = f"#microsoft.graph.{platform}CompliancePolicy"
    return replace(Policy(id, name, "classic", odata_type, platform), **changes)


def filtered(id=CORPORATE, mode="include", name=None):
    return Filter(FilterMode(mode), id, name)


def group(id=SALES, name=None):
    return Target(TargetKind.GROUP, id, name)


def exclusion(id=SALES, name=None):
    return Target(TargetKind.EXCLUSION_GROUP, id, name)


def all_devices():
    return Target(TargetKind.ALL_DEVICES)


def all_users():
    return Target(TargetKind.ALL_USERS)


def collection(id="SMS00042"):
    return Target(TargetKind.COLLECTION, id.lower(), id)


def scope_tag_group(id=SALES, target_type="device"):
    return Target(TargetKind.SCOPE_TAG_GROUP, id, target_type=target_type)


def live(target=None, filter=None, *, id=None, source="direct", **unknown):
    """One live assignment, read through the wire; ``unknown`` are properties nobody knows of."""
    target = target or group()
    raw = {**wire.target_json(target, filter, with_filter=True), **unknown}
    return read(raw, id=id or f"{WINDOWS}_{target.id or target.kind}", source=source)


def opaque(id="opaque-1", *, odata_type="#microsoft.graph.futureAssignmentTarget", **properties):
    return read({"@odata.type": odata_type, **properties}, id=id)


def read(raw_target, *, id="some-id", source="direct"):
    """What the client makes of a target's JSON."""
    item = {"id": id, "source": source, "target": raw_target}
    return wire.assignment(wire.parse(wire.AssignmentItem, item, "reading"))


def inherited(target=None, *, source="policySets", **options):
    return live(target, source=source, **options)


def raw(assignment):
    return json.loads(assignment.raw_target)


def tenant_of(*policies):
    return LiveState({found.policy.id: found for found in policies})


def directory(*known):
    """Groups and filters by id; a group's name leads to it."""
    groups = {found.id: found for found in known if isinstance(found, Group)}
    filters = {found.id: found for found in known if isinstance(found, AssignmentFilter)}
    return Directory(GroupSearch(by_id=groups, by_name={}, nearby={}), filters)


# --- what the files want


def want(target=None, filter=None, *, broad=False, line=5):
    return ResolvedAssignment(target or group(), filter, broad, at(line))


def resolved(*assignments, live=(), owned="additive", of=None):
    found = LivePolicy(of or policy(), tuple(live))
    return ResolvedPolicy(found, Ownership(owned), tuple(assignments), at(1, column=5))


def named(name=None, id=None, *, line=1):
    return Reference(id, name, at(line))


def declare(reference, *, exclude=False, filter=None, line=5, broad=False):
    """One line about a group; ``filter`` is a mode and a reference."""
    kind = TargetKind.EXCLUSION_GROUP if exclude else TargetKind.GROUP
    narrowed = FilterReference(FilterMode(filter[0]), filter[1]) if filter else None
    return DesiredAssignment(kind, at(line), group=reference, filter=narrowed, broad=broad)


def declared_policy(reference, *assignments, platform=None, owned="additive"):
    return DesiredPolicy(reference, platform, Ownership(owned), tuple(assignments))


def config(**limits):
    return TenantConfig(
        TENANT, "contoso", at(1, file="tenant.yaml"), guardrails=Guardrails(**limits)
    )


def desired(*policies):
    return DesiredState(config(), tuple(policies))


# --- plans


def planned(*assignments, live=(), owned="additive", of=None, known=()):
    """The plan of one policy; an error of the differ fails the test that did not ask for it."""
    wanted = resolved(*assignments, live=live, owned=owned, of=of)
    difference = diff(ResolvedState(config(), (wanted,)), directory(*known))
    assert not [found for found in difference.diagnostics if found.is_error]
    return difference.policies[0]


def nothing(of=None, **parts):
    """A policy's plan without any part but those given."""
    empty = PolicyPlan(of or policy(), Ownership.ADDITIVE, (), (), (), ())
    return replace(empty, **parts)


def plan(*policies, tenant=TENANT, complete=True, **parts):
    made = Plan(
        tenant=PlanTenant(tenant, "contoso", "Contoso", Cloud.GLOBAL),
        policies=tuple(policies),
        writes=Writes.AUTO,
        guardrails=Guardrails(),
        complete=complete,
    )
    return replace(made, **parts)


def saved(made=None):
    return SavedPlan(made or plan(), MADE_AT, "0.1.0")
