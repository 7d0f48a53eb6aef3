"""The impact and the risk of a plan: to its JSON document, and back. Pure.

A value that is not known is null there, and ``unknown`` maps its name to the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, TypeVar

from reconciler.documents.models import (
    ImpactModel,
    PolicyImpactModel,
    ReachModel,
    StatusModel,
    TenantImpactModel,
)
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
from reconciler.model.plan import Change

T = TypeVar("T")


def reach_json(reach: Reach) -> dict[str, Any]:
    """Write the reach of a change."""
    return _with_unknown(
        {
            "users": reach.users,
            "devices": reach.devices,
            "filter_matches": reach.filter_matches,
            "at_most": reach.at_most,
        }
    )


def impact_json(impact: Impact, policies: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Write the impact of a plan; ``policies`` are the documents of the changed policies."""
    tenant = impact.tenant
    return {
        "read_at": _time(impact.read_at),
        "tenant": _with_unknown(
            {
                "secure_by_default": tenant.secure_by_default,
                "conditional_access_policies": tenant.conditional_access_policies,
                "disabled_filters": _known(tenant.disabled_filters, list),
            }
        ),
        "policies": [
            {"policy": policy} | _policy_json(impact.policies[policy["id"]]) for policy in policies
        ],
    }


def _policy_json(policy: PolicyImpact) -> dict[str, Any]:
    return _with_unknown(
        {
            "actions": _known(policy.actions, lambda actions: [asdict(each) for each in actions]),
            "today": _known(policy.today, _status_json),
        }
    )


def _status_json(status: StatusOverview | None) -> dict[str, Any] | None:
    if status is None:
        return None
    return asdict(status) | {"as_of": _time(status.as_of) if status.as_of else None}


def _known(value: Known[T], write: Callable[[T], object]) -> object:
    return value if isinstance(value, Unknown) else write(value)


def _with_unknown(members: Mapping[str, object]) -> dict[str, Any]:
    unknown = {name: value.reason for name, value in members.items() if isinstance(value, Unknown)}
    shown = {name: None if isinstance(value, Unknown) else value for name, value in members.items()}
    return shown | {"unknown": unknown}


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def impact_of(document: ImpactModel, reach: Mapping[Change, Reach]) -> Impact:
    """Rebuild the impact, with the reach of each change beside it."""
    return Impact(
        read_at=document.read_at,
        tenant=_tenant(document.tenant),
        policies={item.policy.id: _policy(item) for item in document.policies},
        reach=reach,
    )


def reach_of(item: ReachModel) -> Reach:
    """Rebuild the reach of a change."""
    return Reach(
        users=_optional(item.users, "users", item.unknown),
        devices=_optional(item.devices, "devices", item.unknown),
        filter_matches=_optional(item.filter_matches, "filter_matches", item.unknown),
        at_most=_optional(item.at_most, "at_most", item.unknown),
    )


def _tenant(item: TenantImpactModel) -> TenantImpact:
    return TenantImpact(
        _needed(item.secure_by_default, "secure_by_default", item.unknown),
        _needed(item.conditional_access_policies, "conditional_access_policies", item.unknown),
        _needed(item.disabled_filters, "disabled_filters", item.unknown),
    )


def _policy(item: PolicyImpactModel) -> PolicyImpact:
    actions = (
        None
        if item.actions is None
        else tuple(ComplianceAction(each.type, each.after_days) for each in item.actions)
    )
    today = _status(item.today) if item.today else None
    return PolicyImpact(
        _needed(actions, "actions", item.unknown), _optional(today, "today", item.unknown)
    )


def _status(item: StatusModel) -> StatusOverview:
    return StatusOverview(
        item.compliant,
        item.noncompliant,
        item.error,
        item.pending,
        item.not_applicable,
        item.as_of,
    )


def _optional(value: T | None, name: str, unknown: Mapping[str, str]) -> Known[T] | None:
    return Unknown(unknown[name]) if value is None and name in unknown else value


def _needed(value: T | None, name: str, unknown: Mapping[str, str]) -> Known[T]:
    return Unknown(unknown.get(name, "the plan does not say why")) if value is None else value
