"""A person at a terminal: questions, colours, progress, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pytest

from tests.support.run_cli import (
    COMMAND,
    OTHER_TENANT,
    TIME_LIMIT,
    copy_example,
    environment,
    give_tenant,
    kept_tenant,
    plain,
    run,
    served,
    terminal,
)

PROMPT = 'Only "yes" is accepted: '
APPLY = ("apply", "--sandbox", "--policy", "Linux*")


@pytest.fixture
def root(tmp_path):
    return copy_example(tmp_path)


def wait_until(condition):
    deadline = time.monotonic() + TIME_LIMIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def plan_faults(folder, *faults):
    (folder / "faults.json").write_text(json.dumps(faults))
    return ("--faults", "faults.json", "--keep", "kept.json")


def test_yes_applies(tmp_path, root):
    with terminal(*APPLY, cwd=tmp_path) as screen:
        screen.wait_for(PROMPT)
        assert "Apply this to contoso-prod: 1 to add, 0 to change, 0 to remove?" in screen.text
        assert not (root / ".reconciler").exists()
        screen.send("yes\n")
        assert screen.finish() == 0
    assert "Apply complete: 1 added, 0 changed, 0 removed.\n" in screen.text
    assert (root / ".reconciler").exists()


@pytest.mark.parametrize("keys", ["no\n", "y\n", "YES\n", "\x04"])
def test_anything_but_yes_writes_nothing_and_says_so(tmp_path, root, keys):
    with terminal(*APPLY, cwd=tmp_path) as screen:
        screen.wait_for(PROMPT)
        screen.send(keys)
        assert screen.finish() == 1
    assert screen.text.endswith("\nNot applied; nothing was written.\n")
    assert not (root / ".reconciler").exists()


@pytest.mark.parametrize("options", [(), ("--format", "json"), ("--quiet",)])
def test_nobody_is_asked_to_confirm_what_only_a_file_shows(tmp_path, root, options):
    result = tmp_path / "result"
    with terminal(*APPLY, *options, cwd=tmp_path, stdout=result) as screen:
        screen.wait_for(PROMPT)
        assert "Linux - Build servers" in screen.text
        assert '+ include group "Linux workstations"' in screen.text
        screen.send("yes\n")
        assert screen.finish() == 0
    assert "Linux workstations" in result.read_text()


def test_lines_of_json_on_stderr_leave_no_place_for_a_question(tmp_path, root):
    with terminal(*APPLY, "--log-format", "json", cwd=tmp_path) as screen:
        assert screen.finish() == 64
    assert "--log-format json leaves no place to ask; use --auto-approve." in screen.text
    assert not (root / ".reconciler").exists()


def test_nohup_keeps_its_meaning_while_writing(tmp_path, root):
    slow = {"kind": "slow", "seconds": 1, "path": "/assign$", "method": "POST"}
    apply = ("apply", "--auto-approve", "--parallelism", "1", "--journal", "j.jsonl")
    with served(root / "sandbox.json", *plan_faults(tmp_path, slow), cwd=tmp_path) as way:
        process = subprocess.Popen(
            ["nohup", *COMMAND, *apply, "-q"],
            cwd=tmp_path,
            env=environment(way),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: _journalled(tmp_path, "assign"))
        os.kill(process.pid, signal.SIGHUP)
        stdout, _ = process.communicate(timeout=TIME_LIMIT)
    assert process.returncode == 0
    assert b"Apply complete: 8 added, 1 changed" in stdout


def test_a_terminal_that_goes_away_while_writing_ends_no_write(tmp_path, root):
    """Its hang-up comes, and every line that progress would show fails."""
    slow = {"kind": "slow", "seconds": 1, "path": "/assign$", "method": "POST"}
    apply = ("apply", "--auto-approve", "--parallelism", "1", "--journal", "j.jsonl")
    result = ("--format", "json", "--out", "r.json")
    with (
        served(root / "sandbox.json", *plan_faults(tmp_path, slow), cwd=tmp_path) as way,
        terminal(*apply, *result, cwd=tmp_path, env=way) as screen,
    ):
        wait_until(lambda: _journalled(tmp_path, "assign"))
        screen.hang_up()
        assert screen.process.wait(TIME_LIMIT) == 130
    outcomes = json.loads((tmp_path / "r.json").read_text())["outcomes"]
    assert [outcome["status"] for outcome in outcomes] == ["applied"] + ["not_tried"] * 5


def test_ctrl_c_at_the_second_tenant_s_question_does_not_deny_the_first_one_s_writes(tmp_path):
    roots = [copy_example(tmp_path / "tenants" / name) for name in ("eu", "us")]
    give_tenant(roots[1], OTHER_TENANT)
    with terminal("apply", "tenants", *APPLY[1:], cwd=tmp_path) as screen:
        screen.wait_for(PROMPT)
        screen.send("yes\n")
        screen.wait_for("Apply complete")
        screen.screen = ""
        screen.wait_for(PROMPT)
        screen.send("\x03")
        assert screen.finish() == 130
    assert "Interrupted: nothing was written for tenants/us/desired-state; what was done" in (
        screen.text
    )
    assert not (roots[1] / ".reconciler").exists()


def test_ctrl_c_at_the_question_exits_130_and_writes_nothing(tmp_path, root):
    with terminal(*APPLY, cwd=tmp_path) as screen:
        screen.wait_for(PROMPT)
        screen.send("\x03")
        assert screen.finish() == 130
    assert screen.text.endswith("\nInterrupted; nothing was written to the tenant.\n")
    assert not (root / ".reconciler").exists()


def test_the_time_that_a_person_thinks_does_not_count(tmp_path, root):
    with terminal(*APPLY, "--timeout", "2.5", cwd=tmp_path) as screen:
        screen.wait_for(PROMPT)
        asked = time.monotonic()
        wait_until(lambda: time.monotonic() - asked > 2.6)
        screen.send("yes\n")
        assert screen.finish() == 0


def test_a_plan_is_coloured_on_a_terminal_and_the_words_stay_the_same(tmp_path, root):
    piped = run("plan", "--sandbox", "-q", cwd=tmp_path, env={"COLUMNS": "80"})
    with terminal("plan", "--sandbox", "-q", cwd=tmp_path, columns=80) as screen:
        assert screen.finish() == 0
    assert "\x1b[32m  + include " in screen.screen
    assert "\x1b[33m  ~ include " in screen.screen
    assert screen.text.split() == piped.stdout.split(), "a terminal wraps the diagnostics, too"
    assert plain(piped.stdout) == piped.stdout


@pytest.mark.parametrize(
    ("options", "env"),
    [(("--no-color",), {}), ((), {"NO_COLOR": "1"}), ((), {"TERM": "dumb"})],
)
def test_no_colour_where_none_is_wanted(tmp_path, root, options, env):
    with terminal("plan", "--sandbox", "-q", *options, cwd=tmp_path, env=env) as screen:
        assert screen.finish() == 0
    assert "\x1b" not in screen.screen


def test_force_color_colours_a_pipe_and_no_other_form_than_text(tmp_path, root):
    forced = {"FORCE_COLOR": "1"}
    plain_text = run("plan", "--sandbox", "-q", cwd=tmp_path).stdout
    coloured = run("plan", "--sandbox", "-q", cwd=tmp_path, env=forced).stdout
    assert "\x1b[32m  + include " in coloured
    assert plain(coloured) == plain_text
    for options, env in (
        (("--format", "json"), {}),
        (("--format", "markdown"), {}),
        (("--no-color",), {}),
        ((), {"NO_COLOR": "1"}),
        ((), {"FORCE_COLOR": "0"}),
    ):
        ran = run("plan", "--sandbox", "-q", *options, cwd=tmp_path, env={**forced, **env})
        assert "\x1b" not in ran.stdout


def test_progress_counts_on_one_line_and_is_gone_before_the_result(tmp_path, root):
    with terminal("plan", "--sandbox", cwd=tmp_path) as screen:
        assert screen.finish() == 0
    shown, _, result = screen.screen.rpartition("\r\x1b[2K")
    assert result.startswith("Tenant contoso-prod")
    assert "Reading the tenant... " in shown
    assert "\n" not in shown


def test_progress_is_gone_before_an_error(tmp_path, root):
    with terminal("plan", cwd=tmp_path) as screen:
        assert screen.finish() == 1
    assert screen.screen.rpartition("\r\x1b[2K")[2].startswith("Error: no way to sign in")


@pytest.mark.parametrize("columns", [80, 40])
def test_sentences_fit_a_narrow_screen(tmp_path, root, columns):
    with terminal("plan", "--sandbox", "-q", "-v", cwd=tmp_path, columns=columns) as screen:
        assert screen.finish() == 0
    closing = screen.text[screen.text.index("\nPlan: ") :].splitlines()
    assert [line for line in closing if len(line) > columns and "sha256:" not in line] == []


def test_ctrl_c_while_reading_exits_130_at_once(tmp_path, root):
    slow = {"kind": "slow", "seconds": 20, "path": "assignmentFilters", "method": "GET"}
    with (
        served(root / "sandbox.json", *plan_faults(tmp_path, slow), cwd=tmp_path) as way,
        terminal("plan", cwd=tmp_path, env=way) as screen,
    ):
        screen.wait_for("Reading the tenant... 1")
        pressed = time.monotonic()
        screen.send("\x03")
        assert screen.finish() == 130
        assert time.monotonic() - pressed < 10
    assert screen.text.endswith("Interrupted; nothing was written to the tenant.\n")


def test_ctrl_c_while_writing_ends_the_write_in_flight_reports_and_exits_130(tmp_path, root):
    slow = {"kind": "slow", "seconds": 1, "path": "/assign$", "method": "POST"}
    apply = ("apply", "--auto-approve", "--parallelism", "1", "--journal", "j.jsonl")
    with served(root / "sandbox.json", *plan_faults(tmp_path, slow), cwd=tmp_path) as way:
        with terminal(*apply, cwd=tmp_path, env=way) as screen:
            wait_until(lambda: _journalled(tmp_path, "assign"))
            screen.send("\x03")
            assert screen.finish() == 130
        assert "Applied and read back:\n  Android - Warehouse scanners\n" in screen.text
        assert "Not tried:\n  Android - Work profile\n" in screen.text
        assert "Policies: 5 not tried.\n" in screen.text
        again = run("apply", "--auto-approve", cwd=tmp_path, env=way)
        assert again.stdout.endswith("Apply complete: 7 added, 1 changed, 0 removed.\n")


def test_a_second_ctrl_c_while_writing_stops_at_once_and_says_what_is_not_known(tmp_path, root):
    slow = {"kind": "slow", "seconds": 20, "path": "/assign$", "method": "POST"}
    apply = ("apply", "--auto-approve", "--parallelism", "1", "--journal", "j.jsonl")
    with (
        served(root / "sandbox.json", *plan_faults(tmp_path, slow), cwd=tmp_path) as way,
        terminal(*apply, cwd=tmp_path, env=way) as screen,
    ):
        wait_until(lambda: _journalled(tmp_path, "assign"))
        began = time.monotonic()
        while not screen.has_ended(within=0.5):  # two signals that meet are one to a process
            screen.send("\x03")
        assert screen.finish() == 130
        assert time.monotonic() - began < 10
    assert "A write in flight may have been done or not" in screen.text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_stop_from_a_pipeline_is_a_ctrl_c(tmp_path, root, number):
    slow = {"kind": "slow", "seconds": 1, "path": "/assign$", "method": "POST"}
    apply = ("apply", "--auto-approve", "--parallelism", "1", "--journal", "j.jsonl")
    with served(root / "sandbox.json", *plan_faults(tmp_path, slow), cwd=tmp_path) as way:
        process = subprocess.Popen(
            [*COMMAND, *apply, "--format", "json", "-q"],
            cwd=tmp_path,
            env=environment(way),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: _journalled(tmp_path, "assign"))
        os.kill(process.pid, number)
        stdout, _ = process.communicate(timeout=TIME_LIMIT)
    result = json.loads(stdout)
    assert (process.returncode, result["interrupted"], result["complete"]) == (130, True, False)
    assert [outcome["status"] for outcome in result["outcomes"]] == ["applied"] + ["not_tried"] * 5


def _journalled(folder, word):
    journal = folder / "j.jsonl"
    return journal.exists() and any(
        f'"{word}"' in line for line in journal.read_text().splitlines() if '"write"' in line
    )


def test_killed_in_the_middle_and_run_again_it_converges(tmp_path, root):
    slow = {"kind": "slow", "seconds": 1, "path": "/assign$", "method": "POST", "skip": 1}
    with served(root / "sandbox.json", *plan_faults(tmp_path, slow), cwd=tmp_path) as way:
        process = subprocess.Popen(
            [*COMMAND, "apply", "--auto-approve", "--parallelism", "1", "-q"],
            cwd=tmp_path,
            env=environment(way),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until((tmp_path / "kept.json").exists)
        process.kill()
        process.wait(TIME_LIMIT)
        assert run("apply", "--auto-approve", cwd=tmp_path, env=way).code == 0
        assert run("plan", "--detailed-exitcode", cwd=tmp_path, env=way).code == 0


def test_a_person_stops_one_tenant_and_the_next_is_not_begun(tmp_path, root):
    _, other = (copy_example(tmp_path / "tenants" / name) for name in ("eu", "us"))
    give_tenant(other, OTHER_TENANT)
    slow = {"kind": "slow", "seconds": 1, "path": "/assign$", "method": "POST"}
    apply = ("apply", "tenants", "--auto-approve", "--parallelism", "1", "--journal", "j.jsonl")
    with (
        served(root / "sandbox.json", *plan_faults(tmp_path, slow), cwd=tmp_path) as way,
        terminal(*apply, cwd=tmp_path, env=way) as screen,
    ):
        wait_until(lambda: _journalled(tmp_path, "assign"))
        screen.send("\x03")
        assert screen.finish() == 130
    assert screen.text.count("Tenant contoso-prod") == 1
    assert "Policies: 5 not tried." in screen.text


def test_no_to_one_tenant_and_yes_to_the_next(tmp_path, root):
    roots = [copy_example(tmp_path / "tenants" / name) for name in ("eu", "us")]
    give_tenant(roots[1], OTHER_TENANT)
    with terminal("apply", "tenants", "--sandbox", "--policy", "Linux*", cwd=tmp_path) as screen:
        screen.wait_for(PROMPT)
        screen.send("no\n")
        screen.wait_for("Not applied")
        screen.screen = ""
        screen.wait_for(PROMPT)
        screen.send("yes\n")
        assert screen.finish() == 1
    assert not (roots[0] / ".reconciler").exists()
    assert kept_tenant(roots[1]) != json.loads((roots[1] / "sandbox.json").read_text())
