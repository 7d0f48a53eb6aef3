"""What names led to when somebody last looked: the content of ``reconciler.lock.yaml``. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from reconciler.model.diagnostics import Location


class LockedKind(StrEnum):
    """The lists of the file."""

    GROUPS = "groups"
    FILTERS = "filters"
    POLICIES = "policies"


@dataclass(frozen=True, slots=True, order=True)
class LockedObject:
    """A name and the id that it leads to. ``platform`` is set for policies of one name alone."""

    name: str
    id: str
    platform: str | None = None


@dataclass(frozen=True, slots=True)
class Lock:
    """Every name that the files use, by kind. Sorted by name, then id.

    ``location`` is where the file begins; None for a lock that was just made.
    """

    objects: Mapping[LockedKind, tuple[LockedObject, ...]]
    location: Location | None = None

    def __len__(self) -> int:
        """How many names it holds."""
        return sum(map(len, self.objects.values()))

    def ids(self, kind: LockedKind, name: str) -> frozenset[str]:
        """The ids that a name may lead to; empty where the lock does not know it."""
        return frozenset(each.id for each in self.objects.get(kind, ()) if each.name == name)
