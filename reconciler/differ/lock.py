"""Hold the names of the files against the lock: a name may not lead elsewhere unnoticed. Pure.

A group can be deleted and created again, or renamed while another one takes its name. Its name then
leads to other people, and no file has changed. The lock keeps the ids from the last review. This module
finds what each name leads to now, and compares.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.model.diagnostics import Diagnostic, error
from reconciler.model.lock import Lock, LockedKind, LockedObject
from reconciler.model.ports import Directory
from reconciler.model.state import DesiredPolicy, DesiredState, LiveState, Reference

_WORDS = {
    LockedKind.GROUPS: "group",
    LockedKind.FILTERS: "filter",
    LockedKind.POLICIES: "policy",
}
LOCK_MISMATCH = "lock-mismatch"
"""The code of a name that leads elsewhere than the lock says."""

_RENEW = "if this is right, review it and write the lock anew with: reconciler lock"


@dataclass(frozen=True, slots=True)
class _Use:
    """A name as a file uses it. ``policy`` is whose entry it is; ``platform`` is for policies."""

    kind: LockedKind
    name: str
    reference: Reference
    policy: str
    platform: str | None = None


class _NamesNow:
    """What names lead to in the tenant, now."""

    def __init__(self, live: LiveState, directory: Directory) -> None:
        self._ids: dict[tuple[LockedKind, str], set[str]] = defaultdict(set)
        for group in directory.groups.by_id.values():
            self._ids[LockedKind.GROUPS, group.name].add(group.id)
        for each in directory.filters.values():
            self._ids[LockedKind.FILTERS, each.name].add(each.id)
        self._platforms: dict[str, str] = {}
        for policy in live:
            self._ids[LockedKind.POLICIES, policy.policy.name].add(policy.policy.id)
            self._platforms[policy.policy.id] = policy.policy.platform or ""

    def lead_to(self, use: _Use) -> str | None:
        """The one id that a use leads to; None where resolving it is an error by itself."""
        ids = self._ids.get((use.kind, use.name), set())
        if use.reference.id is not None:
            return use.reference.id if use.reference.id in ids else None
        if use.platform is not None:
            wanted = use.platform.casefold()
            ids = {id for id in ids if self._platforms[id].casefold() == wanted}
        return next(iter(ids)) if len(ids) == 1 else None

    def locked(self, use: _Use, id: str) -> LockedObject:
        """The entry of the lock; a policy's platform stands there where names clash."""
        clash = use.kind is LockedKind.POLICIES and len(self._ids[use.kind, use.name]) > 1
        return LockedObject(use.name, id, self._platforms.get(id) or None if clash else None)


def make_lock(desired: DesiredState, live: LiveState, directory: Directory) -> Lock:
    """What every name of the files leads to now.

    The files must resolve without an error: a name that leads nowhere is left out.
    """
    names = _NamesNow(live, directory)
    objects: dict[LockedKind, set[LockedObject]] = {kind: set() for kind in LockedKind}
    for use in _uses(desired.policies):
        id = names.lead_to(use)
        if id is not None:
            objects[use.kind].add(names.locked(use, id))
    return Lock({kind: tuple(sorted(found)) for kind, found in objects.items()})


def check_lock(
    desired: DesiredState, lock: Lock, live: LiveState, directory: Directory
) -> Iterator[Diagnostic]:
    """Name every use of a name that leads to another id than the lock says, or that it lacks.

    Where the id stands beside the name, the name leads nowhere by itself; it can only be lacking.
    """
    names = _NamesNow(live, directory)
    for use in _uses(desired.policies):
        id = names.lead_to(use)
        if id is None:
            continue
        locked = lock.ids(use.kind, use.name)
        if id not in locked:
            leads_elsewhere = locked and use.reference.id is None
            yield _mismatch(use, id, locked) if leads_elsewhere else _lacking(use, id)


def compare_locks(before: Lock | None, after: Lock) -> tuple[str, ...]:
    """Say what writing the lock anew changes, one line a name. Nothing is compared with no lock."""
    if before is None:
        return ()
    lines: list[str] = []
    for kind in LockedKind:
        names = {each.name for lock in (before, after) for each in lock.objects.get(kind, ())}
        for name in sorted(names):
            was, now = before.ids(kind, name), after.ids(kind, name)
            if was != now:
                lines.append(f'{_WORDS[kind]} "{name}": was {_listed(was)}, is {_listed(now)}')
    return tuple(lines)


def _listed(ids: frozenset[str]) -> str:
    return " and ".join(sorted(ids)) or "not in the lock"


def _uses(policies: Iterable[DesiredPolicy]) -> Iterator[_Use]:
    """Walk every place where a file uses a name, with an id beside it or alone."""
    for policy in policies:
        label = policy.reference.name_or_id
        defaults = {
            each.group.location for each in policy.assignments if each.is_default and each.group
        }
        references: list[tuple[LockedKind, Reference, str | None]] = [
            (LockedKind.POLICIES, policy.reference, policy.platform)
        ]
        for assignment in (*policy.assignments, *policy.removals):
            if assignment.group is not None:
                references.append((LockedKind.GROUPS, assignment.group, None))
            if assignment.filter is not None:
                references.append((LockedKind.FILTERS, assignment.filter.reference, None))
        for kind, reference, platform in references:
            if reference.name is not None:
                is_default = reference.location in defaults
                policy_name = "" if is_default else label
                yield _Use(kind, reference.name, reference, policy_name, platform)


def _mismatch(use: _Use, id: str, locked: frozenset[str]) -> Diagnostic:
    word = _WORDS[use.kind]
    return error(
        LOCK_MISMATCH,
        f'the {word} "{use.name}" is {id} now, and was {" or ".join(sorted(locked))} when it was locked',
        use.reference.location,
        help=f"it was deleted and created again, or another {word} has taken the name; {_RENEW}",
        policy=use.policy,
    )


def _lacking(use: _Use, id: str) -> Diagnostic:
    return error(
        "lock-lacks-name",
        f'the lock has no {_WORDS[use.kind]} called "{use.name}" (now {id})',
        use.reference.location,
        help=_RENEW,
        policy=use.policy,
    )


def merge_locks(lock: Lock, added: Lock) -> Lock:
    """The lock with more names; what stands in it stays."""
    objects: Mapping[LockedKind, tuple[LockedObject, ...]] = {
        kind: tuple(sorted({*lock.objects.get(kind, ()), *added.objects.get(kind, ())}))
        for kind in LockedKind
    }
    return Lock(objects)
