"""Files that hold a tenant's data: only their owner may read them. Does I/O."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TextIO

_OWNER_ONLY = 0o600


def write_whole(path: Path, text: str, *, mode: int = _OWNER_ONLY) -> None:
    """Replace a file in one step, as UTF-8; where that fails, the old file is left as it was.

    ``mode`` is what the file gets, less the umask. Raises `OSError`.
    """
    beside = path.with_name(f".{path.name[:100]}.{os.getpid()}.tmp")
    try:
        beside.unlink(missing_ok=True)
        with open_private(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=mode) as file:
            file.write(text)
        beside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def open_private(
    path: Path, flags: int, *, mode: int = _OWNER_ONLY, errors: str = "strict"
) -> TextIO:
    """Open a file for writing UTF-8; one that is made by it gets ``mode``. Raises `OSError`."""
    binary = getattr(os, "O_BINARY", 0)  # Windows would write each line's end twice
    return os.fdopen(
        os.open(path, flags | binary, mode), "w", encoding="utf-8", errors=errors, newline="\n"
    )
