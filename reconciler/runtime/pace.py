"""The pace of writes, so that a large apply stays below Graph's documented rate."""

from __future__ import annotations

import threading
from collections import deque

from reconciler.model.ports import Clock


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
