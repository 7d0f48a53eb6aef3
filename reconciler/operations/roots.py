"""Find the tenant roots that a path means."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import ConfigError
from reconciler.loader import Loaded, discover_roots, load


@dataclass(frozen=True, slots=True)
class Root:
    """A tenant root; ``tenant`` is None where its tenant.yaml has mistakes."""

    path: Path
    label: str
    tenant: str | None


def tenant_roots(path: Path) -> tuple[Path, ...]:
    """The path itself where it is a tenant root, else every one below it.

    Where there is none, the path itself comes back: the loader says best what is missing there.
    """
    if (path / "tenant.yaml").is_file() or not path.is_dir():
        return (path,)
    return discover_roots(path) or (path,)


def list_roots(path: Path) -> tuple[Root, ...]:
    """Name every tenant root at or below a path.

    Raises `ConfigError` where there is none, and where two bear one label: their comments, issues
    and plan files would overwrite each other.
    """
    found = tuple(_root(root) for root in discover_roots(path))
    if not found:
        raise ConfigError(f"there is no tenant root (a folder with tenant.yaml) below {path}")
    seen: dict[str, Root] = {}
    for root in found:
        first = seen.setdefault(root.label, root)
        if first is not root:
            raise ConfigError(
                f'{first.path} and {root.path} have one label, "{root.label}"; '
                "give each tenant.yaml a label of its own"
            )
    return found


def label_of(path: Path, loaded: Loaded) -> str:
    """What comments call a root, even one whose tenant.yaml has mistakes."""
    return loaded.config.label if loaded.config else path.resolve().name


def _root(path: Path) -> Root:
    loaded = load(path)
    return Root(path, label_of(path, loaded), loaded.config.tenant if loaded.config else None)
