"""Choose between the documented create call and ``assign``, and remember what Graph answered.

Real tenants have no route for POST .../assignments (graph.md section 2). Under ``auto`` the run
finds that out once, not once per policy.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from enum import StrEnum

from reconciler.errors import RouteMissingError
from reconciler.model import Writes
from reconciler.plan import Create, Operation
from reconciler.ports import Progress, Receipt


class Method(StrEnum):
    """How a policy's operations go out: one request each, or the whole set in one."""

    CREATE = "create"
    ASSIGN = "assign"


class Route:
    """The choice for one run. Safe to share between threads."""

    def __init__(self, writes: Writes, progress: Progress) -> None:
        self._writes = writes
        self._progress = progress
        self._first = threading.Lock()
        self._create_exists: bool | None = None

    def method(self, operations: Sequence[Operation]) -> Method:
        """Choose the call for these operations; ``auto`` creates where nothing but creates is due."""
        if self._writes is Writes.CREATE:
            return Method.CREATE
        if self._writes is Writes.ASSIGN or self._create_exists is False:
            return Method.ASSIGN
        only_creates = all(isinstance(operation, Create) for operation in operations)
        return Method.CREATE if only_creates else Method.ASSIGN

    def create(self, call: Callable[[], Receipt]) -> Receipt:
        """Make a create call. Until one has been answered the others queue up behind it."""
        if self._create_exists:
            return call()
        with self._first:
            if self._create_exists is False and self.falls_back:
                raise RouteMissingError(
                    "another policy of this run has met the missing route",
                    attempted="creating an assignment",
                )
            try:
                receipt = call()
            except RouteMissingError:
                self._remember_missing()
                raise
            self._create_exists = True
            return receipt

    @property
    def falls_back(self) -> bool:
        """Whether ``assign`` may be taken where the create call does not exist."""
        return self._writes is Writes.AUTO

    def _remember_missing(self) -> None:
        self._create_exists = False
        if self.falls_back:
            self._progress.note(
                "this tenant has no route for the documented create call (POST .../assignments); "
                "writing with assign for the rest of the run"
            )
