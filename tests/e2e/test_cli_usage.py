"""Mistakes on the command line, and what the program says of itself."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata

import pytest

from tests.support.run_cli import copy_example, run

COMMANDS = (
    "validate",
    "plan",
    "apply",
    "show",
    "tenants",
    "doctor",
    "comment",
    "schema",
    "sandbox",
)


def test_version_is_the_package_s_own(tmp_path):
    ran = run("--version", cwd=tmp_path)
    assert (ran.code, ran.stdout) == (0, f"reconciler {metadata.version('intune-reconciler')}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_version_means_the_same_on_every_command(tmp_path, command):
    ran = run(command, "--version", "--no-color", cwd=tmp_path)
    assert (ran.code, ran.stdout) == (0, f"reconciler {metadata.version('intune-reconciler')}\n")


def test_help_lists_every_command_and_every_exit_code(tmp_path):
    ran = run("--help", cwd=tmp_path)
    assert ran.code == 0
    words = ran.stdout.split()
    assert [command for command in COMMANDS if command not in words] == []
    for code in (0, 1, 2, 3, 4, 5, 64, 130):
        assert f"{code} " in ran.stdout.partition("Exit codes:")[2]


def test_help_fits_80_columns(tmp_path):
    ran = run("apply", "--help", cwd=tmp_path, env={"COLUMNS": "80"})
    assert ran.code == 0
    assert max(map(len, ran.stdout.splitlines())) <= 80


def test_no_command_shows_the_help_and_is_a_usage_error(tmp_path):
    ran = run(cwd=tmp_path)
    assert (ran.code, ran.stdout) == (64, "")
    assert "Commands:" in ran.stderr


@pytest.mark.parametrize(("typed", "meant"), [("plann", "plan"), ("aply", "apply")])
def test_an_unknown_command_is_answered_with_the_nearest(tmp_path, typed, meant):
    ran = run(typed, cwd=tmp_path)
    assert (ran.code, ran.stdout) == (64, "")
    assert ran.error == f'No such command "{typed}". Did you mean "{meant}"?'


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["xyzzy"], 'No such command "xyzzy".'),
        (["plan", "--sandbx"], "--sandbox"),
        (["plan", "a", "b"], "unexpected extra argument"),
        (["plan", "--format", "xml"], "'xml' is not one of 'text', 'json'"),
        (["plan", "--expect-digest", "abc"], "sha256: and 64 hexadecimal digits"),
        (["apply", "--expect-digest", "sha256:" + "A" * 64], "in lower case"),
        (["apply", "--approval-code", "x"], "an approval code is a GUID"),
        (["apply", "--parallelism", "99"], "1<=x<=16"),
        (["plan", "--timeout", "0"], "x>0"),
        (["plan", "--max-creates", "-1"], "x>=0"),
        (["plan", "--sandbox-file", "x.json"], "need --sandbox"),
        (["plan", "--sandbox-mode", "documented"], "need --sandbox"),
        (["plan", "--sandbox-reset"], "need --sandbox"),
        (["schema", "everything"], "'tenant', 'policies', 'plan'"),
        (["show"], "Missing argument 'FILE'"),
        (["sandbox", "--host", "0.0.0.0"], "listens on loopback only"),
        (["plan", "-policy", "x"], "No such option '-policy'. Did you mean '--policy'?"),
        (["plan", "-detailed-exitcode"], "Did you mean '--detailed-exitcode'?"),
        (["apply", "-auto-approve=true"], "Did you mean '--auto-approve'?"),
        (["plan", "-verbose"], "Did you mean '--verbose'?"),
        (["help", "plann"], 'No such command "plann". Did you mean "plan"?'),
        (["version"], 'No such command "version". Did you mean "--version"?'),
    ],
)
def test_a_mistake_on_the_command_line_exits_64_and_is_explained(tmp_path, arguments, complaint):
    copy_example(tmp_path)
    ran = run(*arguments, cwd=tmp_path)
    assert (ran.code, ran.stdout) == (64, "")
    assert complaint in ran.error


def test_no_option_takes_a_secret_and_none_lifts_all_guards(tmp_path):
    text = "".join(run(command, "--help", cwd=tmp_path).stdout for command in ("plan", "apply"))
    for forbidden in ("--force", "--token", "--secret", "--password", "--yes"):
        assert forbidden not in text


def test_help_is_a_command_too(tmp_path):
    assert run("help", cwd=tmp_path) == run("--help", cwd=tmp_path)
    asked = run("help", "plan", cwd=tmp_path)
    assert (asked.code, asked.stdout) == (0, run("plan", "--help", cwd=tmp_path).stdout)


@pytest.mark.parametrize(
    "arguments",
    [["plan", "--sandbx"], ["xyzzy"], ["plan", "--format", "xml"], ["show"], ["plan", "-policy"]],
)
@pytest.mark.parametrize("spelling", [["--log-format", "json"], ["--log-format=json"]])
def test_a_usage_error_is_a_line_of_json_where_that_is_asked_for(tmp_path, arguments, spelling):
    ran = run(*arguments, *spelling, cwd=tmp_path)
    assert (ran.code, ran.stdout) == (64, "")
    [line] = ran.stderr.splitlines()
    assert json.loads(line)["level"] == "error"


@pytest.mark.parametrize(
    ("files", "code"),
    [(["w-a.txt"], 1), (["w-a.txt", "w-b.txt"], 64), (["w-a.txt", "w-b.txt", "w-c.txt"], 64)],
)
@pytest.mark.parametrize("command", [["plan"], ["apply", "--auto-approve"]])
def test_a_wildcard_that_the_shell_replaced_is_explained(tmp_path, files, code, command):
    root = copy_example(tmp_path)
    for name in files:
        (tmp_path / name).touch()
    ran = run(*command, "--sandbox", "--policy", *files, cwd=tmp_path)
    assert ran.code == code
    assert '"w-a.txt" is a file here. The shell replaces a wildcard without quotes' in ran.stderr
    assert not (root / ".reconciler").exists()


@pytest.mark.parametrize(
    "command", [["plan", "--sandbox"], ["validate"], ["tenants"], ["doctor", "--sandbox"]]
)
def test_inside_a_tenant_root_no_path_is_needed(tmp_path, command):
    root = copy_example(tmp_path)
    assert run(*command, cwd=root).code == 0


@pytest.mark.parametrize("command", [["plan", "--sandbox", "-q"], ["validate"], ["tenants"]])
def test_a_folder_that_holds_desired_state_means_that_alone(tmp_path, command):
    copy_example(tmp_path)
    copy_example(tmp_path / "tests" / "cases")
    named = run(command[0], "desired-state", *command[1:], cwd=tmp_path)
    whole = run(command[0], ".", *command[1:], cwd=tmp_path)
    assert (whole.code, whole.stdout) == (0, named.stdout)


def test_a_root_beside_desired_state_is_found_where_that_is_none(tmp_path):
    root = copy_example(tmp_path)
    root.rename(tmp_path / "prod")
    assert run("tenants", ".", cwd=tmp_path).stdout.startswith("prod ")


def test_a_saved_plan_is_no_root_to_plan(tmp_path):
    copy_example(tmp_path)
    assert run("plan", "--sandbox", "--out", "p.json", cwd=tmp_path).code == 0
    ran = run("plan", "p.json", "--sandbox", cwd=tmp_path)
    assert (ran.code, ran.stdout) == (64, "")
    assert ran.error.endswith("To show a saved plan: reconciler show p.json")


def test_doctor_lists_the_ways_to_sign_in_line_by_line(tmp_path):
    copy_example(tmp_path)
    ran = run("doctor", cwd=tmp_path)
    assert ran.code == 1
    assert "<U+000A>" not in ran.stdout
    assert "\n              RECONCILER_ACCESS_TOKEN: a ready token" in ran.stdout


_COLLECTOR = """
import contextlib, gc
from reconciler.cli import entry
with contextlib.suppress(SystemExit):
    entry.main(["--version"])
print(gc.isenabled())
entry.wake_collector()
print(gc.isenabled(), gc.get_freeze_count() > 0)
"""


def test_the_collector_rests_until_a_command_that_may_run_long_wakes_it():
    ran = subprocess.run(
        [sys.executable, "-c", _COLLECTOR], capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines()[1:] == ["False", "True True"]
