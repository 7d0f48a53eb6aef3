"""How long the program takes to start, against a bare interpreter."""

from __future__ import annotations

import subprocess
import sys
from time import perf_counter

import pytest

from tests.benchmarks.measure import table

pytestmark = pytest.mark.benchmark


def seconds(*arguments, runs=7):
    """The best whole run of a process."""
    taken = []
    for _ in range(runs):
        began = perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        taken.append(perf_counter() - began)
    return min(taken)


def test_help_costs_a_few_bare_interpreters():
    bare = seconds("-c", "")
    clicked = seconds("-c", "import click")
    shown = {
        command: seconds("-m", "reconciler", *command.split())
        for command in ("--version", "--help", "plan --help")
    }
    rows = [(name, f"{each * 1e3:.0f}", f"{each / bare:.1f}") for name, each in shown.items()]
    table(
        f"start-up; a bare interpreter takes {bare * 1e3:.0f} ms, import click {clicked * 1e3:.0f}",
        [("command", "ms", "ratio"), *rows],
    )
    assert {name: each for name, each in shown.items() if each > 3 * clicked + bare} == {}
