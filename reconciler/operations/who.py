"""Answer what hangs on a group or a filter: every assignment of it, live or declared."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reconciler.differ.resolve import assigned_groups, referenced_groups, resolve
from reconciler.differ.usage import find_usages
from reconciler.loader import load
from reconciler.model.errors import ReconcilerError
from reconciler.model.identifiers import is_guid
from reconciler.model.ports import Directory, GroupSearch, Reader
from reconciler.model.state import DesiredState, LiveState
from reconciler.model.usage import Usage
from reconciler.operations.connect import Session
from reconciler.operations.opening import open_tenant, valid_state

_MOST_NEAR = 3


@dataclass(frozen=True, slots=True)
class Subject:
    """A group or filter that bears the name asked for; ``name`` is None for a deleted one."""

    kind: str
    id: str
    name: str | None


@dataclass(frozen=True, slots=True)
class WhoResult:
    """The objects that were meant, and every assignment that uses one of them.

    ``unresolved`` counts declared policies whose names do not resolve: what they declare is not in
    ``usages``, and a plan says why.
    """

    subjects: tuple[Subject, ...]
    usages: tuple[Usage, ...]
    unresolved: int


def run_who(name: str, root: Path, session: Session) -> WhoResult:
    """Look for a group or filter by display name or id.

    Raises `InvalidFilesError` where the files have errors, `ReconcilerError` where no group and no
    filter has the name, and what connecting to the tenant and reading it raise.
    """
    session.progress.stage(f"Reading {root}")
    loaded = load(root)
    desired = valid_state(root, loaded)
    with open_tenant(desired.config, session) as opened:
        tenant = opened.connection.tenant
        live = tenant.read_policies()
        directory = _directory(name, desired, live, tenant)
    session.progress.end()
    return _answer(name, desired, live, directory)


def _directory(name: str, desired: DesiredState, live: LiveState, tenant: Reader) -> Directory:
    """Look up the name, what the files name, and what is assigned, for people to read names."""
    declared = referenced_groups(desired)
    names, ids = {*declared.names}, {*declared.ids, *assigned_groups(live)}
    if is_guid(name):
        ids.add(name.lower())
    else:
        names.add(name)
    return Directory(tenant.find_groups(names=names, ids=ids), tenant.read_filters())


def _answer(name: str, desired: DesiredState, live: LiveState, directory: Directory) -> WhoResult:
    subjects = tuple(_subjects(name, directory))
    resolution = resolve(desired, live, directory)
    unresolved = len(desired.policies) - len(resolution.state.policies)
    ids = {subject.id for subject in subjects} or ({name.lower()} if is_guid(name) else set())
    usages = find_usages(ids, resolution.state, live, directory)
    if not subjects and usages:
        subjects = (Subject("deleted group or filter", name.lower(), None),)
    if not subjects:
        raise ReconcilerError(_unknown(name, directory))
    return WhoResult(subjects, usages, unresolved)


def _subjects(name: str, directory: Directory) -> Iterable[Subject]:
    wanted = name.lower() if is_guid(name) else None
    for group in directory.groups.by_id.values():
        if group.id == wanted or group.name == name:
            yield Subject("group", group.id, group.name)
    for each in directory.filters.values():
        if each.id == wanted or each.name == name:
            yield Subject("filter", each.id, each.name)


def _unknown(name: str, directory: Directory) -> str:
    groups: GroupSearch = directory.groups
    if name in groups.not_covered or name.lower() in groups.not_covered:
        return (
            f'no filter is called "{name}", and the snapshot does not cover such a group: whether '
            "there is one is unknown. A snapshot made with --all-groups covers every group"
        )
    known = {group.name for group in groups.by_id.values()}
    known |= {each.name for each in directory.filters.values()}
    known |= {group.name for near in groups.nearby.values() for group in near}
    listed = [each for each in known if each]
    near = difflib.get_close_matches(name, listed, n=_MOST_NEAR, cutoff=0.6)
    hint = ", ".join(f'"{each}"' for each in near)
    told = "has the id" if is_guid(name) else "is called"
    return f'no group and no filter {told} "{name}"' + (f"; nearest: {hint}" if hint else "")
