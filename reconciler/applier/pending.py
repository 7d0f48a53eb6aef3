"""Remember writes that wait for Multi Admin Approval, in ``.reconciler/approvals.json``. I/O."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from reconciler.model.errors import ReconcilerError
from reconciler.model.ports import PendingApproval
from reconciler.runtime.private_files import write_whole


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    code: str
    body_digest: str


class _Memory(BaseModel):
    model_config = ConfigDict(extra="forbid")

    pending: dict[str, _Entry] = {}


class FilePendingApprovals:
    """Implements `reconciler.model.ports.PendingApprovals` on a file that is replaced whole. Thread safe."""

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
        with self._lock:
            self._memory.pending[policy_id] = _Entry(
                code=pending.code, body_digest=pending.body_digest
            )
            self._write()

    def forget(self, policy_id: str) -> None:
        """Its story is over."""
        with self._lock:
            if self._memory.pending.pop(policy_id, None) is not None:
                self._write()

    def _write(self) -> None:
        try:
            make_state_folder(self._path.parent)
            write_whole(self._path, self._memory.model_dump_json(indent=2) + "\n")
        except OSError as fault:
            raise ReconcilerError(
                f"{self._path} cannot be written ({fault.strerror or fault}), so the approval "
                "codes of this run are in its report alone; give them with --approval-code"
            ) from fault


def make_state_folder(folder: Path) -> None:
    """Make the folder for what a run keeps, and have git pass it over. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")


def _read(path: Path) -> _Memory:
    try:
        return _Memory.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return _Memory()
    except (OSError, ValueError, ValidationError) as broken:
        raise ReconcilerError(
            f"{path} cannot be read; remove it, and give the codes of queued writes with "
            "--approval-code"
        ) from broken
