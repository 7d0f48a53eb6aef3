"""Write the ids that the files' names lead to, or say whether what was written still holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reconciler.differ.lock import compare_locks, make_lock
from reconciler.differ.resolve import resolve
from reconciler.loader import load
from reconciler.loader.lock_file import lock_text, read_lock
from reconciler.loader.source_files import LOCK_FILE
from reconciler.model.diagnostics import has_errors, sort_diagnostics
from reconciler.model.errors import ConfigError
from reconciler.model.lock import Lock
from reconciler.operations.connect import Session
from reconciler.operations.opening import InvalidFilesError, open_tenant, valid_state
from reconciler.operations.planning import read_tenant
from reconciler.operations.roots import label_of
from reconciler.operations.selection import Selection
from reconciler.operations.write_files import replace_file


@dataclass(frozen=True, slots=True)
class LockResult:
    """The lock as the tenant is now, and what differs from the file: one line each.

    ``is_missing`` says that there was no file, or none that could be read.
    """

    path: Path
    lock: Lock
    differences: tuple[str, ...]
    is_missing: bool

    @property
    def is_current(self) -> bool:
        """Whether the file says what the tenant says."""
        return not self.is_missing and not self.differences


def run_lock(root: Path, session: Session, *, check: bool) -> LockResult:
    """Look every name up, compare with the lock, and write it anew unless only ``check`` is asked.

    Raises `InvalidFilesError` where the files have errors, a name that leads nowhere included, and
    `ConfigError` where the lock cannot be written or no name is used.
    """
    session.progress.stage(f"Reading {root}")
    loaded = load(root, with_lock=False)
    desired = valid_state(root, loaded)
    with open_tenant(desired.config, session) as opened:
        tenant = opened.connection.tenant
        reading = read_tenant(desired, tenant, Selection(), session.parallelism)
    session.progress.end()
    resolution = resolve(desired, reading.live, reading.directory)
    if has_errors(resolution.diagnostics):
        raise InvalidFilesError(
            root, label_of(root, loaded), sort_diagnostics(resolution.diagnostics)
        )
    result = _compare(root / LOCK_FILE, make_lock(desired, reading.live, reading.directory))
    if not check and not result.is_current:
        replace_file(result.path, lock_text(result.lock).encode("utf-8"))
    return result


def _compare(path: Path, lock: Lock) -> LockResult:
    if not len(lock):
        raise ConfigError("the files use ids alone, so there is no name to lock")
    try:
        before = read_lock(path.read_bytes(), path.name)[0] if path.exists() else None
    except OSError as fault:
        raise ConfigError(f"{path} cannot be read: {fault.strerror or fault}") from fault
    return LockResult(path, lock, compare_locks(before, lock), before is None)
