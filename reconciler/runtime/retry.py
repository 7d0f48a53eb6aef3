"""Repeat a call for as long as it fails in a way that may pass. Waiting is the caller's: no I/O here."""

from __future__ import annotations

import email.utils
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NoReturn

from tenacity import RetryCallState, Retrying, retry_if_exception_type

from reconciler.model.errors import ReconcilerError


class TransientError(Exception):
    """A call failed in a way that may pass.

    ``error`` is what to raise when it does not; ``tries`` bounds the attempts, None for as long as
    the deadline allows; ``wait`` is what the service asked for in seconds, None where it named
    nothing.
    """

    def __init__(
        self, error: ReconcilerError, *, tries: int | None, wait: float | None = None
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.tries = tries
        self.wait = wait


def repeating(
    wait: Callable[[TransientError, int], float], sleep: Callable[[float, str], None]
) -> Retrying:
    """Make the loop that repeats a call while it raises `TransientError`.

    ``wait`` gets the fault and the number of the attempt, counted from 1, and gives seconds;
    ``sleep`` gets them and the text of the fault, for the message where the deadline ends it.
    """
    fault = ""

    def seconds(state: RetryCallState) -> float:
        nonlocal fault
        transient = _fault(state)
        fault = str(transient)
        return wait(transient, state.attempt_number)

    return Retrying(
        retry=retry_if_exception_type(TransientError),
        stop=_is_exhausted,
        wait=seconds,
        sleep=lambda pause: sleep(pause, fault),
        retry_error_callback=_give_up,
    )


def _fault(state: RetryCallState) -> TransientError:
    fault = state.outcome.exception() if state.outcome else None
    if not isinstance(fault, TransientError):
        raise AssertionError("only transient faults are repeated")  # noqa: TRY004 - a broken promise
    return fault


def _is_exhausted(state: RetryCallState) -> bool:
    tries = _fault(state).tries
    return tries is not None and state.attempt_number >= tries


def _give_up(state: RetryCallState) -> NoReturn:
    raise _fault(state).error


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

        Retry-After: 0 still waits 1 s from the third attempt on.
        """
        if asked is None:
            return self.seconds(attempt)
        return max(asked, 1.0) if attempt > 2 else asked


def retry_after_of(headers: Mapping[str, str], now: datetime) -> float | None:
    """Read how many seconds a response asks to wait: an integer, a decimal, or an HTTP date.

    ``headers`` may be spelt in any letter case. A date counts from the response's own ``Date``, so
    that a wrong clock on this machine changes nothing; ``now`` takes its place where there is none.
    None where nothing usable is asked for.
    """
    lowered = {name.casefold(): value for name, value in headers.items()}
    value = lowered.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        moment = http_date(value)
        sent = http_date(lowered.get("date", "")) or now
        return None if moment is None else max(0.0, (moment - sent).total_seconds())
    return seconds if 0 <= seconds < float("inf") else None


def http_date(value: str) -> datetime | None:
    """Read a date of HTTP, in UTC where it names no zone; None where it is none."""
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (ValueError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
