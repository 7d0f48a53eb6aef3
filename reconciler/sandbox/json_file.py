"""Read a JSON file in any encoding that editors write, with the place of what is wrong. Reads one file."""

from __future__ import annotations

import codecs
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def read_json(path: Path) -> Any:
    """The content of a file in UTF-8 or UTF-16, with or without a byte-order mark.

    PowerShell's `>` writes UTF-16. ValueError says what is wrong in one line, `FILE:LINE:COLUMN` first.
    """
    try:
        content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror or error}") from error
    encoding = json.detect_encoding(content)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line, column = _place(content[: error.start].decode(encoding, errors="replace"))
        broken = content[error.start : error.end].hex(" ")
        raise ValueError(
            f"{path}:{line}:{column}: the bytes {broken} are not {encoding.upper()}"
        ) from error
    try:
        return json.loads(text, object_pairs_hook=_without_duplicates)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from error
    except RecursionError as error:
        raise ValueError(f"{path}: nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _place(before: str) -> tuple[int, int]:
    """Line and column, from 1, of what comes after a text."""
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} appears twice in one object")
    return result
