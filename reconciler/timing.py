"""The run's one deadline, the waits between attempts, the pace of writes. Pure but for its clock."""

from __future__ import annotations

import email.utils
import random
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from reconciler.errors import DeadlineError
from reconciler.ports import Clock


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
                f"({self.seconds:.0f} s); run again, or allow more time with --timeout"
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
                f"{doing}: the time is up (--timeout {self.seconds:.0f} s); "
                "run again, or allow more time with --timeout"
            )


class Backoff:
    """How long to wait where Graph names no time: exponential, half of it random. In seconds."""

    BASE = 1.0
    CAP = 30.0

    def __init__(self, jitter: random.Random) -> None:
        self._jitter = jitter

    def seconds(self, attempt: int) -> float:
        """Seconds to wait after attempt number ``attempt``, counted from 1."""
        ceiling = min(self.CAP, self.BASE * 2.0 ** min(attempt - 1, 10))
        return self._jitter.uniform(ceiling / 2, ceiling)

    def wait(self, attempt: int, asked: float | None) -> float:
        """Seconds to wait: as Graph asks, else by back-off.

        Who is told "at once" again and again still waits a second from the third time on.
        """
        if asked is None:
            return self.seconds(attempt)
        return max(asked, 1.0) if attempt > 2 else asked


class Pacer:
    """Keeps writes under Graph's documented rate, so that a large apply meets no 429.

    100 writes in 20 seconds per app and tenant ([D] throttling-limits, Intune device
    configuration). A fifth is left free for requests that bunch up on their way, and for whatever
    else runs as the same app.
    """

    def __init__(self, clock: Clock, *, writes: int = 80, window: float = 20.0) -> None:
        self._clock = clock
        self._writes = writes
        self._window = window
        self._slots: deque[float] = deque(maxlen=writes)
        self._lock = threading.Lock()

    def reserve(self) -> float:
        """Take the next free slot, and tell how many seconds away it is."""
        with self._lock:
            now = self._clock.monotonic()
            is_full = len(self._slots) == self._writes
            slot = max(now, self._slots[0] + self._window) if is_full else now
            self._slots.append(slot)
            return slot - now


def retry_after(value: str, now: datetime) -> float | None:
    """Read a Retry-After header in seconds: an integer, a decimal, or an HTTP date.

    None where there is nothing usable in it.
    """
    try:
        seconds = float(value)
    except ValueError:
        return _until(value, now)
    return seconds if 0 <= seconds < float("inf") else None


def _until(value: str, now: datetime) -> float | None:
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
