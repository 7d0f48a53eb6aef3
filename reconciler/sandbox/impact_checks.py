"""Check what a tenant file holds for a plan's impact: members, matches, actions, overviews, settings. Pure.

All of it may be left out. What is left out is refused with 403 when it is asked for: 0 would be wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.sandbox.checks import (
    check_choices,
    check_flag,
    check_number,
    entries_at,
    guid_at,
    moment_at,
    object_at,
    text_at,
)

if TYPE_CHECKING:
    from reconciler.sandbox.checks import JsonObject

MEMBER_KINDS = ("users", "devices")
HIDDEN = "Member.Read.Hidden"
DEVICES = "Device.Read.All"
SETTINGS = "DeviceManagementApps.Read.All"
CONDITIONAL_ACCESS = "Policy.Read.All"
WITHHOLDABLE = (HIDDEN, DEVICES, SETTINGS, CONDITIONAL_ACCESS)
"""The permissions beyond the reader's two that `withheldPermissions` may list (section 12)."""
CONDITIONAL_ACCESS_STATES = ("enabled", "disabled", "enabledForReportingButNotEnforced")
_MAX_GRACE_HOURS = 8760  # [D] deviceComplianceActionItem
_COUNTS = (
    "pendingCount",
    "notApplicableCount",
    "successCount",
    "errorCount",
    "failedCount",
    "conflictCount",
    "notApplicablePlatformCount",
    "configurationVersion",
)


def check_impact(tenant: JsonObject) -> None:
    """Check the parts that stand at the top of the file, and that nested groups exist."""
    _check_nested_groups(tenant)
    if (management := tenant.get("deviceManagement")) is not None:
        _check_device_management(object_at(management, "deviceManagement"))
    if tenant.get("conditionalAccessPolicies") is not None:
        places = entries_at(tenant, "conditionalAccessPolicies", "conditionalAccessPolicies")
        for policy, where in places:
            _check_conditional_access(policy, where)
    if tenant.get("withheldPermissions") is not None:
        check_choices(tenant["withheldPermissions"], "withheldPermissions", WITHHOLDABLE)


def check_members(group: JsonObject, where: str) -> None:
    """Check a group's `members`: users and devices, each a number or ids, and nested groups."""
    if group.get("members") is None:
        return
    members = object_at(group["members"], f"{where}.members")
    known = (*MEMBER_KINDS, "groups")
    if unknown := sorted(members.keys() - set(known)):
        raise ValueError(
            f"{where}.members.{unknown[0]} is not a kind of member; known: {', '.join(known)}"
        )
    for kind, value in members.items():
        place = f"{where}.members.{kind}"
        if isinstance(value, list):
            if any(not isinstance(one, str) or not one for one in value):
                raise ValueError(f"{place} must hold ids that are strings and not empty")
        elif kind == "groups":
            raise ValueError(f"{place} must be a list of ids")
        elif type(value) is not int or value < 0:
            raise ValueError(f"{place} must be a whole number from 0, or a list of ids")


def check_matches(assignment_filter: JsonObject, where: str) -> None:
    """Check what a filter matches, and whether its rule is one that cannot be evaluated."""
    if "matches" in assignment_filter:
        check_number(assignment_filter["matches"], f"{where}.matches")
    if "badRule" in assignment_filter:
        check_flag(assignment_filter["badRule"], f"{where}.badRule")


def check_policy_impact(policy: JsonObject, where: str) -> None:
    """Check a policy's actions for noncompliance and its status overview."""
    if policy.get("scheduledActionsForRule") is not None:
        place = f"{where}.scheduledActionsForRule"
        for rule, rule_place in entries_at(policy, "scheduledActionsForRule", place):
            _check_actions(rule, f"{rule_place}.scheduledActionConfigurations")
    if policy.get("deviceStatusOverview") is not None:
        place = f"{where}.deviceStatusOverview"
        _check_overview(object_at(policy["deviceStatusOverview"], place), place)


def _check_nested_groups(tenant: JsonObject) -> None:
    known = {group["id"].lower() for group in tenant["groups"]}
    for index, group in enumerate(tenant["groups"]):
        for nested in (group.get("members") or {}).get("groups", ()):
            if nested.lower() not in known:
                raise ValueError(f"groups[{index}].members.groups: no group has the id {nested!r}")


def _check_device_management(management: JsonObject) -> None:
    settings = object_at(management.get("settings"), "deviceManagement.settings")
    if "secureByDefault" in settings:
        check_flag(settings["secureByDefault"], "deviceManagement.settings.secureByDefault")


def _check_conditional_access(policy: JsonObject, where: str) -> None:
    guid_at(policy, "id", where)
    text_at(policy, "displayName", where)
    if policy.get("state") not in CONDITIONAL_ACCESS_STATES:
        raise ValueError(f"{where}.state must be one of {', '.join(CONDITIONAL_ACCESS_STATES)}")
    if policy.get("grantControls") is None:
        return
    controls = object_at(policy["grantControls"], f"{where}.grantControls").get("builtInControls")
    if not isinstance(controls, list):
        raise ValueError(f"{where}.grantControls.builtInControls must be a list")  # noqa: TRY004 - a mistake in a file


def _check_actions(rule: JsonObject, where: str) -> None:
    if "scheduledActionConfigurations" not in rule:
        raise ValueError(f"{where} is missing")
    for action, place in entries_at(rule, "scheduledActionConfigurations", where):
        text_at(action, "actionType", place)
        check_number(
            action.get("gracePeriodHours"), f"{place}.gracePeriodHours", at_most=_MAX_GRACE_HOURS
        )


def _check_overview(overview: JsonObject, where: str) -> None:
    for key in _COUNTS:
        if key in overview:
            check_number(overview[key], f"{where}.{key}")
    moment_at(overview, "lastUpdateDateTime", where)
