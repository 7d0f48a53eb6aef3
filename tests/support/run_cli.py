"""Runs the command as a user does: in a process of its own, with pipes or on a pseudo-terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXAMPLE = Path(__file__).parents[2] / "desired-state"
TENANT = "7d2f9a54-51d8-4c0e-9b57-0c1f5d6c7a11"
OTHER_TENANT = "00000000-51d8-4c0e-9b57-0c1f5d6c7a11"
COMMAND = (sys.executable, "-m", "reconciler")
TIME_LIMIT = 30.0
"""Seconds after which a process that hangs fails its test."""

_TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it said."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    @property
    def error(self) -> str:
        """The line on stderr that says why it failed."""
        return next(
            (line for line in self.stderr.splitlines() if line.startswith("Error: ")), ""
        ).removeprefix("Error: ")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Nothing of whoever runs the tests but the way to Python, and whether coverage is measured."""
    names = ("PATH", "LANG", "TMPDIR", "COVERAGE_PROCESS_CONFIG")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return {**kept, "LC_ALL": "C.UTF-8", "TERM": "xterm", **(extra or {})}


def run(
    *arguments: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
) -> Ran:
    """Run to the end, with pipes for stdout and stderr and, unless given, nothing on stdin."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=environment(env),
        input=None if stdin is None else stdin.encode(),
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        timeout=TIME_LIMIT,
        check=False,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


class Terminal:
    """A command on a pseudo-terminal; ``screen`` is everything that it has shown so far."""

    def __init__(
        self,
        arguments: Sequence[str | Path],
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        columns: int = 100,
        stdout: Path | None = None,
    ) -> None:
        self.screen = ""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        redirected = slave if stdout is None else os.open(stdout, os.O_WRONLY | os.O_CREAT)
        self.process = subprocess.Popen(
            [sys.executable, "-c", _TAKE_TERMINAL, *COMMAND, *map(str, arguments)],
            cwd=cwd,
            env=environment(env),
            stdin=slave,
            stdout=redirected,
            stderr=slave,
            start_new_session=True,
        )
        for descriptor in {slave, redirected}:
            os.close(descriptor)

    def wait_for(self, text: str) -> None:
        """Read until the text is on the screen."""
        deadline = time.monotonic() + TIME_LIMIT
        while text not in self.screen:
            if not self._read(deadline):
                raise AssertionError(f"{text!r} never came; the screen:\n{self.screen}")

    def send(self, keys: str) -> None:
        """Press keys; \\x03 is Ctrl-C and \\x04 is Ctrl-D."""
        os.write(self._master, keys.encode())

    def finish(self) -> int:
        """Read to the end, and give the exit code."""
        deadline = time.monotonic() + TIME_LIMIT
        while self._read(deadline):
            pass
        return self.process.wait(TIME_LIMIT)

    def has_ended(self, *, within: float) -> bool:
        """Whether the process ends within so many seconds."""
        try:
            self.process.wait(within)
        except subprocess.TimeoutExpired:
            return False
        return True

    @property
    def text(self) -> str:
        """The screen without colours and cursor movements."""
        return plain(self.screen).replace("\r\n", "\n")

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise AssertionError(f"nothing more came in time; the screen:\n{self.screen}")
        try:
            found = os.read(self._master, 65536)
        except OSError:  # Linux says EIO where the last process has let go of the terminal
            return False
        self.screen += found.decode(errors="replace")
        return bool(found)

    def hang_up(self) -> None:
        """Close the terminal, as a window that is shut or a line that breaks does."""
        os.close(self._master)
        self._master = -1

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self._master >= 0:
            os.close(self._master)


@contextmanager
def terminal(
    *arguments: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    columns: int = 100,
    stdout: Path | None = None,
) -> Iterator[Terminal]:
    """Run on a pseudo-terminal; whatever happens, no process outlives the test.

    ``stdout`` is a file to redirect that stream to, as a shell does.
    """
    opened = Terminal(arguments, cwd=cwd, env=env, columns=columns, stdout=stdout)
    try:
        yield opened
    finally:
        opened.close()


def plain(text: str) -> str:
    """Take colours and cursor movements away."""
    return _ANSI.sub("", text)


def copy_example(folder: Path) -> Path:
    """Put the example tenant root into a folder of the test's own."""
    root = folder / "desired-state"
    shutil.copytree(EXAMPLE, root, ignore=shutil.ignore_patterns(".reconciler"))
    return root


def give_tenant(root: Path, tenant_id: str) -> None:
    """Let a copy of the example be about another tenant, and its sandbox be that tenant."""
    for file in (root / "tenant.yaml", root / "sandbox.json"):
        file.write_text(file.read_text().replace(TENANT, tenant_id))


def kept_tenant(root: Path) -> dict[str, Any]:
    """What the embedded Graph holds now: the file that its writes are kept in."""
    kept = sorted((root / ".reconciler").glob("sandbox-*.json"))
    found: dict[str, Any] = json.loads((kept[0] if kept else root / "sandbox.json").read_text())
    return found


@contextmanager
def served(tenant: Path, *options: str | Path, cwd: Path) -> Iterator[dict[str, str]]:
    """Serve a tenant file on loopback; gives the environment that leads the program there."""
    server = subprocess.Popen(
        [*COMMAND, "sandbox", str(tenant), "--port", "0", *map(str, options)],
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        yield {"RECONCILER_GRAPH_URL": url, "RECONCILER_ACCESS_TOKEN": "any"}
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=TIME_LIMIT)
