"""Choose between the documented create call and ``assign``, and remember what Graph answered.

Real tenants have no route for POST .../assignments (graph.md section 2). Under ``auto`` the run
finds that out once, not once per policy.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from enum import StrEnum

from reconciler.model.errors import NotExecutedError, RouteMissingError
from reconciler.model.plan import Change, Create
from reconciler.model.ports import Progress, Receipt
from reconciler.model.state import Writes


class WriteMethod(StrEnum):
    """How a policy's changes go out: one request each, or the whole set in one."""

    CREATE = "create"
    ASSIGN = "assign"


class Route:
    """The choice for one run. Safe to share between threads.

    Graph lacks routes type by type (graph.md section 2). Where the first create of the run meets a
    missing one it is taken to be missing everywhere; where one family has it and another has not,
    each is remembered by itself.
    """

    def __init__(self, writes: Writes, progress: Progress) -> None:
        self._writes = writes
        self._progress = progress
        self._first = threading.Lock()
        self._exists: dict[str, bool] = {}

    def method(self, family: str, changes: Sequence[Change]) -> WriteMethod:
        """Choose the call for these changes; ``auto`` creates where nothing but creates is due."""
        if self._writes is Writes.CREATE:
            return WriteMethod.CREATE
        if self._writes is Writes.ASSIGN or self._is_missing(family):
            return WriteMethod.ASSIGN
        only_creates = all(isinstance(change, Create) for change in changes)
        return WriteMethod.CREATE if only_creates else WriteMethod.ASSIGN

    def create(self, family: str, call: Callable[[], Receipt]) -> Receipt:
        """Make a create call. Until one has been answered the others wait for it.

        Raises `NotExecutedError` to those that waited, as the reading they stand on has aged.
        """
        if self._exists.get(family):
            return call()
        if not self._first.acquire(blocking=False):
            with self._first:  # what it learns is worth the wait, and the wait a reading of its own
                raise NotExecutedError(
                    "another policy was finding out whether the create call exists",
                    attempted="creating an assignment",
                )
        try:
            return self._find_out(family, call)
        finally:
            self._first.release()

    def _find_out(self, family: str, call: Callable[[], Receipt]) -> Receipt:
        if self._is_missing(family) and self.falls_back:
            raise RouteMissingError(
                "another policy of this run has met the missing route",
                attempted="creating an assignment",
            )
        try:
            receipt = call()
        except RouteMissingError:
            self._remember_missing(family)
            raise
        self._exists[family] = True
        return receipt

    @property
    def falls_back(self) -> bool:
        """Whether ``assign`` may be taken where the create call does not exist."""
        return self._writes is Writes.AUTO

    def _is_missing(self, family: str) -> bool:
        nowhere = bool(self._exists) and not any(self._exists.values())
        return not self._exists.get(family, not nowhere)

    def _remember_missing(self, family: str) -> None:
        is_first = not self._exists
        self._exists[family] = False
        if self.falls_back and is_first:
            self._progress.note(
                "note: this tenant has no create call (POST .../assignments), as is usual; "
                "writing with assign"
            )
