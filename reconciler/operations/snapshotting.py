"""Save what a plan of a tenant root needs of its tenant: complete, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reconciler.differ.resolve import assigned_groups, referenced_groups
from reconciler.documents import snapshots
from reconciler.loader import load
from reconciler.model.errors import ReconcilerError
from reconciler.model.ports import Directory, GroupSearch
from reconciler.model.state import DesiredState, LiveState
from reconciler.operations.connect import Session
from reconciler.operations.opening import open_tenant, valid_state


@dataclass(frozen=True, slots=True)
class SnapshotResult:
    """The document as text in pieces, and how much is in it."""

    parts: Iterator[str]
    policies: int
    assignments: int
    filters: int
    groups: int


def run_snapshot(
    root: Path, session: Session, *, all_groups: bool, reconciler_version: str
) -> SnapshotResult:
    """Read the tenant of a root. A read that fails, or cannot be understood, raises.

    Raises `InvalidFilesError` where the files have errors, and what connecting to the tenant and
    reading it raise.
    """
    session.progress.stage(f"Reading {root}")
    loaded = load(root)
    desired = valid_state(root, loaded)
    with open_tenant(desired.config, session) as opened:
        tenant = opened.connection.tenant
        live = tenant.read_policies()
        _refuse_unreadable(live)
        names, ids = _groups_to_look_up(desired, live)
        declared = referenced_groups(desired)
        groups = tenant.find_groups(names=names, ids=ids, other_names=declared.uncut_names)
        if all_groups:
            everything = {group.id: group for group in tenant.list_groups()}
            groups = GroupSearch({**groups.by_id, **everything}, groups.by_name, groups.nearby)
        directory = Directory(groups, tenant.read_filters())
    session.progress.end()
    parts = snapshots.dump_parts(
        live,
        directory,
        identity=opened.identity,
        cloud=desired.config.cloud,
        names=names,
        ids=ids,
        all_groups=all_groups,
        created_at=session.clock.now(),
        reconciler_version=reconciler_version,
    )
    assignments = sum(len(each.assignments) for each in live)
    counts = (len(live.policies), assignments, len(directory.filters), len(groups.by_id))
    return SnapshotResult(parts, *counts)


def _refuse_unreadable(live: LiveState) -> None:
    for each in live.unreadable.values():
        raise ReconcilerError(
            f'no snapshot was written, as the policy "{each.policy.name}" cannot be read: {each.reason}'
        )


def _groups_to_look_up(
    desired: DesiredState, live: LiveState
) -> tuple[frozenset[str], frozenset[str]]:
    declared = referenced_groups(desired)
    return declared.names, declared.ids | assigned_groups(live)
