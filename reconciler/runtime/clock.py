"""The machine's clock, and the user's wish to stop. Does I/O."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType

from reconciler.model.errors import Interrupted

_STOPPING = "stopping once the writes in flight are settled; press Ctrl-C again to stop at once"


class SystemClock:
    """Implements `reconciler.model.ports.Clock`; a request to stop ends every wait."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    def now(self) -> datetime:
        """The wall clock, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds from an arbitrary start."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait. Raises `Interrupted` as soon as the user asks to stop."""
        if self._stop.wait(seconds):
            raise Interrupted("stopped by the user")

    @property
    def is_stopped(self) -> bool:
        """Whether the user has asked to stop."""
        return self._stop.is_set()

    @contextmanager
    def stopping_gently(self, note: Callable[[str], None]) -> Iterator[None]:
        """While inside, the first Ctrl-C, SIGTERM or SIGHUP asks to stop; the second one stops at once.

        ``note`` tells the user so: without a message, people press twice. It is called from a thread,
        as the lock of a terminal may be held by what the signal has interrupted. Only the main
        thread may enter: Python hands signals to no other.
        """

        def ask(_signal: int, _frame: FrameType | None) -> None:
            if self._stop.is_set():
                raise KeyboardInterrupt
            self._stop.set()
            threading.Thread(target=note, args=(_STOPPING,), daemon=True).start()

        former = {number: signal.signal(number, ask) for number in _signals_to_stop()}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)


def _signals_to_stop() -> Iterator[signal.Signals]:
    """The signals that ask a run to stop; a hang-up that nohup has switched off stays so."""
    yield signal.SIGINT
    yield signal.SIGTERM
    hang_up = getattr(signal, "SIGHUP", None)  # Windows has none
    if hang_up is not None and signal.getsignal(hang_up) is not signal.SIG_IGN:
        yield hang_up
