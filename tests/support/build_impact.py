"""Small builders of the impact of a plan, for the tests of the views. No test stands here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

from reconciler.model.impact import (
    ComplianceAction,
    Impact,
    Known,
    PolicyImpact,
    Reach,
    StatusOverview,
    TenantImpact,
    Unknown,
)
from reconciler.model.plan import Change, Plan
from reconciler.model.state import Policy

Changes = TypeVar("Changes", bound=Change)

READ_AT = datetime(2026, 11, 23, 9, 59, tzinfo=UTC)
FORBIDDEN = Unknown("403: needs Device.Read.All")
LATE = Unknown("it did not come in time")
TENANT_IMPACT = TenantImpact(False, 3, ())


def devices(number: int, *, matches: Known[int] | None = None, at_most: int | None = None) -> Reach:
    """The reach of a group of devices."""
    return Reach(0, number, matches, number if at_most is None else at_most)


def users(number: int, *, more_devices: int = 0) -> Reach:
    """The reach of a group of users, who bring any number of devices."""
    return Reach(number, more_devices, None, None)


def uncounted(reason: Unknown = FORBIDDEN) -> Reach:
    """The reach of a group of which nothing may be counted."""
    return Reach(reason, reason, None, reason)


def blocking(
    compliant: int = 2049, noncompliant: int = 64, *, after_days: float = 0.0, pending: int = 0
) -> PolicyImpact:
    """The impact of a policy that blocks, at once where nothing else is asked for."""
    as_of = datetime(2026, 11, 23, 9, 12, tzinfo=UTC)
    today = StatusOverview(compliant, noncompliant, 0, pending, 0, as_of)
    return PolicyImpact((ComplianceAction("block", after_days),), today)


def with_impact(
    plan: Plan,
    reach: Mapping[Changes, Reach],
    policies: Mapping[Policy, PolicyImpact] | None = None,
    tenant: TenantImpact = TENANT_IMPACT,
) -> Plan:
    """Put an impact beside a plan; a policy that is not named blocks after three days."""
    default = blocking(after_days=3)
    found = {each.policy.id: default for each in plan.policies if each.changes}
    found |= {policy.id: impact for policy, impact in (policies or {}).items()}
    reaches: dict[Change, Reach] = dict(reach.items())
    return replace(plan, impact=Impact(READ_AT, tenant, found, reaches))
