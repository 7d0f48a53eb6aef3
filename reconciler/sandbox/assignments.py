"""What a write does to a policy's assignments: the set before and a body give the set after, or a refusal. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.sandbox.errors import Refusal, bad_request, intune_refusal
from reconciler.sandbox.targets import (
    FILTER_KEYS,
    checked_target,
    excluded_group,
    included_group,
    key_of,
    kind_of,
    same_target,
)
from reconciler.sandbox.tenant_file import CATALOG

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.sandbox.checks import JsonObject
    from reconciler.sandbox.targets import TargetRules

_TYPES = {
    False: "microsoft.graph.deviceCompliancePolicyAssignment",
    True: "microsoft.graph.deviceManagementConfigurationPolicyAssignment",
}


@dataclass(frozen=True, slots=True)
class PolicySet:
    """One policy and what is assigned at the moment of the write."""

    family: str
    policy_id: str
    assignments: Sequence[JsonObject]

    @property
    def direct(self) -> list[JsonObject]:
        """What somebody assigned to the policy itself."""
        return [assignment for assignment in self.assignments if assignment["source"] == "direct"]

    @property
    def inherited(self) -> list[JsonObject]:
        """What comes from policy sets; no write to the policy touches it ([U] section 2, the careful reading)."""
        return [assignment for assignment in self.assignments if assignment["source"] != "direct"]

    @property
    def assignment_type(self) -> str:
        """The type of one assignment on this family of policies ([D] section 4)."""
        return _TYPES[self.family == CATALOG]


def assigned(policy: PolicySet, body: object, rules: TargetRules) -> list[JsonObject]:
    """The set after `assign`, which replaces everything direct ([O] section 2)."""
    if not isinstance(body, dict):
        raise bad_request("The body of 'assign' must be a JSON object.")
    foreign = sorted(set(body) - {"assignments"})
    if foreign:
        raise bad_request(
            f"The parameter '{foreign[0]}' in the request payload is not a valid parameter of 'assign'."
        )
    entries = body.get("assignments")
    if not isinstance(entries, list):
        # What the service does with a missing list is not known ([U] section 2): never let a client try.
        raise bad_request("The parameter 'assignments' must be a list.")
    direct = [_assignment(policy, entry, rules) for entry in entries]
    direct = _without_overridden_exclusions(direct)
    _refuse_repeats(direct)
    return [*policy.inherited, *direct]


def created(policy: PolicySet, body: object, rules: TargetRules) -> JsonObject:
    """The assignment that the documented POST adds ([D] section 1)."""
    entry = _entry(policy, body, rules)
    if not rules.beta:
        # The reference page's body: both types are written out.
        if "@odata.type" not in entry:
            raise bad_request("The assignment must state its '@odata.type'.")
        if "@odata.type" not in _target(entry):
            raise bad_request("The target must state its '@odata.type'.")
    new = _built(policy, checked_target(_target(entry), rules))
    if _marks(new) & {mark for assignment in policy.direct for mark in _marks(assignment)}:
        raise Refusal(409, "Conflict", f"An assignment with the id {new['id']} exists already.")
    return new


def updated(policy: PolicySet, assignment_id: str, body: object, rules: TargetRules) -> JsonObject:
    """The assignment after the documented PATCH: its filter may change, its kind and object may not."""
    before = _existing(policy, assignment_id)
    target = checked_target(_target(_entry(policy, body, rules)), rules)
    if (kind_of(target), key_of(target)) != (kind_of(before["target"]), key_of(before["target"])):
        raise intune_refusal(
            400, "The kind and the object of an assignment's target cannot change."
        )
    return {**before, "target": target}


def without(policy: PolicySet, assignment_id: str) -> list[JsonObject]:
    """The set after the documented DELETE."""
    gone = _existing(policy, assignment_id)
    return [assignment for assignment in policy.assignments if assignment is not gone]


def with_replaced(policy: PolicySet, changed: JsonObject) -> list[JsonObject]:
    """The set with one direct assignment replaced by the one of the same id."""
    old = _existing(policy, changed["id"])
    return [changed if assignment is old else assignment for assignment in policy.assignments]


def _existing(policy: PolicySet, assignment_id: str) -> JsonObject:
    for assignment in policy.direct:
        if assignment["id"].lower() == assignment_id.lower():
            return assignment
    raise intune_refusal(404, f"No assignment has the id {assignment_id}")


def _entry(policy: PolicySet, entry: object, rules: TargetRules) -> JsonObject:
    if not isinstance(entry, dict):
        raise bad_request("An assignment must be a JSON object.")
    known = {"@odata.type", "id", "target"} | ({"source", "sourceId"} if rules.beta else set())
    # A property that Graph shows beside the target is one that it takes back.
    known |= {name for live in policy.direct if rules.beta for name in live}
    foreign = sorted(set(entry) - known)
    if foreign:
        raise bad_request(
            f"The property '{foreign[0]}' does not exist on type '{policy.assignment_type}'."
        )
    stated = entry.get("@odata.type", policy.assignment_type)
    if str(stated).removeprefix("#").lower() != policy.assignment_type.lower():
        raise bad_request(f"The type '{stated}' is not '{policy.assignment_type}'.")
    return entry


def _target(entry: JsonObject) -> JsonObject:
    target = entry.get("target")
    if not isinstance(target, dict):
        raise bad_request("An assignment needs a 'target' that is an object.")
    return target


def _assignment(policy: PolicySet, entry: object, rules: TargetRules) -> JsonObject:
    checked = _entry(policy, entry, rules)
    target = _target(checked)
    _refuse_foreign_source(policy, checked.get("source"), target)
    if not rules.beta and any(key in target for key in FILTER_KEYS):
        return _built(
            policy, checked_target(target, rules)
        )  # refuses: v1.0 has no such properties ([D] section 3)
    # A target that is live already stays exactly as it is, of whatever type it may be.
    for live in policy.direct:
        if same_target(live["target"], target):
            return live
    return _built(policy, checked_target(target, rules))


def _refuse_foreign_source(policy: PolicySet, source: object, target: JsonObject) -> None:
    if source in (None, "direct"):
        return
    if source != "policySets":
        raise bad_request(f"The value '{source}' is not a source of assignments.")
    inherited = any(same_target(live["target"], target) for live in policy.inherited)
    why = "belongs to a policy set" if inherited else "is in no policy set"
    raise intune_refusal(400, f"An assignment that {why} cannot be assigned to the policy.")


def _built(policy: PolicySet, target: JsonObject) -> JsonObject:
    return {
        "id": f"{policy.policy_id}_{key_of(target)}",
        "source": "direct",
        "sourceId": policy.policy_id,
        "target": target,
    }


def _without_overridden_exclusions(direct: Sequence[JsonObject]) -> list[JsonObject]:
    """Drop the exclusion of a group that is included too: Graph accepts it without an error ([O] section 2)."""
    included = {included_group(one["target"]) for one in direct} - {None}
    return [one for one in direct if excluded_group(one["target"]) not in included]


def _refuse_repeats(direct: Iterable[JsonObject]) -> None:
    # Reports contradict each other on what the service does here ([O] section 2).
    seen: set[str] = set()
    for assignment in direct:
        marks = _marks(assignment)
        if marks & seen:
            raise intune_refusal(400, f"The target of {assignment['id']} appears twice in the set.")
        seen |= marks


def _marks(assignment: JsonObject) -> set[str]:
    """What no second assignment of the set may share.

    The key tells a plain repeat; the id covers types of which no more is known.
    """
    key = key_of(assignment["target"])
    return {assignment["id"].lower()} | (set() if key is None else {key})
