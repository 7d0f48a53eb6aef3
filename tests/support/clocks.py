"""Time for tests: a clock that stands still, and jitter without chance. No test stands here."""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime, timedelta

from reconciler.applier.run import LAST_LOOK_WAIT
from reconciler.model.errors import Interrupted

START = 1_795_000_000.0


class FakeClock:
    """Time that passes only when somebody sleeps. ``interrupt_at`` is the sleep that Ctrl-C ends."""

    def __init__(self, *, start=START, interrupt_at=None):
        self.start = start
        self.slept = []
        self.interrupt_at = interrupt_at
        self.is_stopped = False
        self._elapsed = 0.0
        self._lock = threading.Lock()

    def now(self):
        return datetime.fromtimestamp(self.start, UTC) + timedelta(seconds=self._elapsed)

    def timestamp(self):
        return self.start + self._elapsed

    def monotonic(self):
        return self._elapsed

    def advance(self, seconds):
        with self._lock:
            self._elapsed += seconds

    def set_wall(self, seconds):
        """Set the wall clock on, or back; the monotonic clock takes no notice."""
        with self._lock:
            self.start += seconds

    @property
    def waits(self):
        """What was slept, without the moment before the last look of an apply."""
        return [seconds for seconds in self.slept if seconds != LAST_LOOK_WAIT]

    def stop(self):
        self.is_stopped = True

    def sleep(self, seconds):
        with self._lock:
            self.slept.append(seconds)
            if self.interrupt_at == len(self.slept):
                self.is_stopped = True
            if self.is_stopped:
                raise Interrupted("stopped by the user")
            self._elapsed += seconds


class Middle(random.Random):
    """The highest wait, always: jitter without chance."""

    def uniform(self, a, b):
        return b
