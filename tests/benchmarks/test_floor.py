"""A whole plan, as a process, beside the least that any plan has to do."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.benchmarks.measure import table
from tests.benchmarks.processes import RECONCILER, serving, usage_of
from tests.benchmarks.tenants import Size, tenant_file, write_root

pytestmark = pytest.mark.benchmark

FLOOR = Path(__file__).with_name("floor.py")
ROUNDS = 3


def test_a_plan_takes_a_few_times_what_the_least_of_all_programs_takes(tmp_path):
    size = Size(300, every=0)
    root = write_root(size, tmp_path / "root")
    (tmp_path / "tenant.json").write_text(json.dumps(tenant_file(size)))
    plan = [*RECONCILER, "plan", str(root)]
    commands = {
        "floor": [sys.executable, str(FLOOR), str(root)],
        "plan": plan,
        "plan --out": [*plan, "--out", str(tmp_path / "plan.json")],
        "show": [*RECONCILER, "show", str(tmp_path / "plan.json")],
    }
    with serving(tmp_path / "tenant.json") as served:
        commands["floor"].append(served.url)
        taken = {
            name: min(
                (usage_of(command, environ=served.environ) for _ in range(ROUNDS)),
                key=lambda usage: usage.seconds,
            )
            for name, command in commands.items()
        }
    floor, made = taken["floor"], taken["plan"]
    rows = [
        (name, f"{each.seconds / floor.seconds:.2f}", f"{each.mebibytes / floor.mebibytes:.2f}")
        for name, each in taken.items()
    ]
    table("3,000 assignments, as declared", [("command", "time", "memory"), *rows])
    assert made.seconds < 3.5 * floor.seconds  # measured: 2.4
    assert made.mebibytes < 2 * floor.mebibytes  # measured: 1.4
    assert taken["plan --out"].mebibytes < 1.3 * made.mebibytes  # measured: 1.0
    assert taken["show"].mebibytes < 1.3 * made.mebibytes  # measured: 0.9
