"""Processes under measurement: what one takes, and a sandbox in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

RECONCILER = (sys.executable, "-m", "reconciler")


@dataclass(frozen=True)
class Usage:
    """What a whole process took: seconds of processor time, and its largest memory in MiB."""

    seconds: float
    mebibytes: float


_STARTER = """
import json, os, sys
process = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, taken = os.wait4(process, 0)
code = os.waitstatus_to_exitcode(status)
with open(sys.argv[1], "w") as result:
    json.dump([code, taken.ru_utime + taken.ru_stime, taken.ru_maxrss], result)
"""
"""A process counts the memory that it was started from as its own, so it is started from a small one."""


def usage_of(
    command: Sequence[str],
    *,
    codes: Sequence[int] = (0,),
    environ: Mapping[str, str] = MappingProxyType({}),
) -> Usage:
    """Run a process to its end. Raises `RuntimeError` for another exit code."""
    with tempfile.NamedTemporaryFile("r") as result:
        ran = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _STARTER, result.name, *command],
            capture_output=True,
            env={**os.environ, **environ},
            check=True,
        )
        code, seconds, memory = json.load(result)
    if code not in codes:
        raise RuntimeError(f"{command}: {ran.stderr[-2000:].decode()}")
    return Usage(seconds, memory / (1024**2 if sys.platform == "darwin" else 1024))


@dataclass(frozen=True)
class Served:
    """A sandbox that serves: its address, and the log that has a line for each request."""

    url: str
    log: Path

    @property
    def environ(self) -> Mapping[str, str]:
        """What leads the program to it."""
        return {"RECONCILER_GRAPH_URL": self.url, "RECONCILER_ACCESS_TOKEN": "any"}

    @property
    def requests(self) -> int:
        """Requests so far."""
        return sum('"' in line for line in self.log.read_text(encoding="utf-8").splitlines())


@contextmanager
def serving(tenant_file: Path) -> Iterator[Served]:
    """Serve a tenant file on loopback, in another process."""
    log = tenant_file.with_suffix(".log")
    command = [*RECONCILER, "sandbox", str(tenant_file), "--port", "0", "--verbose"]
    with log.open("w") as stream:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stream, text=True)
    assert process.stdout is not None
    try:
        yield Served(process.stdout.readline().strip(), log)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
