"""Read the files that hold a plan or a result. Does I/O."""

from __future__ import annotations

from pathlib import Path

from reconciler.documents import SavedPlan, loads
from reconciler.documents.envelope import decode
from reconciler.model.errors import ConfigError


def read_plan(path: Path) -> SavedPlan:
    """Read a saved plan. Raises `PlanFileError`, or `StalePlanError` where it was altered."""
    return loads(read_text(path), source=str(path))


def read_text(path: Path) -> str:
    """Read the file of a plan. Raises `ConfigError`, or `PlanFileError` where it is not text."""
    try:
        return decode(path.read_bytes(), source=str(path))
    except FileNotFoundError:
        raise ConfigError(
            f"there is no plan file {path}; make one with: reconciler plan --out {path}"
        ) from None
    except OSError as fault:
        raise ConfigError(f"{path} cannot be read ({fault.strerror or fault})") from fault
