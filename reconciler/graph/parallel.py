"""Run a few calls side by side, in order of their results, and stop all when one fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
T = TypeVar("T")

_LOOK = 0.2
"""Seconds."""


@dataclass(frozen=True, slots=True)
class _End(Generic[T]):
    """How one call ended."""

    number: int
    results: tuple[T, ...] = ()
    error: BaseException | None = None


def in_parallel(calls: Sequence[Callable[[], T]], *, workers: int) -> list[T]:
    """Make the calls, at most ``workers`` at a time, and list their results in the calls' order.

    The first exception ends the run: calls not yet begun never are, and calls in flight are not
    waited for. The threads are daemons for the same reason: one that waits out a Retry-After must
    hold up neither the error nor Ctrl-C, as those of a ThreadPoolExecutor would at exit.
    """
    if len(calls) <= 1 or workers == 1:
        return [call() for call in calls]
    ends: SimpleQueue[_End[T]] = SimpleQueue()
    stop = _start(calls, workers, ends)
    results: dict[int, T] = {}
    try:
        for _ in calls:
            end = _next(ends)
            if end.error is not None:
                raise end.error
            results[end.number] = end.results[0]
    finally:
        stop.set()
    return [results[number] for number in range(len(calls))]


def in_parallel_within(
    seconds: float, calls: Sequence[Callable[[], T]], *, workers: int
) -> dict[int, T]:
    """As `in_parallel`, but end after so many seconds: the results that are there, by the call's number.

    Calls in flight are not waited for any longer, whatever they wait for.
    """
    ends: SimpleQueue[_End[T]] = SimpleQueue()
    limit = time.monotonic() + seconds
    stop = _start(calls, workers, ends)
    results: dict[int, T] = {}
    try:
        while len(results) < len(calls) and time.monotonic() < limit:
            with suppress(Empty):
                end = ends.get(timeout=_LOOK)
                if end.error is not None:
                    raise end.error
                results[end.number] = end.results[0]
    finally:
        stop.set()
    return results


def _start(
    calls: Sequence[Callable[[], T]], workers: int, ends: SimpleQueue[_End[T]]
) -> threading.Event:
    """Let threads make the calls and put how each ended into ``ends``; none begins after the event."""
    left = iter(enumerate(calls))
    stop = threading.Event()
    lock = threading.Lock()

    def work() -> None:
        while not stop.is_set():
            with lock:
                number, call = next(left, (-1, None))
            if call is None:
                return
            try:
                ends.put(_End(number, (call(),)))
            except BaseException as error:  # noqa: BLE001 - it is raised again below, in the caller's thread
                ends.put(_End(number, error=error))
                return

    for _ in range(min(workers, len(calls))):
        threading.Thread(target=work, name="reconciler-reader", daemon=True).start()
    return stop


def three_in_parallel(
    first: Callable[[], A], second: Callable[[], B], third: Callable[[], C], *, workers: int
) -> tuple[A, B, C]:
    """As `in_parallel`, for three calls whose results are of three types."""
    firsts: list[A] = []
    seconds: list[B] = []
    thirds: list[C] = []
    in_parallel(
        [
            lambda: firsts.append(first()),
            lambda: seconds.append(second()),
            lambda: thirds.append(third()),
        ],
        workers=workers,
    )
    return firsts[0], seconds[0], thirds[0]


def _next(ends: SimpleQueue[_End[T]]) -> _End[T]:
    """Wait in short waits: Python runs a signal's handler only between two of the main thread's."""
    while True:
        try:
            return ends.get(timeout=_LOOK)
        except Empty:
            continue
