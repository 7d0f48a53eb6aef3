"""Write YAML for live policies that no file declares, and prove that a plan right after it is empty.

Stages: load the files, read the tenant, choose the policies, write them as text, plan that text. A policy
whose plan is not empty is written by its id alone, then left out with the reason. Only then are files
written, each in one step, and no byte that stands in one is changed.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from reconciler.differ.compare import diff
from reconciler.differ.lock import LOCK_MISMATCH, check_lock, make_lock, merge_locks
from reconciler.differ.resolve import assigned_groups, referenced_groups, resolve
from reconciler.differ.schedule import lines_in_force
from reconciler.loader import Loaded, load
from reconciler.loader.lock_file import lock_text
from reconciler.loader.source_files import LOCK_FILE
from reconciler.model.diagnostics import sort_diagnostics
from reconciler.model.errors import ConfigError, ReconcilerError
from reconciler.model.ports import Directory, GroupSearch, Reader
from reconciler.model.state import (
    DesiredPolicy,
    LivePolicy,
    LiveState,
    Ownership,
    TargetKind,
    TenantConfig,
)
from reconciler.operations.connect import Session
from reconciler.operations.import_files import FileEdit, Layout, plan_files
from reconciler.operations.import_policies import (
    Imported,
    LeftOut,
    import_policies,
)
from reconciler.operations.opening import InvalidFilesError, open_tenant
from reconciler.operations.roots import label_of
from reconciler.operations.selection import matches
from reconciler.operations.write_files import replace_file

_ROUNDS = 3
"""First by name, then what failed by id alone, then without what failed again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """What to import: a tenant root, the ``--policy`` globs, and how it is written."""

    root: Path
    globs: tuple[str, ...] = ()
    layout: Layout = Layout.PLATFORM
    ownership: Ownership | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What was written, or would be: files, policies, and what of them is left out.

    ``policies`` and ``assignments`` count what is written; ``unassigned`` are names of policies
    without assignments, and ``declared`` counts those that a file declares already.
    """

    edits: tuple[FileEdit, ...]
    imported: tuple[Imported, ...]
    declared: int
    unassigned: tuple[str, ...]

    @property
    def policies(self) -> int:
        """Policies that are written."""
        return sum(each.written is not None for each in self.imported)

    @property
    def assignments(self) -> int:
        """Assignments that are written."""
        return sum(each.assignments for each in self.imported if each.written is not None)

    @property
    def not_declared(self) -> Mapping[str, int]:
        """How many assignments are not declared, by reason, the most frequent first."""
        reasons = Counter(out.reason for each in self.imported for out in each.left_out)
        return dict(reasons.most_common())

    @property
    def undeclarable(self) -> tuple[Imported, ...]:
        """Policies of which nothing could be declared."""
        return tuple(each for each in self.imported if each.written is None)

    def diff(self) -> str:
        """The edits as a unified diff."""
        return "".join(map(_unified, self.edits))


def run_import(request: ImportRequest, session: Session) -> ImportResult:
    """Import, and write the files unless it is a dry run.

    Raises `InvalidFilesError` where the files have errors, `ConfigError` where a file cannot be
    written, and what connecting to the tenant and reading it raise.
    """
    session.progress.stage(f"Reading {request.root}")
    loaded = load(request.root)
    config = _config_of(loaded, request.root)
    with open_tenant(config, session) as opened:
        tenant = opened.connection.tenant
        live = tenant.read_policies()
        _refuse_unreadable(live)
        choice = _choose(loaded, live, request.globs)
        directory = _directory(loaded, choice.policies, tenant)
    result = _prove(request, loaded, live, choice, directory, session.day)
    if not request.dry_run:
        for edit in result.edits:
            _write(request.root, edit)
    session.progress.end()
    return result


@dataclass(frozen=True, slots=True)
class _Choice:
    policies: tuple[LivePolicy, ...]
    declared: int
    unassigned: tuple[str, ...]


def _refuse_unreadable(live: LiveState) -> None:
    """Raise `ConfigError` where a policy cannot be read: its file would say less than the tenant has."""
    reasons = [f'"{each.policy.name}": {each.reason}' for each in live.unreadable.values()]
    if reasons:
        raise ConfigError(
            "\n  ".join(["these policies cannot be read, so nothing is imported:", *reasons])
        )


def _config_of(loaded: Loaded, root: Path) -> TenantConfig:
    """The tenant's configuration; a root without a policy file is fine here, and no other error."""
    errors = [found for found in loaded.diagnostics if found.is_error]
    if loaded.config is None or any(found.code != "no-policies" for found in errors):
        raise InvalidFilesError(root, label_of(root, loaded), loaded.diagnostics)
    return loaded.config


def _choose(loaded: Loaded, live: LiveState, globs: Sequence[str]) -> _Choice:
    """Keep the policies that no file declares, that are selected, and that have assignments."""
    declared = loaded.state.policies if loaded.state else ()
    selected = [
        each
        for each in live
        if not globs or any(matches(glob, each.policy.name, each.policy.id) for glob in globs)
    ]
    for glob in globs:
        if not any(matches(glob, each.policy.name, each.policy.id) for each in live):
            raise ConfigError(
                f'--policy "{glob}" matches no policy of the tenant; write its display name '
                "(case-sensitive) or its id; * and ? are wildcards in a name"
            )
    known = _declared_ids(declared, live)
    new = [each for each in selected if each.policy.id not in known]
    return _Choice(
        tuple(each for each in new if each.assignments),
        len(selected) - len(new),
        tuple(each.policy.name or each.policy.id for each in new if not each.assignments),
    )


def _declared_ids(declared: Sequence[DesiredPolicy], live: LiveState) -> frozenset[str]:
    """The ids of all policies that a file may mean; when in doubt a policy counts as declared."""
    ids = {policy.reference.id for policy in declared if policy.reference.id}
    by_name: dict[str, list[str | None]] = {}
    for policy in declared:
        if policy.reference.id is None and policy.reference.name is not None:
            platform = policy.platform.casefold() if policy.platform else None
            by_name.setdefault(policy.reference.name, []).append(platform)
    for each in live:
        platform = (each.policy.platform or "").casefold()
        wanted = by_name.get(each.policy.name, ())
        if any(one in (None, platform) for one in wanted):
            ids.add(each.policy.id)
    return frozenset(ids)


def _directory(loaded: Loaded, chosen: Sequence[LivePolicy], tenant: Reader) -> Directory:
    """Look up every group that is assigned, and every other group of the same name."""
    assigned = tenant.find_groups(names=(), ids=assigned_groups(chosen))
    names = {group.name for group in assigned.by_id.values() if group.name.strip()}
    ids = set(assigned.by_id)
    if loaded.state is not None:
        declared = referenced_groups(loaded.state)
        names |= declared.names
        ids |= declared.ids
    for line in loaded.config.default_exclusions if loaded.config else ():
        if line.group is not None:
            names |= {line.group.name} if line.group.name else set()
            ids |= {line.group.id} if line.group.id else set()
    found = tenant.find_groups(names=names, ids=ids - assigned.by_id.keys())
    groups = GroupSearch({**assigned.by_id, **found.by_id}, found.by_name, found.nearby)
    return Directory(groups, tenant.read_filters())


def _prove(
    request: ImportRequest,
    loaded: Loaded,
    live: LiveState,
    choice: _Choice,
    directory: Directory,
    day: date,
) -> ImportResult:
    """Write the text, plan it, and write again without what does not come out empty."""
    by_id_alone: set[str] = set()
    refused: dict[str, str] = {}
    default = loaded.config.ownership if loaded.config else Ownership.ADDITIVE
    existing = _existing(loaded, request.root)
    defaults = _default_groups(loaded, directory, day)
    for _ in range(_ROUNDS):
        imported = import_policies(
            choice.policies,
            live,
            directory,
            default=default,
            ownership=request.ownership,
            by_id_alone=by_id_alone,
        )
        imported = tuple(
            _with_defaults(_without(each, refused.get(each.policy.id)), live, defaults)
            for each in imported
        )
        edits = plan_files(imported, existing, request.layout)
        bad = _not_empty(request.root, imported, edits, live, directory, day)
        if not bad:
            edits += _locked(request.root, imported, edits, live, directory)
            return ImportResult(edits, imported, choice.declared, choice.unassigned)
        refused |= {id: why for id, why in bad.items() if id in by_id_alone}
        by_id_alone |= bad.keys()
    raise ReconcilerError(
        "the imported files would not give an empty plan, so nothing was written; please report it "
        f"with this reason: {next(iter(bad.values()))}"
    )


def _default_groups(loaded: Loaded, directory: Directory, day: date) -> frozenset[str] | None:
    """The groups that every policy must exclude for ``defaults.exclude`` to change nothing.

    None where that cannot be said: a line that is not in force on the day, or leads to no group.
    """
    lines = loaded.config.default_exclusions if loaded.config else ()
    ids: set[str] = set()
    for line in lines:
        is_over = line.ends is not None and line.ends < day
        is_early = line.starts is not None and day < line.starts
        named = [
            group.id
            for group in directory.groups.by_id.values()
            if line.group is not None
            and (
                group.id == line.group.id
                or (line.group.id is None and group.name == line.group.name)
            )
        ]
        if is_over or is_early or len(named) != 1:
            return None
        ids.update(named)
    return frozenset(ids)


def _with_defaults(
    imported: Imported, live: LiveState, defaults: frozenset[str] | None
) -> Imported:
    """Leave the root's defaults out of a policy that they would change."""
    if imported.written is None or defaults == frozenset():
        return imported
    excluded = {
        each.target.id
        for each in live.policies[imported.policy.id].assignments
        if each.is_direct and each.target.kind is TargetKind.EXCLUSION_GROUP
    }
    if defaults is not None and defaults <= excluded:
        return imported
    return replace(imported, written=replace(imported.written, leaves_out_defaults=True))


def _without(imported: Imported, reason: str | None) -> Imported:
    if reason is None or imported.written is None:
        return imported
    left_out = LeftOut(f"all of its {imported.assignments} assignments", reason, is_direct=True)
    return replace(imported, written=None, left_out=(*imported.left_out, left_out))


def _existing(loaded: Loaded, root: Path) -> dict[str, bytes]:
    """The files of the root itself; those of extended folders are never written to."""
    inside = (source for source in loaded.sources if not source.file.startswith("../"))
    try:
        return {source.file: (root / source.file).read_bytes() for source in inside}
    except OSError as fault:
        raise ConfigError(
            f"{fault.filename} cannot be read: {fault.strerror}; nothing was written"
        ) from fault


def _not_empty(
    root: Path,
    imported: Sequence[Imported],
    edits: Sequence[FileEdit],
    live: LiveState,
    directory: Directory,
    day: date,
) -> dict[str, str]:
    """Plan the files as they would be; name each imported policy that would change, and why."""
    written = {each.policy.id: each.policy for each in imported if each.written is not None}
    if not written:
        return {}
    loaded = load(root, {edit.path: edit.after for edit in edits})
    if loaded.state is None:
        return _blamed(loaded, imported)
    resolution = resolve(loaded.state, live, directory)
    difference = diff(lines_in_force(resolution.state, day).state, directory)
    planned = {policy.policy.id: policy for policy in difference.policies}
    reasons = {
        found.policy: found.message
        for found in (*resolution.diagnostics, *difference.diagnostics)
        if found.is_error
    }
    bad: dict[str, str] = {}
    for id, policy in written.items():
        if id not in planned:
            bad[id] = reasons.get(policy.name) or reasons.get(id) or "it cannot be planned"
        elif planned[id].changes:
            bad[id] = "the plan for it would not be empty"
    return bad


def _locked(
    root: Path,
    imported: Sequence[Imported],
    edits: Sequence[FileEdit],
    live: LiveState,
    directory: Directory,
) -> tuple[FileEdit, ...]:
    """Add the names of the imported policies to the root's lock, where it has one.

    Raises `InvalidFilesError` where the lock says that one of the names leads elsewhere.
    """
    loaded = load(root, {edit.path: edit.after for edit in edits})
    desired = loaded.state
    if desired is None or desired.lock is None:
        return ()
    ids = {each.policy.id for each in imported if each.written is not None}
    new = tuple(policy for policy in desired.policies if _declared_ids([policy], live) & ids)
    found = list(check_lock(replace(desired, policies=new), desired.lock, live, directory))
    if any(each.code == LOCK_MISMATCH for each in found):
        raise InvalidFilesError(root, label_of(root, loaded), sort_diagnostics(found))
    if not found:
        return ()
    added = make_lock(replace(desired, policies=new), live, directory)
    text = lock_text(merge_locks(desired.lock, added)).encode("utf-8")
    return (FileEdit(LOCK_FILE, (root / LOCK_FILE).read_bytes(), text),)


def _blamed(loaded: Loaded, imported: Sequence[Imported]) -> dict[str, str]:
    """Find whom the loader's errors are about; all policies where it does not say."""
    reasons = {found.policy: found.message for found in loaded.diagnostics if found.is_error}
    written = [each for each in imported if each.written is not None]
    found = {
        each.policy.id: reasons.get(each.policy.name) or reasons.get(each.policy.id) or ""
        for each in written
    }
    named = {id: reason for id, reason in found.items() if reason}
    return named or dict.fromkeys(found, next(iter(reasons.values()), "the files have errors"))


def _write(root: Path, edit: FileEdit) -> None:
    """Write a file below the root, and nowhere else.

    Raises `ConfigError` where it cannot be written, or has changed since it was read.
    """
    path = root / edit.path
    if not path.parent.resolve().is_relative_to(root.resolve()):
        raise ConfigError(
            f"{path.parent} is a link out of the tenant root, so nothing was written; put a folder there"
        )
    _refuse_changed(path, edit)
    replace_file(path, edit.after)


def _refuse_changed(path: Path, edit: FileEdit) -> None:
    now = path.read_bytes() if path.exists() else None
    if now != edit.before:
        raise ConfigError(f"{path} was changed while the import ran; run it again")


def _unified(edit: FileEdit) -> str:
    before = edit.before.decode("utf-8-sig").splitlines(keepends=True) if edit.before else []
    after = edit.after.decode("utf-8-sig").splitlines(keepends=True)
    name = edit.path
    lines = difflib.unified_diff(
        before, after, "/dev/null" if edit.before is None else f"a/{name}", f"b/{name}"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
