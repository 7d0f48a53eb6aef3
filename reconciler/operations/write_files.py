"""Write a file of the desired state in one step: whole, or not at all. Does I/O."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from reconciler.model.errors import ConfigError

_NEW_FILE_MODE = 0o644


def replace_file(path: Path, content: bytes) -> None:
    """Write beside the file, then take its place; its permissions stay.

    Raises `ConfigError` where that fails, or where the file is a link.
    """
    if path.is_symlink():
        raise ConfigError(
            f"{path} is a link, and nothing is written through one; put a plain file in its place"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            mode = path.stat().st_mode & 0o777 if path.exists() else _NEW_FILE_MODE
            temporary.chmod(mode)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as fault:
        raise ConfigError(f"{path} cannot be written: {fault.strerror or fault}") from fault
