"""Bad days with the real command: one clear paragraph, the right exit code, never a traceback or a token."""

from __future__ import annotations

import base64
import json
import subprocess

import pytest

from reconciler.sandbox import Fault, SandboxServer
from tests.support.clocks import FakeClock
from tests.support.in_process import CANARY, app_on
from tests.support.run_cli import COMMAND, TIME_LIMIT, environment
from tests.support.tenants import (
    TENANT,
    declare,
    group,
    guid,
    policy_id,
    target,
    targets_of,
    tenant,
)

ASSIGN = "/assign$"
LOUD = ("-vv", "--log-format", "json")


def jwt(tid):
    said = base64.urlsafe_b64encode(json.dumps({"tid": tid, "aud": "x"}).encode()).decode()
    return f"e30.{said.rstrip('=')}.{CANARY}"


class Day:
    """A tenant of two policies on a socket, and what went wrong there."""

    def __init__(self, folder, *faults, approval=None, sleep=None):
        self.app = app_on(
            tenant({1: [target("group", group(1))], 2: []}, approval=approval),
            FakeClock(),
            faults=faults,
        )
        self.root = declare(
            folder / "root",
            {"Policy 1": ["group: Group 2"], "Policy 2": ["group: Group 2"]},
            writes="assign",
        )
        self.journal = folder / "journal"

    def run(self, name, *options, token=CANARY, url=None):
        """Run quietly, and once more as loudly as can be: neither may tell the token."""
        with SandboxServer(self.app) as server:
            return self._run(name, options, token, url or server.url)

    def _run(self, name, options, token, url):
        extra = ("--auto-approve", "--journal", self.journal) if name == "apply" else ()
        done = subprocess.run(
            [*COMMAND, name, str(self.root), *map(str, (*extra, *options))],
            cwd=self.root.parent,
            env=environment({"RECONCILER_GRAPH_URL": url, "RECONCILER_ACCESS_TOKEN": token}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
            check=False,
        )
        kept = self.journal.read_text() if self.journal.exists() else ""
        assert CANARY not in done.stdout + done.stderr + kept
        assert "Traceback" not in done.stderr
        assert "internal error" not in done.stdout + done.stderr
        return done


def error_of(done):
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    return line


def test_a_429_storm_is_sat_out(tmp_path):
    day = Day(
        tmp_path,
        Fault("status", code=429, retry_after="0.05", times=8),
        Fault("status", code=503, retry_after="0.05", path=ASSIGN, times=2),
    )

    done = day.run("apply")

    assert done.returncode == 0, done.stderr
    assert "Apply complete: 2 added" in done.stdout


def test_a_429_storm_without_end_is_given_up_on_within_the_time_given(tmp_path):
    day = Day(tmp_path, Fault("status", code=429, retry_after="30", times=None))

    done = day.run("plan", "--timeout", 5)

    assert done.returncode == 1
    assert "waiting 30 s more would go over --timeout (5 s)" in error_of(done)
    assert len(day.app.requests) == 1


def test_a_connection_cut_after_the_commit_is_found_by_reading(tmp_path):
    day = Day(tmp_path, Fault("reset_after", path=ASSIGN))

    done = day.run("apply", "--parallelism", 1)

    assert done.returncode == 0, done.stderr
    assert sum(1 for _, path, _ in day.app.requests if path.endswith("/assign")) == 2


def test_a_gateways_page_is_named_for_what_it_is(tmp_path):
    day = Day(tmp_path, Fault("html", code=403, times=None, path="organization"))

    done = day.run("plan", "--timeout", 1.2)

    assert done.returncode == 1
    assert "something other than Microsoft Graph gave it" in error_of(done)
    assert "<html" not in done.stdout + done.stderr


def test_a_403_names_what_may_be_missing_and_the_request_id(tmp_path):
    day = Day(
        tmp_path, Fault("status", code=403, message="Access denied.", path="Policies", times=None)
    )

    done = day.run("plan")

    assert done.returncode == 1
    assert "403 Forbidden: Access denied.; an app permission may be missing" in error_of(done)
    assert "request-id" in error_of(done)


def test_a_ready_token_that_has_expired_says_to_get_a_new_one(tmp_path):
    day = Day(tmp_path, Fault("expired_token"))

    done = day.run("plan")

    assert done.returncode == 1
    assert "RECONCILER_ACCESS_TOKEN was rejected: get a new one" in error_of(done)


def test_a_token_for_another_tenant_reads_nothing(tmp_path):
    day = Day(tmp_path, Fault("status", code=403, path="organization"))

    done = day.run("plan", token=jwt(guid(8)))

    assert done.returncode == 1
    assert f"is for {TENANT}; nothing was read or written" in error_of(done)
    assert len(day.app.requests) == 1


def test_a_graph_that_is_not_there_says_what_to_check(tmp_path):
    day = Day(tmp_path)

    done = day.run("plan", "--timeout", 1, url="http://127.0.0.1:9")

    assert done.returncode == 1
    assert "cannot reach 127.0.0.1:9: no connection" in error_of(done)
    assert day.app.requests == []


def test_one_policy_fails_and_the_table_shows_done_and_failed(tmp_path):
    day = Day(
        tmp_path,
        Fault(
            "status",
            code=400,
            intune=True,
            message="Invalid GroupId",
            path=f"{policy_id(2)}/assign$",
        ),
    )

    done = day.run("apply")

    assert done.returncode == 1
    assert "Applied and read back:\n  Policy 1" in done.stdout
    assert "Failed:\n  Policy 2" in done.stdout
    assert "Invalid GroupId" in done.stdout
    assert "request-id" in done.stdout
    assert "fef.msua06" not in done.stdout + done.stderr
    assert targets_of(day.app, policy_id(2)) == {}


def test_the_time_runs_out_between_two_policies_and_the_rest_is_not_tried(tmp_path):
    day = Day(tmp_path, Fault("status", code=429, retry_after="60", path=f"{policy_id(2)}/assign$"))

    done = day.run("apply", "--timeout", 20)

    assert done.returncode == 1
    assert "Not tried:\n  Policy 2" in done.stdout
    assert "Apply incomplete: 1 added" in done.stdout


@pytest.mark.parametrize("form", ["documented", "observed"])
def test_a_queued_write_exits_4_with_its_code_and_is_finished_by_the_next_run(tmp_path, form):
    day = Day(tmp_path, approval=form)
    reason = ("--justification", "release 42")

    queued = day.run("apply", *reason)
    codes = [request["id"] for request in day.app.state.approvals]
    for code in codes:
        day.app.state.decide(code, "approved")
    finished = day.run("apply", *reason)

    assert queued.returncode == 4
    assert "0 added" in queued.stdout
    assert all(f"approval code {code}" in queued.stdout for code in codes)
    assert all(code in day.journal.read_text() for code in codes)
    assert finished.returncode == 0, finished.stdout
    assert "Apply complete: 2 added" in finished.stdout


def test_the_result_as_json_counts_only_what_was_done(tmp_path):
    day = Day(tmp_path, Fault("status", code=403, path=f"{policy_id(2)}/assign$"))

    done = day.run("apply", "--format", "json")

    result = json.loads(done.stdout)
    assert done.returncode == 1
    assert result["complete"] is False
    assert result["summary"]["create"] == 1
    assert [o["status"] for o in result["outcomes"]] == ["applied", "failed"]
    assert result["outcomes"][1]["request_id"]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("plan", Fault("status", code=403, times=None)),
        ("plan", Fault("html", code=200, times=None)),
        ("plan", Fault("expired_token", skip=2)),
        ("plan", Fault("truncated", times=1)),
        ("apply", Fault("reset_before", path=ASSIGN)),
        ("apply", Fault("status", code=500, path=ASSIGN, after=True)),
        ("apply", Fault("status", code=403, path=ASSIGN)),
        ("apply", Fault("expired_token", path=ASSIGN)),
    ],
)
def test_at_full_volume_every_line_is_json_and_none_holds_the_token(tmp_path, name, fault):
    day = Day(tmp_path, fault)

    done = day.run(name, *LOUD, "--timeout", 3, *(("--format", "json") if name == "plan" else ()))

    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert lines
    if name == "plan":
        assert len(lines) == len(done.stderr.splitlines())
    assert any(line.get("logger") == "reconciler.graph" for line in lines)
