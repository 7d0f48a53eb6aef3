"""Measuring: the best of a few runs, in processor time, and a table for people (pytest -s)."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from time import process_time


def best(work: Callable[[], object], *, runs: int = 3) -> float:
    """Seconds of processor time; the best run is the one that the machine disturbed least.

    The collector rests meanwhile, as under timeit, and nearly does in the program itself.
    """
    taken = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(runs):
            began = process_time()
            work()
            taken.append(process_time() - began)
    finally:
        gc.enable()
    return min(taken)


def table(title: str, rows: Iterable[tuple[str, ...]]) -> None:
    """Print aligned columns."""
    listed = [tuple(map(str, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*listed, strict=True)]
    print(f"\n{title}")  # noqa: T201 - for people, with pytest -s
    for row in listed:
        cells = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        print("  ", "  ".join(cells))  # noqa: T201
