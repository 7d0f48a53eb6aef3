"""Tenants in the sandbox's shape, and roots that declare for them. No test stands here."""

from __future__ import annotations


def guid(kind, number=0):
    """A readable id: one digit for the kind, then a number."""
    return f"{kind}{kind}{kind}{kind}{kind}{kind}{kind}{kind}-aaaa-4aaa-8aaa-{number:012d}"


POLICY_SET = guid(5)
KIOSKS, CORPORATE = guid(4, 1), guid(4, 2)
_FILTER_ID = "deviceAndAppManagementAssignmentFilterId"
_FILTER_TYPE = "deviceAndAppManagementAssignmentFilterType"


def group(number):
    return guid(3, number)


def policy_id(number):
    return guid(1, number)


LINUX = guid(2, 1)


def target(kind, group_id=None, *, mode="none", filter_id=None):
    """A target as beta shows it."""
    built = {
        "@odata.type": f"#microsoft.graph.{kind}AssignmentTarget",
        _FILTER_ID: filter_id,
        _FILTER_TYPE: mode,
    }
    return built if group_id is None else {**built, "groupId": group_id}


def opaque(number):
    """A target of a type that the program does not know, with more than it could guess."""
    return {
        "zeta": {"b": 1, "a": [2, {"d": None, "c": "Ü"}]},
        "@odata.type": "#microsoft.graph.androidFotaDeploymentAssignmentTarget",
        "groupId": group(number),
        _FILTER_TYPE: "none",
        _FILTER_ID: None,
    }


def live(policy, built, *, source="direct", key=None):
    """An assignment as beta shows it."""
    key = key or built.get("groupId") or built["@odata.type"]
    return {
        "id": f"{policy}_{key}",
        "source": source,
        "sourceId": policy if source == "direct" else POLICY_SET,
        "target": built,
    }


TENANT = "7d2f9a54-51d8-4c0e-9b57-0c1f5d6c7a11"


def tenant(policies, *, linux=(), groups=20, approval=None):
    """A tenant in the sandbox's shape: policies by number, each with its targets or assignments."""

    def assignments(own_id, given):
        return [one if "target" in one else live(own_id, one) for one in given]

    return {
        "organization": {
            "id": TENANT,
            "displayName": "Contoso",
            "verifiedDomains": [{"name": "contoso.example"}],
        },
        "groups": [
            {"id": group(number), "displayName": f"Group {number}"} for number in range(1, groups)
        ],
        "assignmentFilters": [
            {
                "id": KIOSKS,
                "displayName": "Kiosks",
                "platform": "windows10AndLater",
                "assignmentFilterManagementType": "devices",
            },
            {
                "id": CORPORATE,
                "displayName": "Corporate",
                "platform": "windows10AndLater",
                "assignmentFilterManagementType": "devices",
            },
        ],
        "deviceCompliancePolicies": [
            {
                "@odata.type": "#microsoft.graph.windows10CompliancePolicy",
                "id": policy_id(number),
                "displayName": f"Policy {number}",
                "assignments": assignments(policy_id(number), given),
            }
            for number, given in sorted(policies.items())
        ],
        "compliancePolicies": [
            {
                "id": LINUX,
                "name": "Linux",
                "platforms": "linux",
                "assignments": assignments(LINUX, linux),
            }
        ],
        **({"multiAdminApproval": {"form": approval}} if approval else {}),
    }


def with_figures(
    document, *, members=None, matches=None, withheld=None, block_after=24, secure_by_default=False
):
    """Give a tenant what a plan's impact is read from; what is already there stays.

    `members` maps group numbers to what the tenant file holds (``{"users": 3, "devices": 0}``), None
    to nothing; each other group has ten devices. `matches` maps filter ids to numbers, None to
    nothing; each other filter matches 100 devices. Every classic policy blocks after `block_after`
    hours, and has 90 compliant devices and 10 that are not. One Conditional Access policy of two is
    enabled and requires a compliant device.
    """
    members = {group(number): value for number, value in (members or {}).items()}
    for one in document["groups"]:
        _hold(one, "members", members.get(one["id"], {"users": 0, "devices": 10}))
    for one in document["assignmentFilters"]:
        one.setdefault("rule", f'(device.category -eq "{one["displayName"]}")')
        _hold(one, "matches", (matches or {}).get(one["id"], 100))
    for policy in document["deviceCompliancePolicies"]:
        policy.setdefault("scheduledActionsForRule", [actions(("block", block_after))])
        policy.setdefault("deviceStatusOverview", overview(compliant=90, noncompliant=10))
    return {
        "deviceManagement": {"settings": {"secureByDefault": secure_by_default}},
        "conditionalAccessPolicies": [
            {
                "id": guid(6, number),
                "displayName": f"Require a compliant device {number}",
                "state": state,
                "grantControls": {"operator": "OR", "builtInControls": ["compliantDevice"]},
            }
            for number, state in enumerate(("enabled", "enabledForReportingButNotEnforced"))
        ],
        **({} if withheld is None else {"withheldPermissions": withheld}),
        **document,
    }


def actions(*pairs):
    """A policy's rule, with its actions for noncompliance and the hours before each."""
    configurations = [{"actionType": kind, "gracePeriodHours": hours} for kind, hours in pairs]
    return {"ruleName": "PasswordRequired", "scheduledActionConfigurations": configurations}


def overview(*, compliant, noncompliant, at="2026-11-24T16:08:00Z"):
    """How a policy does, as Graph shows it."""
    return {
        "pendingCount": 0,
        "notApplicableCount": 0,
        "successCount": compliant,
        "errorCount": 0,
        "failedCount": noncompliant,
        "lastUpdateDateTime": at,
    }


def _hold(entity, key, value):
    if value is not None:
        entity.setdefault(key, value)


def declare(folder, policies, *, writes="auto", ownership="additive", limits=200, domain=TENANT):
    """Write a tenant root: per policy name, the YAML lines below ``include`` and ``exclude``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tenant.yaml").write_text(
        f"tenant: {domain}\nlabel: test\nownership: {ownership}\nwrites: {writes}\n"
        f"guardrails: {{max_creates: {limits}, max_updates: {limits}, max_deletes: {limits}, "
        "broad_targets: allow}\n"
    )
    lines = ["policies:"]
    for name, sides in policies.items():
        lines.append(f"  - name: {name}")
        for side in ("include", "exclude"):
            entries = sides.get(side) if isinstance(sides, dict) else sides
            if side == "exclude" and not isinstance(sides, dict):
                continue
            if entries is None:
                continue
            lines.append(f"    {side}:" if entries else f"    {side}: []")
            lines += [f"      - {entry}" for entry in entries]
    (folder / "policies.yaml").write_text("\n".join(lines) + "\n")
    return folder


def targets_of(app, own_id):
    """What is directly assigned, by group (or type), to its filter."""
    return {
        (
            one["target"]["@odata.type"].split(".")[-1].removesuffix("AssignmentTarget"),
            one["target"].get("groupId"),
        ): (one["target"].get(_FILTER_TYPE), one["target"].get(_FILTER_ID))
        for one in app.state.assignments_of(own_id)
        if one["source"] == "direct"
    }
