"""Files that hold a tenant's data: only their owner may read them. Does I/O."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

_OWNER_ONLY = 0o600
_BINARY = getattr(os, "O_BINARY", 0)  # without it Windows would write each line's end twice
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY


def write_whole(path: Path, text: str | Iterable[str], *, mode: int = _OWNER_ONLY) -> None:
    """Replace a file in one step, as UTF-8; where that fails, the old file is left as it was.

    ``text`` may come in parts, so that it need not be in memory as a whole. ``mode`` is what the file
    gets, less the umask. Raises `OSError`.
    """
    beside = path.with_name(f".{path.name[:100]}.{os.getpid()}.tmp")
    try:
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, _FLAGS, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.writelines([text] if isinstance(text, str) else text)
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise
