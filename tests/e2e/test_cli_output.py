"""Which stream says what, and that nothing a tenant is called does harm there."""

from __future__ import annotations

import json
import os
import subprocess
import unicodedata
from pathlib import Path

import pytest

from tests.support.run_cli import COMMAND, TIME_LIMIT, copy_example, environment, run

HOSTILE = "\x1b[31mred\x07\x9b2J\u202egnp.exe\u200b\r\nTenant forged"


@pytest.fixture
def root(tmp_path):
    return copy_example(tmp_path)


@pytest.fixture
def hostile_root(tmp_path, root):
    """A tenant in which every name is a trap, and files that name policies and groups by id."""
    tenant = json.loads((root / "sandbox.json").read_text())
    tenant["organization"]["displayName"] += HOSTILE
    policies = [*tenant["deviceCompliancePolicies"], *tenant["compliancePolicies"]]
    for each in [*policies, *tenant["groups"], *tenant["assignmentFilters"]]:
        each["displayName" if "displayName" in each else "name"] += HOSTILE
    (root / "sandbox.json").write_text(json.dumps(tenant))
    for file in (root / "policies").rglob("*.yaml"):
        file.unlink()
    groups = [group["id"] for group in tenant["groups"]]
    lines = [
        f"  - id: {policy['id']}\n    include:\n      - group: {groups[number % len(groups)]}\n"
        for number, policy in enumerate(policies)
    ]
    (root / "policies" / "all.yaml").write_text("policies:\n" + "".join(lines))
    return root


def controls(text):
    """The characters that a terminal acts on or an eye does not see."""
    return {
        character
        for character in text
        if character != "\n" and unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp")
    }


@pytest.mark.parametrize("form", ["text", "json", "markdown", "html", "github", "sarif"])
def test_no_name_of_a_tenant_reaches_stdout_with_control_characters(tmp_path, hostile_root, form):
    ran = run("plan", "--sandbox", "--format", form, "-v", "--out", "p.json", cwd=tmp_path)
    assert ran.code == 0
    assert controls(ran.stdout + ran.stderr) == set()
    if form in ("text", "json", "markdown", "html"):
        assert "gnp.exe" in ran.stdout
    if form == "text":
        assert "\nTenant forged" not in ran.stdout
        shown = run("show", "p.json", "-v", cwd=tmp_path)
        assert (shown.code, controls(shown.stdout)) == (0, set())


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_no_name_reaches_the_result_of_apply_with_control_characters(tmp_path, hostile_root, form):
    log = "json" if form == "json" else "text"
    options = ("--sandbox", "--auto-approve", "--format", form, "-vv", "--log-format", log)
    ran = run("apply", *options, cwd=tmp_path)
    assert ran.code == 0
    assert "gnp.exe" in ran.stdout
    assert controls(ran.stdout + ran.stderr) == set()


def test_progress_goes_to_stderr_and_the_result_alone_to_stdout(tmp_path, root):
    ran = run("plan", "--sandbox", "--format", "json", cwd=tmp_path)
    assert ran.json["format_version"] == "1.0"
    assert (
        ran.stderr
        == "Reading desired-state...\nReading the tenant...\nAsking what the changes reach...\n"
    )


@pytest.mark.parametrize("command", [("plan",), ("apply", "--auto-approve")])
def test_quiet_leaves_stderr_empty(tmp_path, root, command):
    ran = run(*command, "--sandbox", "--format", "json", "--quiet", cwd=tmp_path)
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.json["tenant"]["label"] == "contoso-prod"


def test_quiet_does_not_keep_errors_back(tmp_path, root):
    (root / "policies" / "linux.yaml").write_text("policies: []\n")
    ran = run("plan", "--sandbox", "--quiet", cwd=tmp_path)
    assert "linux.yaml:1:1: error: " in ran.stderr


def test_apply_in_json_shows_the_plan_on_stderr_and_the_result_on_stdout(tmp_path, root):
    ran = run("apply", "--sandbox", "--auto-approve", "--format", "json", cwd=tmp_path)
    assert "Plan: 8 to add" in ran.stderr
    assert ran.json["summary"]["create"] == 8
    assert {outcome["status"] for outcome in ran.json["outcomes"]} == {"applied"}


def test_twice_verbose_shows_each_request_on_stderr_and_no_token(tmp_path, root):
    once = run("plan", "--sandbox", "-v", cwd=tmp_path)
    twice = run("plan", "--sandbox", "-vv", cwd=tmp_path)
    assert "debug: " not in once.stderr
    requests = [line for line in twice.stderr.splitlines() if line.startswith("debug: ")]
    assert any("GET /beta/deviceManagement/deviceCompliancePolicies" in line for line in requests)
    assert all("request-id" in line for line in requests)
    assert "Bearer" not in twice.stderr
    assert once.stdout == twice.stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("plan", "--sandbox", "-vv"), 0),
        (("apply", "--sandbox", "--auto-approve", "--format", "json"), 0),
        (("apply", "--sandbox"), 64),
        (("plan", "--sandbox-reset"), 64),
        (("plan",), 1),
        (("plan", "broken", "--sandbox"), 1),
    ],
)
def test_log_format_json_puts_nothing_but_lines_of_json_on_stderr(tmp_path, root, arguments, code):
    broken = copy_example(tmp_path / "made").rename(tmp_path / "broken")
    (broken / "policies" / "linux.yaml").write_text("policies: []\n")
    ran = run(*arguments, "--log-format", "json", cwd=tmp_path)
    assert ran.code == code
    entries = [json.loads(line) for line in ran.stderr.splitlines()]
    assert entries
    assert all(entry.keys() >= {"at", "level", "message"} for entry in entries)
    assert [entry for entry in entries if entry["level"] == "error"][code == 0 :] or code == 0


def test_letters_that_the_machine_s_encoding_lacks_come_out_whole(tmp_path, root):
    tenant = (root / "sandbox.json").read_text(encoding="utf-8")
    name = "販売 Ægir 🚀"
    for file in (root / "sandbox.json", root / "policies" / "windows.yaml"):
        text = file.read_text(encoding="utf-8").replace("Sales laptops", name)
        file.write_text(text, encoding="utf-8")
    assert name not in tenant
    for env in ({"PYTHONIOENCODING": "cp1252"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}):
        ran = run("plan", "--sandbox", cwd=tmp_path, env=env)
        assert (ran.code, f'group "{name}"' in ran.stdout) == (0, True)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_early_hears_no_complaint(tmp_path, root, unbuffered):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*COMMAND, "plan", "--sandbox", "--quiet"],
        cwd=tmp_path,
        env=environment({"PYTHONUNBUFFERED": unbuffered}),
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=TIME_LIMIT,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_under_stdout_is_one_line(tmp_path, root):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "plan", "--sandbox", "--quiet"],
            cwd=tmp_path,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=TIME_LIMIT,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, b"Error: No space left on device\n")


def test_without_a_stdout_the_plan_is_still_saved(tmp_path, root):
    command = " ".join([*COMMAND, "plan --sandbox --quiet --out p.json >&-"])
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        timeout=TIME_LIMIT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads((tmp_path / "p.json").read_text())["complete"] is True


def test_a_bug_is_one_line_without_a_traceback(tmp_path, root):
    (tmp_path / "sitecustomize.py").write_text(
        "import reconciler.loader as loader\n"
        "def load(root):\n    raise ZeroDivisionError('a secret')\n"
        "loader.load = load\n"
    )
    ran = run("validate", cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})
    assert (ran.code, ran.stdout) == (1, "")
    assert ran.error.startswith("internal error (ZeroDivisionError at sitecustomize.py:3)")
    assert "Traceback" not in ran.stderr
    assert "a secret" not in ran.stderr


JOB = {"GITHUB_ACTIONS": "true"}


def test_an_error_that_quotes_a_name_of_several_lines_is_no_command_and_no_error_of_its_own(
    tmp_path,
):
    name = "x\n::error::forged\nError: forged ##[error]forged\r::error::again"
    ran = run("plan", name, cwd=tmp_path, env=JOB)
    assert ran.code == 1
    lines = ran.stderr.splitlines()
    assert [line for line in lines if line.lstrip().startswith("::")] == []
    assert [line for line in lines if line.startswith("Error: ")] == lines[1:2]
    assert "##[" not in ran.stderr
    assert "forged" in ran.stderr
    logged = run("plan", name, "--log-format", "json", cwd=tmp_path, env=JOB)
    assert "##[" not in logged.stderr
    assert json.loads(logged.stderr.splitlines()[-1])["level"] == "error"


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(("command", "code"), [(("plan",), 0), (("apply", "--auto-approve"), 1)])
def test_a_summary_that_cannot_be_written_hides_no_result(tmp_path, root, command, code, form):
    env = {**JOB, "GITHUB_STEP_SUMMARY": str(tmp_path)}
    ran = run(*command, "--sandbox", "-q", "--format", form, cwd=tmp_path, env=env)
    assert ran.code == code
    assert "the job summary lacks this: the file of GITHUB_STEP_SUMMARY cannot be" in ran.stderr
    if form == "json":
        assert ran.json["summary"]["create"] == 8
    else:
        assert ("Plan: 8 to add" in ran.stdout, "Error: " in ran.stderr) == (True, False)


def test_outputs_that_cannot_be_written_are_an_error_after_the_plan(tmp_path, root):
    env = {**JOB, "GITHUB_OUTPUT": str(tmp_path)}
    ran = run("plan", "--sandbox", cwd=tmp_path, env=env)
    assert (ran.code, "Plan: 8 to add" in ran.stdout) == (1, True)
    assert ran.error.startswith("the file of GITHUB_OUTPUT cannot be written")


def test_a_result_that_cannot_be_saved_is_in_the_summary_too(tmp_path, root):
    env = {**JOB, "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    options = ("--sandbox", "--auto-approve", "--out", "desired-state/tenant.yaml/x")
    ran = run("apply", *options, cwd=tmp_path, env=env)
    assert ran.code == 1
    assert "Applied" in (tmp_path / "summary").read_text()


def test_a_ready_token_is_shown_nowhere_not_even_to_mask_it(tmp_path, root):
    env = {**JOB, "RECONCILER_ACCESS_TOKEN": "canary", "RECONCILER_GRAPH_URL": "http://127.0.0.1:9"}
    for arguments in (("plan",), ("plan", "--sandbox"), ("doctor", "--sandbox")):
        ran = run(*arguments, "--timeout", "2", cwd=tmp_path, env=env)
        assert "canary" not in ran.stdout + ran.stderr
