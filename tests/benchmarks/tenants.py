"""Tenants of any size: as YAML, as live state in memory, and as a sandbox's tenant file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.model.ports import Directory, GroupSearch
from reconciler.model.state import (
    Assignment,
    AssignmentFilter,
    Filter,
    FilterMode,
    Group,
    LivePolicy,
    LiveState,
    Policy,
    Target,
    TargetKind,
)

TENANT = "7d2f9a54-51d8-4c0e-9b57-0c1f5d6c7a11"
PER_POLICY = 10
FILTERS = 5

_BLOCK_AT_ONCE = {
    "scheduledActionConfigurations": [
        {
            "actionType": "block",
            "gracePeriodHours": 0,
            "notificationTemplateId": "00000000-0000-0000-0000-000000000000",
        }
    ]
}
"""The action that Intune gives to every policy."""


def an_id(kind: int, number: int) -> str:
    return f"{kind:08x}-0000-4000-8000-{number:012x}"


@dataclass(frozen=True)
class Size:
    """So many policies, each with ten declared groups.

    Each ``every``-th policy has changes: six of its groups are live, two live with another filter,
    two new, and one more group is live and undeclared. The other policies are live as declared;
    so are all of them where ``every`` is 0.
    """

    policies: int
    groups: int = 200
    every: int = 1

    def declared(self, policy: int) -> list[int]:
        return [(policy * 7 + step * 13) % self.groups for step in range(PER_POLICY)]

    def live(self, policy: int) -> list[tuple[int, int | None]]:
        """Group and filter of each live assignment."""
        declared = self.declared(policy)
        if not self.is_changed(policy):
            return [(group, policy % FILTERS) for group in declared]
        filters = [policy % FILTERS] * 6 + [(policy + 1) % FILTERS] * 2
        undeclared = (policy * 7 + 1) % self.groups
        extra = [] if undeclared in declared else [(undeclared, None)]
        return [*zip(declared, filters, strict=False), *extra]

    def is_changed(self, policy: int) -> bool:
        """Whether a policy is live in another way than it is declared."""
        return self.every > 0 and policy % self.every == 0


def write_root(size: Size, folder: Path) -> Path:
    """Write the YAML: a file for each twenty policies."""
    folder.mkdir(parents=True)
    limits = "guardrails: {max_creates: 100000, max_updates: 100000}\n"
    (folder / "tenant.yaml").write_text(f"tenant: {TENANT}\nlabel: large\n{limits}")
    for first in range(0, size.policies, 20):
        lines = ["policies:"]
        for policy in range(first, min(first + 20, size.policies)):
            lines += [f"  - name: Policy {policy:05}", "    include:"]
            for group in size.declared(policy):
                lines += [
                    f"      - group: Group {group:05}",
                    f"        filter: {{include: Filter {policy % FILTERS}}}",
                ]
        (folder / f"policies-{first:05}.yaml").write_text("\n".join(lines) + "\n")
    return folder


def live_state(size: Size) -> LiveState:
    """Make what Graph would have reported."""
    found = {}
    for number in range(size.policies):
        policy = Policy(an_id(1, number), f"Policy {number:05}", "classic", None, "windows10")
        found[policy.id] = LivePolicy(
            policy, tuple(_assignment(policy.id, *each) for each in size.live(number))
        )
    return LiveState(found)


def _assignment(policy: str, group: int, filter: int | None) -> Assignment:
    return Assignment(
        f"{policy}_{an_id(2, group)}",
        Target(TargetKind.GROUP, an_id(2, group)),
        None if filter is None else Filter(FilterMode.INCLUDE, an_id(3, filter)),
        "direct",
        json.dumps(_target_json(group, filter)),
    )


def directory(size: Size) -> Directory:
    """Make what the lookups of names would have found."""
    groups = [Group(an_id(2, number), f"Group {number:05}") for number in range(size.groups)]
    filters = {
        an_id(3, number): AssignmentFilter(
            an_id(3, number), f"Filter {number}", "windows10AndLater", "devices"
        )
        for number in range(FILTERS)
    }
    by_name = {group.name: (group,) for group in groups}
    return Directory(GroupSearch({group.id: group for group in groups}, by_name, {}), filters)


def tenant_file(size: Size) -> dict[str, Any]:
    """Write the same tenant in the shape that the sandbox serves."""
    return {
        "organization": {"id": TENANT, "displayName": "Large", "verifiedDomains": []},
        "groups": [
            {"id": an_id(2, number), "displayName": f"Group {number:05}"}
            for number in range(size.groups)
        ],
        "assignmentFilters": [
            {
                "id": an_id(3, number),
                "displayName": f"Filter {number}",
                "platform": "windows10AndLater",
                "assignmentFilterManagementType": "devices",
            }
            for number in range(FILTERS)
        ],
        "deviceCompliancePolicies": [
            {
                "@odata.type": "#microsoft.graph.windows10CompliancePolicy",
                "id": an_id(1, number),
                "displayName": f"Policy {number:05}",
                "assignments": [
                    {
                        "id": f"{an_id(1, number)}_{an_id(2, group)}",
                        "source": "direct",
                        "sourceId": an_id(1, number),
                        "target": _target_json(group, filter),
                    }
                    for group, filter in size.live(number)
                ],
                "scheduledActionsForRule": [_BLOCK_AT_ONCE],
            }
            for number in range(size.policies)
        ],
        "compliancePolicies": [],
    }


def _target_json(group: int, filter: int | None) -> dict[str, Any]:
    return {
        "@odata.type": "#microsoft.graph.groupAssignmentTarget",
        "groupId": an_id(2, group),
        "deviceAndAppManagementAssignmentFilterId": None if filter is None else an_id(3, filter),
        "deviceAndAppManagementAssignmentFilterType": "none" if filter is None else "include",
    }
