"""What the tenant itself answers about the people and devices that a plan reaches. Pure.

A number is a bound and never a forecast: members of a group are not enrolled devices, and filters are
evaluated when a device checks in. A number that could not be had is `Unknown` with its reason; it is never 0.
Nothing of this decides what apply does, and nothing of it is in the digest (contract section 7).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias, TypeVar

from reconciler.model.diagnostics import Location
from reconciler.model.plan import Change
from reconciler.model.state import AssignmentFilter, Policy


@dataclass(frozen=True, slots=True)
class Unknown:
    """In place of a value that could not be had; ``reason`` is a short text without a full stop."""

    reason: str


LARGEST_COUNT = 2**53 - 1
"""The largest whole number that every reader of JSON keeps exactly. No count is larger."""

T = TypeVar("T")
Known: TypeAlias = T | Unknown
"""A value that the tenant answered, or why there is none."""


@dataclass(frozen=True, slots=True)
class MemberCounts:
    """The transitive members of one group, counted apart."""

    users: Known[int]
    devices: Known[int]


@dataclass(frozen=True, slots=True)
class Reach:
    """Whom one change concerns: as it stands after the change, for a delete as it stands before.

    A member is None where it does not apply to this target. ``users`` and ``devices`` are the transitive
    members of the group. ``filter_matches`` counts the devices of the tenant that match the filter in use,
    whatever its mode. ``at_most`` is an upper bound in devices; None where nothing bounds it, as a user
    brings any number of devices. For an exclusion it bounds what is left out.
    """

    users: Known[int] | None = None
    devices: Known[int] | None = None
    filter_matches: Known[int] | None = None
    at_most: Known[int] | None = None

    @property
    def unknown(self) -> Mapping[str, str]:
        """The reason of each member that could not be had, by the name of the member."""
        members = {
            "users": self.users,
            "devices": self.devices,
            "filter_matches": self.filter_matches,
            "at_most": self.at_most,
        }
        return {name: value.reason for name, value in members.items() if isinstance(value, Unknown)}


@dataclass(frozen=True, slots=True)
class ComplianceAction:
    """An action for noncompliance.

    ``type`` is Graph's deviceComplianceActionType, for example ``block``; ``after_days`` are the days
    of grace, 0 for at once (12 hours are 0.5).
    """

    type: str
    after_days: float

    @property
    def blocks_at_once(self) -> bool:
        """Whether a device counts as not compliant as soon as it is found to be so."""
        return self.type.casefold() == "block" and self.after_days == 0


@dataclass(frozen=True, slots=True)
class StatusOverview:
    """How many devices have each state of a policy; ``as_of`` is Graph's own time, None where it gives none.

    It lags by up to 24 hours (graph.md section 12).
    """

    compliant: int
    noncompliant: int
    error: int
    pending: int
    not_applicable: int
    as_of: datetime | None


@dataclass(frozen=True, slots=True)
class PolicyImpact:
    """The consequence of not complying with one changed policy, and how it does today.

    ``today`` is None where no device reports on the policy: "no data".
    """

    actions: Known[tuple[ComplianceAction, ...]]
    today: Known[StatusOverview | None]

    @property
    def blocks_at_once(self) -> bool:
        """Whether it is known to block at once."""
        actions = self.actions
        return not isinstance(actions, Unknown) and any(a.blocks_at_once for a in actions)


@dataclass(frozen=True, slots=True)
class TenantImpact:
    """What decides in the whole tenant what noncompliance means.

    ``secure_by_default`` is true where a device without any compliance policy counts as not
    compliant. ``conditional_access_policies`` counts the enabled ones that require a compliant
    device. ``disabled_filters`` are the ids of the filters in the changes whose evaluation is off.
    """

    secure_by_default: Known[bool]
    conditional_access_policies: Known[int]
    disabled_filters: Known[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class ImpactQuestions:
    """What a tenant is asked about a plan: each group, filter and policy once, in the plan's order."""

    groups: tuple[str, ...]
    """Ids of the groups whose members are counted."""
    filters: tuple[AssignmentFilter, ...]
    """The filters whose matches are counted; each has a rule and a platform."""
    policies: tuple[Policy, ...]
    """The policies that change."""


@dataclass(frozen=True, slots=True)
class ImpactReadings:
    """Everything that was asked: groups and filters by id, policies by id."""

    read_at: datetime
    members: Mapping[str, MemberCounts]
    filter_matches: Mapping[str, Known[int]]
    policies: Mapping[str, PolicyImpact]
    tenant: TenantImpact


@dataclass(frozen=True, slots=True)
class Impact:
    """The impact of a plan: a reach per change, and a `PolicyImpact` per id of a changed policy."""

    read_at: datetime
    tenant: TenantImpact
    policies: Mapping[str, PolicyImpact]
    reach: Mapping[Change, Reach]


class RiskLevel(StrEnum):
    """How carefully a plan wants to be read. It decides nothing by itself."""

    ROUTINE = "routine"
    REVIEW = "review"
    DANGEROUS = "dangerous"


@dataclass(frozen=True, slots=True)
class RiskReason:
    """One thing that decided the level; ``policy`` is the name of the policy concerned."""

    code: str
    policy: str
    message: str
    declared_at: Location | None


@dataclass(frozen=True, slots=True)
class Risk:
    """The level of a plan, and what decided it: the reasons of that level alone, the worst first."""

    level: RiskLevel
    reasons: tuple[RiskReason, ...] = ()
