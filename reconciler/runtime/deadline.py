"""The run's one deadline: every wait and every call is bounded by it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.model.errors import DeadlineError
from reconciler.model.ports import Clock


class Deadline:
    """The one limit on the time of a whole run, in seconds from when it is made."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.seconds = seconds
        self._clock = clock
        self._end = clock.monotonic() + seconds
        self._grace = threading.local()

    def remaining(self) -> float:
        """Seconds left, never negative."""
        extra: float = getattr(self._grace, "seconds", 0.0)
        return max(0.0, self._end + extra - self._clock.monotonic())

    @contextmanager
    def grace(self, seconds: float) -> Iterator[None]:
        """While inside, this thread alone has a little longer: to see how its last write went."""
        over = max(0.0, self._clock.monotonic() - self._end)
        self._grace.seconds = over + seconds
        try:
            yield
        finally:
            self._grace.seconds = 0.0

    def sleep(self, seconds: float, reason: str) -> None:
        """Wait, or raise `DeadlineError` at once where that would take longer than is left."""
        if seconds >= self.remaining():
            raise DeadlineError(
                f"{reason}; waiting {seconds:.0f} s more would go over --timeout "
                f"({self.seconds:g} s); run again, or allow more time with --timeout"
            )
        self._clock.sleep(seconds)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """While inside, the time does not count: a person is thinking."""
        began = self._clock.monotonic()
        try:
            yield
        finally:
            self._end += self._clock.monotonic() - began

    def check(self, doing: str) -> None:
        """Raise `DeadlineError` once the time is up."""
        if self.remaining() <= 0:
            raise DeadlineError(
                f"{doing}: the time is up (--timeout {self.seconds:g} s); "
                "run again, or allow more time with --timeout"
            )
