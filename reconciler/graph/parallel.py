"""Run a few calls side by side, in order of their results, and stop all when one fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def in_parallel(calls: Sequence[Callable[[], T]], *, workers: int) -> list[T]:
    """Make the calls, at most ``workers`` at a time, and list their results in the calls' order.

    The first exception ends the run: calls not yet begun never are, and calls in flight are not
    waited for, so that Ctrl-C answers at once.
    """
    if not calls:
        return []
    if len(calls) == 1 or workers == 1:
        return [call() for call in calls]
    pool = ThreadPoolExecutor(max_workers=min(workers, len(calls)))
    try:
        futures = [pool.submit(call) for call in calls]
        results = [future.result() for future in futures]
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
    return results
