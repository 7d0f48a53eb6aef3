"""Choose between the documented create call and ``assign``, and remember which routes exist.

Real tenants have no route for POST .../assignments (graph.md section 2). Under ``auto`` the run
finds that out once, not once per policy.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from reconciler.model.errors import NotExecutedError, RouteMissingError
from reconciler.model.plan import Change, Create
from reconciler.model.ports import Progress
from reconciler.model.state import Writes

Place: TypeAlias = tuple[str, str]
"""Where a create goes: the policy's family and Graph's version. Routes exist place by place."""


class Route:
    """The choice for one run. Safe to share between threads.

    A missing route stays missing for the rest of the run, even if it worked before. Until some
    create has worked, a route that is missing in one place is taken to be missing everywhere: the
    run meets it once. Where one place has the route, each other place is asked once.
    """

    def __init__(self, writes: Writes, progress: Progress) -> None:
        self._writes = writes
        self._progress = progress
        self._first = threading.Lock()
        self._exists: dict[Place, bool] = {}

    @property
    def falls_back(self) -> bool:
        """Whether ``assign`` may be taken where the create call does not exist."""
        return self._writes is Writes.AUTO

    def wants_create(self, changes: Sequence[Change]) -> bool:
        """Whether these changes go by one documented call each, where its route exists.

        ``auto`` wants that where nothing but creates is due.
        """
        match self._writes:
            case Writes.CREATE:
                return True
            case Writes.ASSIGN:
                return False
            case Writes.AUTO:
                return all(isinstance(change, Create) for change in changes)

    def is_missing(self, place: Place) -> bool:
        """Whether the create call is known, or must be taken, not to exist here."""
        nowhere = bool(self._exists) and not any(self._exists.values())
        return not self._exists.get(place, not nowhere)

    @contextmanager
    def trying(self, place: Place) -> Iterator[None]:
        """Make a create call inside. Until one has a response, the others wait for it.

        Raises `NotExecutedError` to those that waited, as the reading they stand on has aged.
        """
        if self._exists.get(place):
            with self._learning(place):
                yield
            return
        if not self._first.acquire(blocking=False):
            with self._first:  # what it learns is worth the wait, and the wait a reading of its own
                raise NotExecutedError(
                    "another policy was finding out whether the create call exists",
                    attempted="creating an assignment",
                )
        try:
            if self.falls_back and self.is_missing(place):
                raise RouteMissingError(
                    "another policy of this run has met the missing route",
                    attempted="creating an assignment",
                )
            with self._learning(place):
                yield
        finally:
            self._first.release()

    @contextmanager
    def _learning(self, place: Place) -> Iterator[None]:
        try:
            yield
        except RouteMissingError:
            is_first = False not in self._exists.values()
            self._exists[place] = False
            if self.falls_back and is_first:
                self._progress.note(_note(everywhere=True not in self._exists.values()))
            raise
        self._exists.setdefault(place, True)


def _note(*, everywhere: bool) -> str:
    if everywhere:
        return (
            "note: this tenant has no create call (POST .../assignments), as is usual; "
            "writing with assign"
        )
    return (
        "note: this tenant has the create call (POST .../assignments) for some policies only; "
        "writing the others with assign"
    )
