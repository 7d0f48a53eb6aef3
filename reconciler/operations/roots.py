"""Find the tenant roots that a path means."""

from __future__ import annotations

from pathlib import Path

from reconciler.loader import discover_roots


def tenant_roots(path: Path) -> tuple[Path, ...]:
    """The path itself where it is a tenant root, else every one below it.

    Where there is none, the path itself comes back: the loader says best what is missing there.
    """
    if (path / "tenant.yaml").is_file():
        return (path,)
    return discover_roots(path) or (path,)
