"""Do the same for several tenant roots side by side, within one bound on requests."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from reconciler.graph.parallel import in_parallel
from reconciler.runtime.deadline import Deadline

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Share:
    """How many roots go on at the same time, and how many requests each of them may have in flight."""

    roots: int
    requests: int


def share(parallelism: int, roots: int) -> Share:
    """Divide ``parallelism``, the bound on requests in flight in all, between the roots.

    The product of the two numbers never exceeds it. A root keeps its part to the end: where the
    others are done it does not become faster.
    """
    at_once = max(1, min(parallelism, roots))
    return Share(at_once, max(1, parallelism // at_once))


class SpareTime:
    """How long each root may wait for what a plan can do without.

    Roots that have not begun need time too. While some have not, a root may wait half of an equal
    part of what is left of the run's time, and then all that is left.
    """

    def __init__(self, deadline: Deadline, *, roots: int, at_once: int) -> None:
        self._deadline = deadline
        self._at_once = at_once
        self._left = roots
        self._lock = threading.Lock()

    def seconds(self) -> float:
        """Seconds that a root may wait, counted from now."""
        later = math.ceil(max(0, self._left - self._at_once) / self._at_once)
        remaining = self._deadline.remaining()
        return remaining / (2 * (later + 1)) if later else remaining

    def root_ended(self) -> None:
        """Count one root less."""
        with self._lock:
            self._left -= 1


def try_each(
    roots: Sequence[Path], work: Callable[[Path], T], *, at_once: int
) -> list[T | Exception]:
    """Do the work for every root, ``at_once`` at a time; give results or failures in order.

    A failure stops no other root. Ctrl-C ends the wait for all of them.
    """
    return in_parallel([partial(_try, work, root) for root in roots], workers=at_once)


def _try(work: Callable[[Path], T], root: Path) -> T | Exception:
    try:
        return work(root)
    except Exception as failure:  # noqa: BLE001 - whoever shows this root raises it again
        return failure
