"""Measure commands beside the floor and other tools, and print tables of ratios. A script.

    python -m tests.benchmarks.report [--sizes 100 1000 10000] [--rounds 5]
        [--octodns PATH] [--intunecd PYTHON]

Each figure is the median of pairs: the command and what it is compared with run one after the other,
so that a busy machine slows both. Seconds are not printed: they say more of the machine.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from tests.benchmarks.peers import octodns, terraform
from tests.benchmarks.processes import RECONCILER, Served, Usage, serving, usage_of
from tests.benchmarks.stages import shares
from tests.benchmarks.tenants import PER_POLICY, TENANT, Size, tenant_file, write_root

FLOOR = Path(__file__).with_name("floor.py")
INTUNECD = Path(__file__).with_name("intunecd.py")
LARGEST_APPLY = 1_000
"""Policies: at Graph's documented rate of writes, a tenth of 10,000 changed takes an hour."""


@dataclass(frozen=True)
class Prepared:
    """A tenant of one size: its YAML, and the file that a sandbox serves."""

    folder: Path
    size: Size

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def file(self) -> Path:
        return self.folder / "tenant.json"

    @classmethod
    def of(cls, size: Size, folder: Path) -> Prepared:
        write_root(size, folder / "root")
        (folder / "tenant.json").write_text(json.dumps(tenant_file(size)))
        return cls(folder, size)


def floor_of(prepared: Prepared, served: Served) -> Usage:
    return usage_of([sys.executable, str(FLOOR), str(prepared.root), served.url])


def ratios(first: Callable[[], Usage], base: Callable[[], Usage], rounds: int) -> tuple[str, str]:
    """Processor time and memory of the first against the base, as text."""
    pairs = [(first(), base()) for _ in range(rounds)]
    seconds = median(one.seconds / other.seconds for one, other in pairs)
    memory = median(one.mebibytes / other.mebibytes for one, other in pairs)
    return f"{seconds:.2f}", f"{memory:.2f}"


def line(text: str = "") -> None:
    print(text, flush=True)  # noqa: T201 - the report


def row(title: str, *cells: object) -> None:
    line(f"| {' | '.join([title, *map(str, cells)])} |")


def against_floor(
    title: str, prepared: Prepared, served: Served, arguments: Sequence[str], rounds: int
) -> None:
    """Print a line: a command beside the floor, and the requests of one run."""
    before = served.requests
    usage_of([*RECONCILER, *arguments], codes=(0, 2), environ=served.environ)
    requests = served.requests - before
    seconds, memory = ratios(
        lambda: usage_of([*RECONCILER, *arguments], codes=(0, 2), environ=served.environ),
        lambda: floor_of(prepared, served),
        rounds,
    )
    row(title, f"{prepared.size.policies:,}", seconds, memory, requests)


def commands(policies: int, folder: Path, rounds: int) -> None:
    """Every command of one size."""
    same = Prepared.of(Size(policies, every=0), folder / f"same-{policies}")
    saved, snapshot = same.folder / "plan.json", same.folder / "snapshot.json"
    empty = same.folder / "empty"
    empty.mkdir()
    (empty / "tenant.yaml").write_text(f"tenant: {TENANT}\n")
    root = str(same.root)
    with serving(same.file) as served:
        against_floor("`plan`, no changes", same, served, ["plan", root], rounds)
        out = ["plan", root, "--out", str(saved)]
        against_floor("`plan --out`, no changes", same, served, out, rounds)
        against_floor("`show` of that file", same, served, ["show", str(saved)], rounds)
        save = ["snapshot", root, "--out", str(snapshot)]
        against_floor("`snapshot`", same, served, save, rounds)
        offline = ["plan", root, "--snapshot", str(snapshot)]
        against_floor("`plan --snapshot`", same, served, offline, rounds)
        dry = ["import", str(empty), "--dry-run"]
        against_floor("`import --dry-run`", same, served, dry, rounds)
    changed = Prepared.of(Size(policies, every=4), folder / f"changed-{policies}")
    with serving(changed.file) as served:
        plan = ["plan", str(changed.root)]
        against_floor("`plan`, 10 % changes", changed, served, plan, rounds)
        if policies <= LARGEST_APPLY:
            applied(changed, served)


def applied(changed: Prepared, served: Served) -> None:
    """Print a line for one apply, which cannot be repeated on the same tenant."""
    base, before = floor_of(changed, served), served.requests
    apply = [*RECONCILER, "apply", str(changed.root), "--auto-approve"]
    taken = usage_of(apply, environ=served.environ)
    row(
        "`apply`, 10 % changes",
        f"{changed.size.policies:,}",
        f"{taken.seconds / base.seconds:.1f}",
        f"{taken.mebibytes / base.mebibytes:.2f}",
        served.requests - before,
    )


def start_up(rounds: int) -> None:
    """Print how long the program takes to start, against a bare interpreter."""
    bare = [sys.executable, "-c", "pass"]
    for title, command in {
        "`--version`": [*RECONCILER, "--version"],
        "`--help`": [*RECONCILER, "--help"],
        "`plan --help`": [*RECONCILER, "plan", "--help"],
        "`import click` alone": [sys.executable, "-c", "import click"],
    }.items():
        row(title, *ratios(partial(usage_of, command), partial(usage_of, bare), 6 * rounds))


def beside_others(folder: Path, rounds: int, octodns_sync: str | None) -> None:
    """Print a line for each other tool that is there, against a plan of as many assignments."""
    for title, tool, prepare in (
        ("terraform, `terraform_data`", shutil.which("terraform"), terraform),
        ("octoDNS, records in YAML", octodns_sync, octodns),
    ):
        if tool is None:
            row(title, "not there")
            continue
        for items in (1_000, 10_000):
            size = Size(items // PER_POLICY, every=0)
            ours = Prepared.of(size, folder / f"{Path(tool).name}-{items}")
            command = prepare(tool, items, ours.folder / "other")
            with serving(ours.file) as served:
                plan = [*RECONCILER, "plan", str(ours.root)]
                seconds, memory = ratios(
                    partial(usage_of, command),
                    partial(usage_of, plan, environ=served.environ),
                    max(rounds // 2, 1),
                )
            row(title, f"{items:,}", seconds, memory)


def beside_intunecd(folder: Path, rounds: int, python: str | None) -> None:
    """Print a line for each size: its backup of compliance policies against our snapshot."""
    if python is None:
        row("IntuneCD", "not there")
        return
    for policies in (100, 1_000):
        ours = Prepared.of(Size(policies, every=0), folder / f"intunecd-{policies}")
        backup = ours.folder / "backup"
        backup.mkdir()
        with serving(ours.file) as served:
            theirs = [python, str(INTUNECD), served.url, str(backup)]
            snapshot = ["snapshot", str(ours.root), "--out", str(ours.folder / "snapshot.json")]
            usage_of(theirs)
            requests = served.requests
            seconds, memory = ratios(
                partial(usage_of, theirs),
                partial(usage_of, [*RECONCILER, *snapshot], environ=served.environ),
                max(rounds // 2, 1),
            )
        row("IntuneCD, compliance policies", f"{policies:,}", seconds, memory, requests)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sizes", type=int, nargs="*", default=[100, 1_000, 10_000])
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--octodns", metavar="PATH", help="octodns-sync, where it is installed")
    options.add_argument(
        "--intunecd", metavar="PYTHON", help="the interpreter that has IntuneCD installed"
    )
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        row("command", "policies", "processor time / floor", "memory / floor", "requests")
        row("---", "--:", "--:", "--:", "--:")
        for size in chosen.sizes:
            commands(size, folder, chosen.rounds if size < 5_000 else 1)
        line()
        row("start-up", "processor time / bare interpreter", "memory / bare interpreter")
        row("---", "--:", "--:")
        start_up(chosen.rounds)
        line()
        row("stage", *(f"{size:,} policies" for size in chosen.sizes))
        row("---", *("--:" for _ in chosen.sizes))
        sizes = [shares(Prepared.of(Size(s, every=4), folder / f"st-{s}")) for s in chosen.sizes]
        for stage in sizes[0] if sizes else ():
            row(stage, *(f"{each[stage]:.0%}" for each in sizes))
        line()
        row("other tool, nothing to change", "items", "its time / ours", "its memory / ours")
        row("---", "--:", "--:", "--:")
        beside_others(folder, chosen.rounds, chosen.octodns)
        line()
        row(
            "other tool, saving a tenant",
            "policies",
            "its time / ours",
            "its memory / ours",
            "its requests",
        )
        row("---", "--:", "--:", "--:", "--:")
        beside_intunecd(folder, chosen.rounds, chosen.intunecd)


if __name__ == "__main__":
    main()
