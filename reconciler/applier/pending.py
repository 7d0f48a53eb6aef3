"""Remember writes that wait for Multi Admin Approval, in ``.reconciler/approvals.json``. I/O."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from reconciler.model.errors import ReconcilerError
from reconciler.model.ports import PendingApproval
from reconciler.runtime.file_lock import locked
from reconciler.runtime.private_files import write_whole


class _PendingEntry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    code: str = Field(pattern=r"^[!-~]+$")  # it goes out in a header
    body_digest: str


class _Memory(BaseModel):
    model_config = ConfigDict(extra="forbid")

    pending: dict[str, _PendingEntry] = {}


class FilePendingApprovals:
    """Implements `reconciler.model.ports.PendingApprovals` on a file that is replaced whole.

    Safe between threads, and between processes that share the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._memory = _read(path)

    def get(self, policy_id: str) -> PendingApproval | None:
        """The write of this policy that was queued and not yet finished."""
        with self._lock:
            entry = self._memory.pending.get(policy_id)
        return None if entry is None else PendingApproval(entry.code, entry.body_digest)

    def put(self, policy_id: str, pending: PendingApproval) -> None:
        """Remember a queued write."""
        entry = _PendingEntry(code=pending.code, body_digest=pending.body_digest)

        def change(memory: _Memory) -> bool:
            memory.pending[policy_id] = entry
            return True

        self._update(change)

    def forget(self, policy_id: str, code: str) -> None:
        """Forget one request of a policy; a newer one, of another run, stays."""

        def change(memory: _Memory) -> bool:
            entry = memory.pending.get(policy_id)
            if entry is None or entry.code != code:
                return False
            del memory.pending[policy_id]
            return True

        with self._lock:
            if not change(self._memory.model_copy(deep=True)):
                return
        self._update(change)

    def _update(self, change: Callable[[_Memory], bool]) -> None:
        """Change the file as it is now: another apply may have added codes of its own."""
        with self._lock:
            change(self._memory)  # this run goes on with it, whatever happens to the file
            try:
                make_state_folder(self._path.parent)
                with locked(self._path.with_suffix(".lock")):
                    kept = _read(self._path)
                    if change(kept):
                        write_whole(self._path, kept.model_dump_json(indent=2) + "\n")
            except OSError as fault:
                raise ReconcilerError(
                    f"{self._path} cannot be written ({fault.strerror or fault}), so the approval "
                    "codes of this run are in its report alone; give them with --approval-code"
                ) from fault


def make_state_folder(folder: Path) -> None:
    """Make the folder for what a run keeps, and have git pass it over. Raises `OSError`."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")


def _read(path: Path) -> _Memory:
    try:
        return _Memory.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return _Memory()
    except (OSError, ValueError, RecursionError) as broken:
        raise ReconcilerError(
            f"{path} cannot be read; remove it, and give the codes of queued writes with "
            "--approval-code"
        ) from broken
