"""Read and write ``reconciler.lock.yaml``. Pure: bytes in, values out.

The file is written by the program and reviewed by people, so it has one line per name, sorted: a diff
shows which name leads elsewhere. Reading it is as strict as reading any other file of the desired state.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from reconciler.loader.declarations import check
from reconciler.loader.document import read
from reconciler.loader.entry_shapes import Shape
from reconciler.loader.policy_writer import scalar
from reconciler.loader.scalar_types import Guid, Name, OptionalName
from reconciler.loader.yaml_nodes import Mapping
from reconciler.model.diagnostics import Diagnostic, Location, error, has_errors
from reconciler.model.lock import Lock, LockedKind, LockedObject

_HEAD = """\
# Written by: reconciler lock
# The id that each name led to. From now on a name that leads to another id is an error.
# After a review, write it anew with the same command.
version: 1
"""
_RENEW = "write it anew with: reconciler lock"


class LockedShape(Shape):
    """One name and its id."""

    name: Name = Field(description="Display name, exactly.")
    id: Guid = Field(description="The object id that the name led to.")
    platform: OptionalName = Field(
        default=None, description="Of a policy, where another one has its name."
    )


class LockShape(Shape):
    """The whole file."""

    version: Literal[1] = Field(description="The version of this format.")
    groups: list[LockedShape] = Field(default_factory=list, description="Microsoft Entra groups.")
    filters: list[LockedShape] = Field(default_factory=list, description="Assignment filters.")
    policies: list[LockedShape] = Field(default_factory=list, description="Compliance policies.")


def read_lock(content: bytes, file: str) -> tuple[Lock | None, tuple[Diagnostic, ...]]:
    """Read the lock; None where it has an error, which is in the diagnostics."""
    document = read(content, file)
    start = Location(file, 1, 1)
    if not isinstance(document.root, Mapping):
        shape = error("lock-empty", "the lock is empty or no mapping", start, help=_RENEW)
        return None, document.diagnostics if has_errors(document.diagnostics) else (shape,)
    checked = check(document, document.root, LockShape)
    found = (*document.diagnostics, *(each.diagnostic for each in checked.diagnostics))
    if checked.shape is None or has_errors(found):
        return None, found
    lock = Lock({kind: tuple(sorted(_objects(checked.shape, kind))) for kind in LockedKind}, start)
    return (lock, found) if len(lock) else (None, (*found, _empty(start)))


def _objects(shape: LockShape, kind: LockedKind) -> Iterator[LockedObject]:
    entries: list[LockedShape] = getattr(shape, kind.value)
    return (LockedObject(each.name, each.id.lower(), each.platform) for each in entries)


def _empty(location: Location) -> Diagnostic:
    return error("lock-empty", "the lock holds no name", location, help=_RENEW)


def lock_text(lock: Lock) -> str:
    """Write the lock; the same lock gives the same text."""
    return _HEAD + "".join(map("".join, (_section(lock, kind) for kind in LockedKind)))


def _section(lock: Lock, kind: LockedKind) -> Iterator[str]:
    objects = lock.objects.get(kind, ())
    yield f"{kind.value}:\n" if objects else f"{kind.value}: []\n"
    for each in sorted(set(objects)):
        platform = f", platform: {scalar(each.platform)}" if each.platform else ""
        yield f"  - {{name: {scalar(each.name)}, id: {each.id}{platform}}}\n"
