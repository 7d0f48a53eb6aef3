"""The composite action: its own scripts, installing from here and from the index, running a command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.run_cli import copy_example
from tests.support.workflow_runner import ACTION, TIME_LIMIT, outputs_of, read

STEPS = {step.get("name"): step for step in read(ACTION / "action.yml")["runs"]["steps"]}
STUB = """#!/bin/bash
echo "$@" >> "$RUNNER_TEMP/calls"
case "$*" in
  "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
esac
"""


@pytest.fixture
def step(tmp_path):
    """Run one of the action's scripts, as GitHub runs `shell: bash`."""

    def step(name, *, path, limit=TIME_LIMIT, **environment):
        for file in ("path", "output", "summary"):
            (tmp_path / file).touch()
        (tmp_path / "script.sh").write_text(STEPS[name]["run"])
        return subprocess.run(
            ["/bin/bash", "--noprofile", "--norc", "-eo", "pipefail", str(tmp_path / "script.sh")],
            cwd=tmp_path,
            env={
                "PATH": os.pathsep.join([*map(str, path), "/usr/bin", "/bin"]),
                "HOME": str(tmp_path),
                "GITHUB_ACTIONS": "true",
                "GITHUB_PATH": str(tmp_path / "path"),
                "GITHUB_OUTPUT": str(tmp_path / "output"),
                "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
                "RUNNER_TEMP": str(tmp_path / "temp"),
                "ACTION": str(ACTION),
                **environment,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )

    (tmp_path / "temp").mkdir()
    return step


@pytest.fixture
def stub(tmp_path) -> Path:
    """A folder with a python that notes what it was called with."""
    folder = tmp_path / "stub"
    folder.mkdir()
    (folder / "python").write_text(STUB)
    (folder / "python").chmod(0o755)
    return folder


def calls(tmp_path) -> str:
    found = tmp_path / "temp" / "calls"
    return found.read_text() if found.exists() else ""


def test_the_inputs_and_outputs_are_those_of_the_contract():
    action = read(ACTION / "action.yml")
    assert list(action["inputs"]) == ["command", "path", "args", "version", "hash"]
    assert list(action["outputs"]) == [
        "has_changes",
        "creates",
        "updates",
        "deletes",
        "risk",
        "digest",
        "plan_path",
        "applyable",
    ]
    for name, output in action["outputs"].items():
        assert output["value"] == f"${{{{ steps.run.outputs.{name} }}}}"
    assert STEPS["Run"]["id"] == "run"
    assert STEPS["Run"]["if"] == "inputs.command != ''"


HASH = "a" * 64
PIP = "-m pip --quiet --disable-pip-version-check install"
LOCKED = f"{PIP} --require-hashes --only-binary :all: --requirement"


def test_without_a_version_the_actions_own_repository_is_installed(tmp_path, step, stub):
    assert step("Install", path=[stub], VERSION="", HASH="").returncode == 0
    temp = tmp_path / "temp"
    venv, dependencies, program = calls(tmp_path).splitlines()
    assert venv == f"-m venv {temp}/reconciler"
    assert dependencies == f"{LOCKED} {ACTION}/../../../.github/requirements.txt"
    assert program == f"{PIP} --no-deps --no-index --no-build-isolation {ACTION}/../../.."
    assert (tmp_path / "path").read_text() == f"{temp}/reconciler/bin\n"
    assert (ACTION / "../../.." / "pyproject.toml").is_file()
    assert (ACTION / "../../.." / ".github" / "requirements.txt").is_file()


@pytest.mark.parametrize("version", ["0.1.0", "1.2.3.4", "1.0.0rc1", "2.0.0.post1", "1.0a2", "1"])
def test_a_release_is_installed_as_the_very_wheel_that_the_hash_names(
    tmp_path, step, stub, version
):
    assert step("Install", path=[stub], VERSION=version, HASH=HASH).returncode == 0
    file = tmp_path / "temp" / "reconciler.txt"
    _, dependencies, program = calls(tmp_path).splitlines()
    assert dependencies == f"{LOCKED} {ACTION}/../../../.github/requirements.txt"
    assert program == LOCKED.replace("install", "install --no-deps") + f" {file}"
    assert file.read_text() == f"intune-reconciler=={version} --hash=sha256:{HASH}\n"


@pytest.mark.parametrize(
    ("version", "hash"),
    [
        ("0.1.0", ""),
        ("0.1.0", "a" * 63),
        ("0.1.0", "A" * 64),
        ("0.1.0", "sha256:" + HASH),
        ("0.1.0", HASH + "\n--index-url=https://evil.example"),
        ("0.1.0", "$(id)"),
    ],
)
def test_a_release_without_its_hash_is_refused_before_anything_is_installed(
    tmp_path, step, stub, version, hash
):
    ran = step("Install", path=[stub], VERSION=version, HASH=hash)
    assert ran.returncode == 64
    assert ran.stdout.startswith("::error::version goes with hash")
    assert calls(tmp_path) == ""


@pytest.mark.parametrize(
    "version",
    [
        "latest",
        "==0.1.0",
        "0.1.0 evil",
        "0.1.0; evil_platform",
        "0.1.0\n--index-url=https://evil.example",
        "--index-url=https://evil.example",
        "0.1.0 @ https://evil.example/x.whl",
        "git+https://evil.example",
        "../x",
        "1.0,<2",
        "*",
        " ",
        "",
        "$(id)",
    ],
)
def test_what_is_no_release_is_refused_before_anything_is_installed(tmp_path, step, stub, version):
    ran = step("Install", path=[stub], VERSION=version, HASH=HASH)
    assert ran.returncode == 64
    assert ran.stdout == "::error::version takes a release such as 0.1.0\n"
    assert calls(tmp_path) == ""


def test_a_command_runs_with_its_arguments_one_per_line_and_sets_the_outputs(tmp_path, step):
    copy_example(tmp_path)
    arguments = "--sandbox\n\n--out\nthe plan.json\n--policy\nLinux - *\n"
    installed = Path(sys.prefix) / "bin"
    ran = step("Run", path=[installed], COMMAND="plan", TARGET="desired-state", ARGUMENTS=arguments)
    assert ran.returncode == 0
    plan = json.loads((tmp_path / "the plan.json").read_text())
    assert outputs_of((tmp_path / "output").read_text()) == {
        "has_changes": "true",
        "creates": "1",
        "updates": "0",
        "deletes": "0",
        "risk": plan["risk"]["level"],
        "digest": plan["digest"],
        "plan_path": "the plan.json",
        "applyable": "true",
    }
    assert plan["digest"] in (tmp_path / "summary").read_text()


def test_arguments_are_never_read_by_the_shell(tmp_path, step):
    copy_example(tmp_path)
    ran = step(
        "Run",
        path=[Path(sys.prefix) / "bin"],
        COMMAND="validate",
        TARGET="$(touch pwned) `touch pwned`",
        ARGUMENTS="--out=$(touch pwned); touch pwned",
    )
    assert ran.returncode == 1
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(("arguments", "code"), [("", 0), ("--nonsense", 64)])
def test_a_commands_exit_code_is_the_steps(tmp_path, step, arguments, code):
    copy_example(tmp_path)
    path = [Path(sys.prefix) / "bin"]
    ran = step("Run", path=path, COMMAND="validate", TARGET="desired-state", ARGUMENTS=arguments)
    assert ran.returncode == code


def is_offline(folder: Path) -> bool:
    """Whether pip cannot reach an index."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--retries=0", "--timeout=5"]
    asked = [*pip, "download", "--quiet", "--no-deps", "--dest", str(folder), "hatchling"]
    return subprocess.run(asked, capture_output=True, check=False).returncode != 0


def test_it_installs_for_real_from_this_repository(tmp_path, step):
    """Takes half a minute: what a runner with nothing but Python does."""
    if is_offline(tmp_path / "downloaded"):
        pytest.skip("the package index cannot be reached")
    base = Path(getattr(sys, "_base_executable", sys.executable)).resolve().parent
    index = {
        name: os.environ[name] for name in os.environ if name.startswith(("PIP_", "HTTP", "SSL_"))
    }
    path = tmp_path / "python"
    path.mkdir()
    (path / "python").symlink_to(base / f"python{sys.version_info.major}.{sys.version_info.minor}")
    ran = step("Install", path=[path], VERSION="", HASH="", limit=300, **index)
    assert ran.returncode == 0, ran.stderr
    [added] = (tmp_path / "path").read_text().splitlines()
    copy_example(tmp_path)
    done = step("Run", path=[added], COMMAND="plan", TARGET="desired-state", ARGUMENTS="--sandbox")
    assert done.returncode == 0, done.stderr
    assert outputs_of((tmp_path / "output").read_text())["creates"] == "8"
