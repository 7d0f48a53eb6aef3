"""Ask a tenant what the changes of a plan reach (graph.md section 12). Does I/O.

Everything is asked once, side by side, within `IMPACT_SECONDS` in all. Whatever does not come is
`Unknown` with its reason; no failure here is an error, and nothing is ever 0 because it is not known.
The number of requests is bounded (contract section 7): for each 10 groups a ``$batch`` and at most
one more, one call for each filter, for each 10 policies a ``$batch``, and three calls more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from reconciler.graph.client import BatchEntry, GraphClient, Version
from reconciler.graph.encoding import policy_path
from reconciler.graph.impact_answers import (
    LATE,
    read_actions,
    read_conditional_access,
    read_count,
    read_disabled_filters,
    read_match_count,
    read_overview,
    read_secure_by_default,
    unknown_because,
    value_of,
)
from reconciler.graph.parallel import in_parallel_within
from reconciler.graph.responses import GraphResponse
from reconciler.model.errors import Interrupted, ReconcilerError
from reconciler.model.impact import (
    ImpactQuestions,
    ImpactReadings,
    Known,
    MemberCounts,
    PolicyImpact,
    TenantImpact,
    Unknown,
)
from reconciler.model.policy_types import CLASSIC
from reconciler.model.state import AssignmentFilter, Policy
from reconciler.runtime.retry import TransientError

IMPACT_SECONDS = 19.0
"""Seconds in which a reading may begin. One that begins last has a second, so 20 are the limit of all."""

_LAST_SECOND = 1.0

_GROUPS_AT_ONCE = 10
_POLICIES_AT_ONCE = 10
"""Two entries each, so that twenty fill a ``$batch``."""

_ACCEPTS = ("text/plain", "*/*")
"""A count is text/plain, and a wrong Accept is answered with 415 (graph.md section 12). Which one
counts inside a ``$batch`` is not known, so the second is tried where the first is refused."""

_UNSUPPORTED_MEDIA_TYPE = 415

_CONDITIONAL_ACCESS = (
    "identity/conditionalAccess/policies?$select=id,displayName,state,grantControls"
)
_FILTER_STATES = "deviceManagement/assignmentFilters?$select=id,evaluationMode"
_ACTIONS = "?$expand=scheduledActionsForRule($expand=scheduledActionConfigurations)"
_MEMBERS = {
    "users": ("user", "GroupMember.Read.All, or Member.Read.Hidden where members are hidden"),
    "devices": ("device", "Device.Read.All, or Member.Read.Hidden where members are hidden"),
}
"""The type and the permission of each kind of member; which one counting devices needs is not certain."""

_READER = "DeviceManagementConfiguration.Read.All"
_SETTINGS = f"{_READER} or DeviceManagementApps.Read.All"
"""Two sources name two permissions for the settings (graph.md section 12)."""

_OF_SETTINGS_CATALOG = PolicyImpact(
    Unknown("Graph does not show the actions of a settings catalog policy"),
    Unknown("Graph has no status overview of a settings catalog policy"),
)
T = TypeVar("T")


def read_impact(client: GraphClient, questions: ImpactQuestions, now: datetime) -> ImpactReadings:
    """Ask everything. Raises `Interrupted` alone."""
    bounded = client.within(IMPACT_SECONDS)
    reader = _ImpactReader(bounded)
    members = dict.fromkeys(questions.groups, MemberCounts(LATE, LATE))
    matches: dict[str, Known[int]] = {each.id: LATE for each in questions.filters}
    policies = {each.id: PolicyImpact(LATE, LATE) for each in questions.policies}
    secure_by_default: list[Known[bool]] = []
    conditional_access: list[Known[int]] = []
    disabled_filters: list[Known[tuple[str, ...]]] = []

    def count_members(groups: Sequence[str]) -> None:
        members.update(reader.members(groups))

    def count_matches(filter: AssignmentFilter) -> None:
        matches[filter.id] = reader.matches(filter)

    def read_policies(part: Sequence[Policy]) -> None:
        policies.update(reader.policies(part))

    calls: list[Callable[[], None]] = [
        lambda: secure_by_default.append(reader.secure_by_default()),
        lambda: conditional_access.append(reader.conditional_access_policies()),
        lambda: disabled_filters.append(reader.disabled_filters(questions.filters)),
        *(partial(count_members, part) for part in _parts(questions.groups, _GROUPS_AT_ONCE)),
        *(partial(count_matches, each) for each in questions.filters),
        *(partial(read_policies, part) for part in _parts(questions.policies, _POLICIES_AT_ONCE)),
    ]
    # A look-up of a name or a sign-in may hang longer than its request may take.
    seconds = bounded.transport.deadline.remaining() + _LAST_SECOND
    in_parallel_within(seconds, calls, workers=max(client.parallelism, 1))
    tenant = TenantImpact(
        _first(secure_by_default), _first(conditional_access), _first(disabled_filters)
    )
    # Copies, as a call that is late may still end.
    return ImpactReadings(now, dict(members), dict(matches), dict(policies), tenant)


def _first(answers: Sequence[Known[T]]) -> Known[T]:
    return answers[0] if answers else LATE


def _parts(items: Sequence[T], size: int) -> list[Sequence[T]]:
    return [items[at : at + size] for at in range(0, len(items), size)]


class _ImpactReader:
    """The single readings. Each gives its values or `Unknown`, and raises `Interrupted` alone."""

    def __init__(self, client: GraphClient) -> None:
        self._client = client

    def members(self, groups: Sequence[str]) -> dict[str, MemberCounts]:
        """Count the transitive members of at most ten groups."""
        paths = {
            (id, kind): f"groups/{id}/transitiveMembers/microsoft.graph.{segment}/$count"
            for id in groups
            for kind, (segment, _) in _MEMBERS.items()
        }
        found = self._counts(paths, _ACCEPTS[0])
        refused = {key: path for key, path in paths.items() if _wants_another_accept(found[key])}
        if refused:
            found |= self._counts(refused, _ACCEPTS[1])
        counts = {
            key: value_of(response, read_count, needs=_MEMBERS[key[1]][1])
            for key, response in found.items()
        }
        return {id: MemberCounts(counts[id, "users"], counts[id, "devices"]) for id in groups}

    def _counts(
        self, paths: Mapping[tuple[str, str], str], accept: str
    ) -> dict[tuple[str, str], GraphResponse | Unknown]:
        headers = {"ConsistencyLevel": "eventual", "Accept": accept}
        entries = {" ".join(key): BatchEntry(path, headers) for key, path in paths.items()}
        responses = self._batch(Version.V1, entries, "counting the members of groups")
        return {key: responses[" ".join(key)] for key in paths}

    def matches(self, filter: AssignmentFilter) -> Known[int]:
        """Count the devices that match a filter's rule. The first page tells; none is followed."""
        attempted = f'evaluating the filter "{filter.name}"'
        data: dict[str, object] = {
            "platform": filter.platform,
            "rule": filter.rule,
            "top": 1,
            "skip": 0,
            "orderBy": [],
            "search": "",
        }
        response = self._ask(
            Version.BETA,
            "deviceManagement/evaluateAssignmentFilter",
            attempted,
            method="POST",
            body={"data": data},
        )
        return value_of(response, read_match_count, needs=_READER)

    def policies(self, policies: Sequence[Policy]) -> dict[str, PolicyImpact]:
        """Read the actions and the status overview of at most ten policies."""
        classic = [policy for policy in policies if policy.family == CLASSIC.key]
        entries = {
            f"{policy.id} {what}": BatchEntry(f"{policy_path(policy)}{tail}")
            for policy in classic
            for what, tail in (("actions", _ACTIONS), ("today", "/deviceStatusOverview"))
        }
        responses = (
            self._batch(Version.BETA, entries, "reading actions and status of policies")
            if entries
            else {}
        )
        found = {policy.id: _OF_SETTINGS_CATALOG for policy in policies}
        for policy in classic:
            found[policy.id] = PolicyImpact(
                value_of(responses[f"{policy.id} actions"], read_actions, needs=_READER),
                value_of(responses[f"{policy.id} today"], read_overview, needs=_READER),
            )
        return found

    def secure_by_default(self) -> Known[bool]:
        """Read whether a device without any compliance policy counts as not compliant."""
        response = self._ask(Version.BETA, "deviceManagement/settings", "reading the settings")
        return value_of(response, read_secure_by_default, needs=_SETTINGS)

    def conditional_access_policies(self) -> Known[int]:
        """Count the enabled Conditional Access policies that require a compliant device."""
        response = self._ask(Version.V1, _CONDITIONAL_ACCESS, "reading Conditional Access policies")
        return value_of(response, read_conditional_access, needs="Policy.Read.All")

    def disabled_filters(self, filters: Sequence[AssignmentFilter]) -> Known[tuple[str, ...]]:
        """Find the filters whose evaluation is off."""
        if not filters:
            return ()
        response = self._ask(Version.BETA, _FILTER_STATES, "reading the states of filters")
        asked = {each.id for each in filters}
        return value_of(response, partial(read_disabled_filters, asked=asked), needs=_READER)

    def _ask(
        self, version: Version, path: str, attempted: str, **request: Any
    ) -> GraphResponse | Unknown:
        url = self._client.url(version, path)
        return self._or_unknown(
            partial(self._client.transport.ask, url, attempted=attempted, **request)
        )

    def _batch(
        self, version: Version, entries: Mapping[str, BatchEntry], attempted: str
    ) -> Mapping[str, GraphResponse | Unknown]:
        responses = self._or_unknown(
            partial(self._client.ask_batch, version, entries, attempted=attempted)
        )
        return dict.fromkeys(entries, responses) if isinstance(responses, Unknown) else responses

    def _or_unknown(self, call: Callable[[], T]) -> T | Unknown:
        """Make a call, and take every failure for an unknown answer."""
        try:
            return call()
        except Interrupted:
            raise
        except (TransientError, ReconcilerError) as fault:
            if self._client.transport.deadline.remaining() <= 0:
                return LATE
            return unknown_because(fault.error if isinstance(fault, TransientError) else fault)


def _wants_another_accept(response: GraphResponse | Unknown) -> bool:
    return not isinstance(response, Unknown) and response.status == _UNSUPPORTED_MEDIA_TYPE
