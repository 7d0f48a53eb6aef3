"""Mistakes on the command line, and what the program says of itself."""

from __future__ import annotations

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
        (["show"], "Missing argument 'PLAN'"),
        (["sandbox", "--host", "0.0.0.0"], "listens on loopback only"),
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
