"""Say in YAML's terms what a live policy is assigned to, and what of it YAML cannot say. No I/O.

The law of `import`: a plan right after it is empty. So everything here leans to the safe side. A name
is written where it leads to one object and nothing else; otherwise the id stands beside it. What cannot be
declared becomes a comment. Where such an assignment is a direct one, the policy is additive, as an
authoritative one would remove it.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from reconciler.loader.policy_writer import WrittenPolicy, WrittenReference, WrittenTarget
from reconciler.model.identifiers import is_guid
from reconciler.model.plan import Key, key_of
from reconciler.model.ports import Directory
from reconciler.model.state import (
    KIND_ORDER,
    Assignment,
    LivePolicy,
    Ownership,
    Policy,
    Target,
    TargetKind,
)

_MAX_NAME = 256
_UNWRITABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
_MISREAD = re.compile(r"all[ _-]?(users|devices)", re.IGNORECASE)
"""Names of groups that read as if everybody were meant; the id beside them tells a reviewer."""

_TARGET_TYPES = frozenset({"user", "device"})


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An assignment that YAML cannot declare, and why. ``is_direct``: not from a policy set."""

    what: str
    reason: str
    is_direct: bool

    def __str__(self) -> str:
        """One sentence for the comment and the summary."""
        return f"not declared: {self.what}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Imported:
    """A live policy, how it is written, and what is left out of that.

    ``written`` is None where nothing of the policy can be declared. ``assignments`` counts those
    that are written.
    """

    policy: Policy
    written: WrittenPolicy | None
    assignments: int = 0
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class _UniqueNames:
    """What the tenant's names lead to, so that a name is written only where it leads to one object.

    ``platforms`` has the platforms of all policies of a name, in lower case, "" where unknown.
    """

    platforms: Mapping[str, list[str]]
    by_id_alone: Collection[str]
    filters: Counter[str]
    directory: Directory

    def group_is_unique(self, name: str) -> bool:
        same = [each for each in self.directory.groups.by_name.get(name, ()) if each.name == name]
        return len(same) == 1


@dataclass(slots=True)
class _Sides:
    """The written lines of one policy while they are collected."""

    include: list[WrittenTarget] = field(default_factory=list)
    exclude: list[WrittenTarget] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def import_policies(
    chosen: Iterable[LivePolicy],
    everything: Iterable[LivePolicy],
    directory: Directory,
    *,
    default: Ownership,
    ownership: Ownership | None,
    by_id_alone: Collection[str] = (),
) -> tuple[Imported, ...]:
    """Write each of the chosen policies, in order of name, then id.

    ``everything`` are all policies of the tenant: a name is unique among them or not.
    ``directory.groups`` must have been asked for every assigned group by id and by name. ``default`` is the root's
    ownership and ``ownership`` what the new policies are to have, None for the root's. ``by_id_alone``
    are ids of policies whose names cannot be used.
    """
    platforms: dict[str, list[str]] = defaultdict(list)
    for live in everything:
        platforms[live.policy.name].append((live.policy.platform or "").casefold())
    names = _UniqueNames(
        platforms=platforms,
        by_id_alone=frozenset(by_id_alone),
        filters=Counter(each.name for each in directory.filters.values()),
        directory=directory,
    )
    ordered = sorted(chosen, key=lambda live: live.policy.sort_key)
    return tuple(_import(live, names, default, ownership) for live in ordered)


def _import(
    live: LivePolicy, names: _UniqueNames, default: Ownership, ownership: Ownership | None
) -> Imported:
    sides = _Sides()
    excluded_twice = _undecidable(live)
    for assignment in sorted(live.assignments, key=lambda each: _order(each, names)):
        _add(assignment, excluded_twice.get(key_of(assignment.target)), names, sides)
    count = len(sides.include) + len(sides.exclude)
    left_out = tuple(sides.left_out)
    if not count:
        return Imported(live.policy, None, 0, left_out)
    reference, platform = _policy_reference(live.policy, names)
    wanted = ownership or default
    if wanted is Ownership.AUTHORITATIVE and any(each.is_direct for each in left_out):
        wanted = Ownership.ADDITIVE
    written = WrittenPolicy(
        reference,
        platform,
        wanted if wanted is not default else None,
        tuple(sides.include),
        tuple(sides.exclude),
        tuple(map(str, left_out)),
    )
    return Imported(live.policy, written, count, left_out)


def _order(assignment: Assignment, names: _UniqueNames) -> tuple[int, str, str, str]:
    """Broad targets first, then groups by name, so that a reviewer finds a line."""
    target = assignment.target
    group = names.directory.groups.by_id.get(target.id or "")
    return KIND_ORDER[target.kind], group.name if group else "", target.id or "", assignment.id


def _undecidable(live: LivePolicy) -> Mapping[Key, str]:
    """Targets that stand twice, or on both sides: YAML refuses both."""
    reasons: dict[Key, str] = {}
    direct = Counter(key_of(a.target) for a in live.assignments if a.is_direct)
    for key, count in direct.items():
        if count > 1:
            reasons[key] = "it is assigned twice; remove one of the two in Intune"
        kind, object_id, rest = key
        opposite = (TargetKind.EXCLUSION_GROUP.value, object_id, rest)
        if kind == TargetKind.GROUP and opposite in direct:
            reasons[key] = reasons[opposite] = "the group is included and excluded"
    return reasons


def _add(assignment: Assignment, refused: str | None, names: _UniqueNames, sides: _Sides) -> None:
    reason = refused or _why_not(assignment, names)
    if reason is not None:
        what = _described(assignment, names)
        sides.left_out.append(LeftOut(what, reason, assignment.is_direct))
        return
    target = _written_target(assignment, names)
    is_exclusion = assignment.target.kind is TargetKind.EXCLUSION_GROUP
    (sides.exclude if is_exclusion else sides.include).append(target)


def _why_not(assignment: Assignment, names: _UniqueNames) -> str | None:
    """Why an assignment cannot be declared; None where it can."""
    if not assignment.is_direct:
        from_set = assignment.source.casefold() == "policysets"
        return "it comes from a policy set" if from_set else f"its source is {assignment.source}"
    return _why_not_target(assignment.target, names) or _why_not_filter(assignment, names)


def _why_not_target(target: Target, names: _UniqueNames) -> str | None:
    match target.kind:
        case TargetKind.OPAQUE:
            return "this type of target is unknown to the program"
        case TargetKind.GROUP | TargetKind.EXCLUSION_GROUP:
            is_known = (target.id or "") in names.directory.groups.by_id
            return None if is_known else "the group no longer exists in Microsoft Entra"
        case TargetKind.SCOPE_TAG_GROUP:
            is_known = target.target_type in _TARGET_TYPES
            return None if is_known else f"its target type is {target.target_type or 'empty'}"
        case TargetKind.COLLECTION:
            is_known = _is_writable(target.name or target.id or "")
            return None if is_known else "its id cannot be written in YAML"
        case TargetKind.ALL_DEVICES | TargetKind.ALL_USERS:
            return None


def _why_not_filter(assignment: Assignment, names: _UniqueNames) -> str | None:
    filter = assignment.filter
    if filter is None:
        return None
    if assignment.target.kind is TargetKind.EXCLUSION_GROUP:
        return "an exclusion with a filter cannot be declared"
    return None if filter.id in names.directory.filters else "its filter no longer exists"


def _described(assignment: Assignment, names: _UniqueNames) -> str:
    target = assignment.target
    match target.kind:
        case TargetKind.ALL_DEVICES:
            return "include all devices"
        case TargetKind.ALL_USERS:
            return "include all users"
        case TargetKind.OPAQUE:
            return f"{target.odata_type or 'a target without type'} (assignment {assignment.id})"
        case TargetKind.GROUP | TargetKind.EXCLUSION_GROUP:
            side = "include" if target.kind is TargetKind.GROUP else "exclude"
            group = names.directory.groups.by_id.get(target.id or "")
            return f'{side} group "{group.name}"' if group else f"{side} group {target.id}"
        case TargetKind.COLLECTION | TargetKind.SCOPE_TAG_GROUP:
            return f"include {target.kind.value.replace('_', ' ')} {target.id}"


def _written_target(assignment: Assignment, names: _UniqueNames) -> WrittenTarget:
    target, filter = assignment.target, assignment.filter
    mode = filter.mode if filter else None
    filter_reference = _filter_reference(filter.id, names) if filter else None
    return WrittenTarget(*_key_and_value(target, names), mode, filter_reference)


def _key_and_value(
    target: Target, names: _UniqueNames
) -> tuple[str, WrittenReference | str | tuple[str, str] | None]:
    match target.kind:
        case TargetKind.COLLECTION:
            return "collection", target.name or target.id or ""
        case TargetKind.SCOPE_TAG_GROUP:
            return "scope_tag_group", (target.target_type or "", target.id or "")
        case TargetKind.GROUP | TargetKind.EXCLUSION_GROUP:
            return "group", _group_reference(target.id or "", names)
        case _:
            return target.kind.value, None


def _group_reference(group_id: str, names: _UniqueNames) -> WrittenReference:
    name = names.directory.groups.by_id[group_id].name
    if not _is_writable(name):
        return WrittenReference(None, group_id, "its name cannot be written in YAML")
    if not names.group_is_unique(name):
        return WrittenReference(name, group_id, "several groups have this name")
    if is_guid(name) or _MISREAD.fullmatch(name):
        return WrittenReference(name, group_id, "the name alone could be misread")
    return WrittenReference(name)


def _filter_reference(filter_id: str, names: _UniqueNames) -> WrittenReference:
    name = names.directory.filters[filter_id].name
    if not _is_writable(name):
        return WrittenReference(None, filter_id, "the filter's name cannot be written in YAML")
    if names.filters[name] > 1:
        return WrittenReference(name, filter_id, "several filters have this name")
    if is_guid(name):
        return WrittenReference(name, filter_id, "the filter's name alone could be misread")
    return WrittenReference(name)


def _policy_reference(policy: Policy, names: _UniqueNames) -> tuple[WrittenReference, str | None]:
    """Name the policy; where others have its name, by platform if that tells all of them apart.

    Else it is named by its id alone: beside another declaration of the same name, a name would be
    taken for a second declaration of one policy.
    """
    if not _is_writable(policy.name):
        return WrittenReference(None, policy.id, "its name cannot be written in YAML"), None
    platforms = names.platforms[policy.name]
    if policy.id not in names.by_id_alone:
        if len(platforms) == 1:
            return WrittenReference(policy.name), None
        if "" not in platforms and len(set(platforms)) == len(platforms):
            return WrittenReference(policy.name), policy.platform
    return WrittenReference(None, policy.id, f'"{policy.name}"'), None


def _is_writable(name: str) -> bool:
    return bool(name.strip()) and len(name) <= _MAX_NAME and not any(_controls(name))


def _controls(name: str) -> Iterator[str]:
    return (each for each in name if unicodedata.category(each) in _UNWRITABLE)
