"""The real command on a socket, killed or stopped at any request: run again, it converges."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from reconciler.sandbox import Fault, SandboxServer
from tests.support.clocks import FakeClock
from tests.support.in_process import CANARY, Run, app_on
from tests.support.run_cli import COMMAND, TIME_LIMIT, environment
from tests.support.tenants import KIOSKS, declare, group, live, opaque, policy_id, target, tenant

COUNT = 4
KEPT = {
    number: [
        target("group", group(1), mode="exclude", filter_id=KIOSKS),
        opaque(9),
        live(policy_id(number), target("group", group(7)), source="policySets"),
    ]
    for number in range(1, COUNT + 1)
}
WANTED = {
    f"Policy {number}": ["group: Group 2", "{group: Group 3, filter: {include: Corporate}}"]
    for number in KEPT
}


class Watched:
    """A sandbox on a socket that acts on the running command when a certain request arrives."""

    def __init__(self, *, mode="production", faults=()):
        self.app = app_on(tenant(KEPT), FakeClock(), mode=mode, faults=faults)
        self.before = {own: self.app.state.assignments_of(own) for own in map(policy_id, KEPT)}
        self.started = threading.Event()
        self.process = None
        self.stderr = None
        self.plan = None
        self._lock = threading.Lock()
        self._number = {"any": 0, "write": 0}

    def at(self, counted, number, when, act):
        """``act`` gets the process; ``counted`` is "any" request or "write" alone."""
        self.plan = (counted, number, when, act)

    def __call__(self, environ, start_response):
        due = self._due(environ)
        if due == "before":
            self._act()
        content = b"".join(self.app(environ, start_response))
        if due == "after":
            self._act()
        return [content]

    def _due(self, environ):
        is_write = "/assign" in environ["PATH_INFO"] and environ["REQUEST_METHOD"] != "GET"
        with self._lock:
            self._number["any"] += 1
            self._number["write"] += is_write
            if self.plan is None:
                return None
            counted, number, when, _ = self.plan
            is_due = self._number[counted] == number and (is_write or counted == "any")
            return when if is_due else None

    def _act(self):
        (_, _, _, act), self.plan = self.plan, None
        assert self.started.wait(TIME_LIMIT)
        act(self.process)


def command(graph, url, root, *options):
    """Run apply to its end; gives exit code, stdout and stderr."""
    graph.started.clear()
    graph.stderr = root.parent / "stderr"
    with graph.stderr.open("wb") as stderr:
        graph.process = subprocess.Popen(
            [*COMMAND, "apply", str(root), "--auto-approve", *map(str, options)],
            cwd=root.parent,
            env=environment({"RECONCILER_GRAPH_URL": url, "RECONCILER_ACCESS_TOKEN": CANARY}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    graph.started.set()
    try:
        stdout, _ = graph.process.communicate(timeout=TIME_LIMIT)
    finally:
        graph.process.kill()
    return graph.process.returncode, stdout, graph.stderr.read_text()


def stop(number):
    """Send a signal, and go on once the process has taken it."""

    def send(process):
        process.send_signal(number)
        status = Path(f"/proc/{process.pid}/status")
        while status.exists() and _is_pending(status.read_text(), number):
            os.sched_yield()

    return send


def _is_pending(status, number):
    masks = [line.split()[1] for line in status.splitlines() if line[:7] in ("SigPnd:", "ShdPnd:")]
    return any(int(mask, 16) >> (number - 1) & 1 for mask in masks)


def kill(process):
    process.kill()
    process.wait(TIME_LIMIT)


def direct(assignments):
    return [json.dumps(a["target"]) for a in assignments if a["source"] == "direct"]


def nothing_is_lost(graph):
    for own, before in graph.before.items():
        after = graph.app.state.assignments_of(own)
        assert [a for a in after if a["source"] != "direct"] == [
            a for a in before if a["source"] != "direct"
        ]
        now = direct(after)
        assert set(direct(before)) <= set(now)
        assert len(now) == len(set(now))


def journal_lines(path: Path):
    """Every line that was finished; the last one may have been cut by the kill."""
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]] if path.exists() else []


@pytest.mark.parametrize("seed", range(22))
def test_killed_at_any_request_and_run_again_it_converges(tmp_path, seed):
    chance = random.Random(seed)
    mode, writes = chance.choice(
        [
            ("production", "auto"),
            ("production", "assign"),
            ("documented", "create"),
            ("documented", "auto"),
        ]
    )
    graph = Watched(mode=mode)
    root = declare(tmp_path / "root", WANTED, writes=writes)
    journal = tmp_path / "journal"
    options = ("--parallelism", chance.choice([1, 4]), "--journal", journal)
    counted = chance.choice(["write", "write", "any"])
    number = chance.randint(1, COUNT if counted == "write" else 16)
    graph.at(counted, number, chance.choice(["before", "after"]), kill)

    with SandboxServer(graph) as server:
        killed, _, _ = command(graph, server.url, root, *options)
        nothing_is_lost(graph)
        code, stdout, stderr = command(graph, server.url, root, *options)

    assert killed == -signal.SIGKILL
    assert (code, stderr.count("Error")) == (0, 0), stderr
    nothing_is_lost(graph)
    for own in graph.before:
        assert len(direct(graph.app.state.assignments_of(own))) == 4
    assert Run(graph.app, root).plan().is_empty
    assert [line["event"] for line in journal_lines(journal)].count("run") >= 1
    assert CANARY not in stdout + stderr + journal.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_settles_the_write_in_flight_and_tries_no_other(tmp_path, number):
    graph = Watched()
    root = declare(tmp_path / "root", WANTED, writes="assign")
    graph.at("write", 2, "before", stop(number))

    with SandboxServer(graph) as server:
        code, stdout, stderr = command(graph, server.url, root, "--parallelism", 1)

    done, _, rest = stdout.partition("Not tried:")
    assert code == 130
    assert "Applied and read back:\n  Policy 1" in done
    assert "Policy 2" in done.split("Applied and read back:")[1]
    assert [f"Policy {n}" in rest for n in (1, 2, 3, 4)] == [False, False, True, True]
    assert "Apply incomplete: 4 added" in stdout
    assert "Traceback" not in stderr
    nothing_is_lost(graph)
    assert sum(1 for _, path, _ in graph.app.requests if path.endswith("/assign")) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_ends_a_long_wait_at_once(tmp_path, number):
    graph = Watched(faults=[Fault("status", code=429, retry_after="500", path="/assign$")])
    root = declare(tmp_path / "root", WANTED, writes="assign")
    graph.at("write", 1, "after", stop(number))

    with SandboxServer(graph) as server:
        code, stdout, _ = command(graph, server.url, root, "--parallelism", 1)

    assert code == 130
    assert "stopped by the user" in stdout
    assert "4 not tried" in stdout
    assert all(graph.app.state.assignments_of(own) == was for own, was in graph.before.items())


def test_a_stop_while_still_reading_writes_nothing(tmp_path):
    graph = Watched()
    root = declare(tmp_path / "root", WANTED)
    graph.at("any", 2, "before", stop(signal.SIGINT))

    with SandboxServer(graph) as server:
        code, _, stderr = command(graph, server.url, root)

    assert code == 130
    assert "Traceback" not in stderr
    assert all(method == "GET" or "$batch" in path for method, path, _ in graph.app.requests)


@pytest.mark.parametrize("counted", ["any", "write"])
def test_a_graph_that_never_answers_is_given_up_on_in_time(tmp_path, counted):
    graph = Watched()
    root = declare(tmp_path / "root", WANTED, writes="assign")
    graph.at(counted, 1, "before", lambda process: process.wait(TIME_LIMIT))

    with SandboxServer(graph) as server:
        code, stdout, stderr = command(
            graph, server.url, root, "--parallelism", 1, "--timeout", 1.5
        )

    assert code == 1
    assert "--timeout (1.5 s)" in " ".join((stdout + stderr).split())
    assert "Traceback" not in stderr
    if counted == "write":
        assert "Outcome unknown:\n  Policy 1" in stdout


def test_a_second_ctrl_c_waits_for_nobody(tmp_path):
    graph = Watched()
    root = declare(tmp_path / "root", WANTED, writes="assign")

    left, told = [], threading.Event()

    def insist(process):
        """Once it has said that it stops, press again, and hold its answer back."""
        process.send_signal(signal.SIGINT)
        while "press Ctrl-C again" not in graph.stderr.read_text():
            os.sched_yield()
        process.send_signal(signal.SIGINT)
        try:
            left.append(process.wait(5))
        except subprocess.TimeoutExpired:
            left.append("it waits for the write in flight")
        told.set()

    graph.at("write", 1, "before", insist)

    with SandboxServer(graph) as server:
        code, _, stderr = command(graph, server.url, root, "--parallelism", 1)

    assert told.wait(TIME_LIMIT)
    assert (code, left) == (130, [130])
    assert "Interrupted" in stderr
    assert "Traceback" not in stderr


def test_stopped_and_run_again_it_does_the_rest(tmp_path):
    graph = Watched()
    root = declare(tmp_path / "root", WANTED)
    graph.at("write", 3, "after", stop(signal.SIGTERM))

    with SandboxServer(graph) as server:
        first, _, _ = command(graph, server.url, root, "--parallelism", 1)
        second, stdout, _ = command(graph, server.url, root)

    assert (first, second) == (130, 0)
    assert "Apply complete: 4 added" in stdout
    assert Run(graph.app, root).plan().is_empty
