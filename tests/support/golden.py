"""Compare a text with its golden file. No test stands here."""

from __future__ import annotations

import os
from pathlib import Path

_GOLDEN = Path(__file__).parents[1] / "golden"


def assert_golden(path: str, text: str) -> None:
    """Compare with a golden file, or write it where UPDATE_GOLDEN is set."""
    file = _GOLDEN / path
    if os.environ.get("UPDATE_GOLDEN"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="\n")
    assert text == file.read_text(encoding="utf-8")
