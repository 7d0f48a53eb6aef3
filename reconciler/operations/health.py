"""How a check of ``doctor`` came out. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """How a check came out; only ``missing`` makes the doctor fail."""

    OK = "ok"
    NOTE = "note"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at."""

    title: str
    health: Health
    detail: str
