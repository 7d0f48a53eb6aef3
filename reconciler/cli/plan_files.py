"""Read the files that hold a plan, a result or a validation. Does I/O."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from reconciler.documents import Document, loads, read_document
from reconciler.documents.envelope import decode
from reconciler.model.errors import ConfigError, StalePlanError
from reconciler.model.saved_plan import SavedPlan

T = TypeVar("T")


def read_plan(path: Path) -> SavedPlan:
    """Read a saved plan. Raises `PlanFileError`, or `StalePlanError` where it was altered."""
    return _parsed(path, loads)


def read_saved(path: Path) -> Document:
    """Read a saved document of any kind. Raises as `read_plan` does."""
    return _parsed(path, read_document)


def _parsed(path: Path, parse: Callable[..., T]) -> T:
    try:
        return parse(read_text(path), source=str(path))
    except StalePlanError as altered:
        if not json.detect_encoding(_read(path)).startswith("utf-16"):
            raise
        raise StalePlanError(
            f"{altered}. The file is UTF-16, as Windows PowerShell's > writes it, and that can "
            f"change letters; save the plan with: reconciler plan --out {path}"
        ) from None


def read_text(path: Path) -> str:
    """Read a file of JSON. Raises `ConfigError`, or `PlanFileError` where it is not text."""
    return decode(_read(path), source=str(path))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(
            f"there is no plan file {path}; make one with: reconciler plan --out {path}"
        ) from None
    except OSError as fault:
        raise ConfigError(f"{path} cannot be read ({fault.strerror or fault})") from fault
