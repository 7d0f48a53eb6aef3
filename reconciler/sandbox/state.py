"""The tenant in memory: groups, filters, policies, approvals. Thread-safe; reads and writes its file on request only."""

from __future__ import annotations

import copy
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from reconciler.sandbox.impact_checks import HIDDEN
from reconciler.sandbox.members import count_members
from reconciler.sandbox.tenant_file import (
    OPEN_STATUSES,
    POLICY_LISTS,
    SandboxFileError,
    check_assignments,
    check_tenant,
    read_tenant_file,
    write_tenant_file,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from reconciler.sandbox.checks import JsonObject

__all__ = ["SandboxFileError", "SandboxState"]

_BESIDE_PROPERTIES = ("assignments", "scheduledActionsForRule", "deviceStatusOverview")
"""What a policy shows on request only."""
_REMEMBERED = 20
"""How many earlier sets of each policy are kept, for a reading that lags."""
_NOBODY = "00000000-0000-0000-0000-000000000000"
_DECISIONS = ("approved", "rejected", "cancelled", "expired")


@dataclass(slots=True)
class _Stale:
    assignments: list[JsonObject]
    reads_left: int


class SandboxState:
    """One tenant. `lock` guards it: hold it across a read and the write that depends on it."""

    def __init__(self, tenant: JsonObject) -> None:
        """Take a tenant in the file's shape; ValueError says what is wrong with it."""
        self.lock = threading.RLock()
        self._tenant = check_tenant(copy.deepcopy(tenant))
        self._index = _by_family(self._tenant)
        self._stale: dict[str, _Stale] = {}
        self._earlier: dict[str, deque[list[JsonObject]]] = {}

    @classmethod
    def as_read(cls, tenant: JsonObject) -> Self:
        """Take over a tenant that was read from Graph: what Graph showed is not checked again."""
        state = cls({"organization": {"id": _NOBODY, "displayName": "-"}})
        state._tenant |= tenant
        state._index = _by_family(state._tenant)
        return state

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a tenant file; SandboxFileError where it cannot be used."""
        try:
            return cls(read_tenant_file(path))
        except RecursionError as error:
            raise SandboxFileError(f"{path}: nested too deeply") from error

    def save(self, path: Path) -> None:
        """Write the tenant in one step, in the shape that `load` reads."""
        with self.lock:
            write_tenant_file(path, self._tenant)

    def to_json(self) -> JsonObject:
        """A copy of the whole tenant, in the file's shape."""
        with self.lock:
            return copy.deepcopy(self._tenant)

    @property
    def organization(self) -> JsonObject:
        """The tenant's own record."""
        with self.lock:
            return copy.deepcopy(self._tenant["organization"])

    @property
    def groups(self) -> list[JsonObject]:
        """All groups without their members, in the file's order."""
        with self.lock:
            return [_without(group, "members") for group in self._tenant["groups"]]

    @property
    def filters(self) -> list[JsonObject]:
        """All assignment filters, in the file's order."""
        with self.lock:
            return [
                _without(one, "matches", "badRule") for one in self._tenant["assignmentFilters"]
            ]

    def rule(self, platform: str, rule: str) -> JsonObject | None:
        """The filter of that platform and rule, with `matches` and `badRule` where the file has them."""
        with self.lock:
            for one in self._tenant["assignmentFilters"]:
                if str(one.get("platform")).lower() == platform.lower() and one.get("rule") == rule:
                    return dict(one)
            return None

    def count_members(self, group_id: str, kind: str, *, hidden: bool) -> int | None:
        """How many `users` or `devices` a group has; None where that is not known (`members.py`)."""
        with self.lock:
            return count_members(self._tenant["groups"], group_id, kind, hidden=hidden)

    def part(self, key: str) -> Any:
        """What stands at the top of the file behind `key`, or None."""
        with self.lock:
            return copy.deepcopy(self._tenant.get(key))

    def part_of_policy(self, policy_id: str, key: str) -> Any:
        """What the file holds beside a policy's properties behind `key`, or None."""
        with self.lock:
            return copy.deepcopy(self._known(policy_id).get(key))

    @property
    def withheld_permissions(self) -> tuple[str, ...]:
        """The permissions that the token does not carry; `Member.Read.Hidden` unless the file lists them."""
        withheld = self.part("withheldPermissions")
        return (HIDDEN,) if withheld is None else tuple(withheld)

    def policy_ids(self, family: str) -> list[str]:
        """The ids of all policies of `deviceCompliancePolicies` or `compliancePolicies`, in lower case."""
        with self.lock:
            return list(self._index[family])

    def policy(self, family: str, policy_id: str) -> JsonObject | None:
        """One policy without its assignments, to be read and not changed, or None."""
        with self.lock:
            found = self._index[family].get(policy_id.lower())
            return None if found is None else _without(found, *_BESIDE_PROPERTIES)

    def assignments_of(self, policy_id: str) -> list[JsonObject]:
        """What is really assigned, policy sets included; LookupError for an unknown policy."""
        with self.lock:
            return copy.deepcopy(self._known(policy_id)["assignments"])

    def set_assignments(self, policy_id: str, assignments: Iterable[JsonObject]) -> None:
        """Replace the whole set of a policy, as somebody else might; ValueError for a wrong shape."""
        with self.lock:
            policy = self._known(policy_id)
            changed = {"id": policy["id"], "assignments": copy.deepcopy(list(assignments))}
            check_assignments(changed, f"policy {policy_id}")
            earlier = self._earlier.setdefault(policy_id.lower(), deque(maxlen=_REMEMBERED))
            earlier.appendleft(policy["assignments"])
            policy["assignments"] = changed["assignments"]

    def read_assignments(self, policy_id: str) -> list[JsonObject]:
        """What Graph shows now, to be read and not changed.

        It is the set, or an older one as long as a fault makes readings stale.
        """
        with self.lock:
            stale = self._stale.get(policy_id.lower())
            if stale is None:
                return list(self._known(policy_id)["assignments"])
            stale.reads_left -= 1
            if stale.reads_left <= 0:
                del self._stale[policy_id.lower()]
            return stale.assignments

    def assignments_before(self, policy_id: str, changes: int) -> list[JsonObject]:
        """The set as it was so many changes ago; empty before the first set that is known."""
        with self.lock:
            sets = [
                self._known(policy_id)["assignments"],
                *self._earlier.get(policy_id.lower(), ()),
            ]
            return copy.deepcopy(sets[changes]) if changes < len(sets) else []

    def hold_stale(self, policy_id: str, assignments: list[JsonObject], reads: int) -> None:
        """Let the next `reads` readings of this policy show `assignments`."""
        with self.lock:
            if reads > 0:
                self._stale[policy_id.lower()] = _Stale(copy.deepcopy(assignments), reads)

    @property
    def missing_segments(self) -> tuple[str, ...]:
        """The parts of Graph that this tenant's cloud does not have, such as `compliancePolicies`."""
        with self.lock:
            return tuple(self._tenant["missingSegments"])

    @property
    def approval_form(self) -> str | None:
        """How Multi Admin Approval answers here, or None where it is off."""
        with self.lock:
            access = self._tenant["multiAdminApproval"]
            return None if access is None else str(access["form"])

    @property
    def approvals(self) -> list[JsonObject]:
        """All approval requests, oldest first."""
        with self.lock:
            return copy.deepcopy(self._tenant["operationApprovalRequests"])

    def approval(self, code: str) -> JsonObject | None:
        """One approval request, or None."""
        return next(
            (request for request in self.approvals if request["id"].lower() == code.lower()), None
        )

    def add_approval(self, request: JsonObject) -> None:
        """Queue one more request."""
        with self.lock:
            self._tenant["operationApprovalRequests"].append(copy.deepcopy(request))

    def decide(self, code: str, status: str) -> None:
        """What the other administrator decides: approved, rejected, cancelled; or the time runs out: expired.

        LookupError for an unknown code; ValueError where the request is closed or the status is no decision.
        """
        if status not in _DECISIONS:
            raise ValueError(f"{status!r} is not a decision; there are {', '.join(_DECISIONS)}")
        self._move_approval(code, status)

    def complete_approval(self, code: str) -> None:
        """Mark an approved request as carried out."""
        self._move_approval(code, "completed")

    def _move_approval(self, code: str, status: str) -> None:
        with self.lock:
            for request in self._tenant["operationApprovalRequests"]:
                if request["id"].lower() == code.lower():
                    if request["status"] not in OPEN_STATUSES:
                        raise ValueError(
                            f"the request {code} is {request['status']} and cannot become {status}"
                        )
                    request["status"] = status
                    return
        raise LookupError(f"there is no approval request {code}")

    def _known(self, policy_id: str) -> JsonObject:
        for policies in self._index.values():
            if policy_id.lower() in policies:
                return policies[policy_id.lower()]
        raise LookupError(f"there is no policy {policy_id}")


def _by_family(tenant: JsonObject) -> dict[str, dict[str, JsonObject]]:
    """Every policy by its list and its id in lower case."""
    return {
        family: {policy["id"].lower(): policy for policy in tenant[family]}
        for family in POLICY_LISTS
    }


def _without(entity: JsonObject, *keys: str) -> JsonObject:
    return {key: value for key, value in entity.items() if key not in keys}
