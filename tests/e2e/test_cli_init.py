"""``init``: a fresh repository reaches an empty plan by it alone, and a second run changes nothing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.support.run_cli import EXAMPLE, TENANT, run

WORKFLOWS = ["apply.yml", "drift.yml", "plan.yml"]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    git(folder, "remote", "add", "origin", "https://github.com/contoso/intune.git")
    shutil.copy(EXAMPLE / "sandbox.json", folder)
    return folder


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True)


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git/" not in path.relative_to(folder).as_posix()
    }


ON_SANDBOX = ("--sandbox", "--sandbox-file", "sandbox.json")


def test_a_fresh_repository_reaches_an_empty_plan_by_init_alone(repository):
    ran = run("init", "--import", *ON_SANDBOX, cwd=repository)
    assert ran.code == 0, ran.stderr
    assert "wrote .github/CODEOWNERS\n" in ran.stdout.replace("\\", "/")
    planned = run("plan", *ON_SANDBOX, "--detailed-exitcode", cwd=repository)
    assert planned.code == 0, planned.stdout
    text = repository.joinpath("desired-state", "tenant.yaml").read_text(encoding="utf-8")
    assert f"\ntenant: {TENANT}\nlabel: contoso\n" in text
    assert sorted(path.name for path in repository.joinpath(".github/workflows").iterdir()) == (
        WORKFLOWS
    )


def test_a_second_run_changes_nothing_and_exits_0(repository):
    run("init", "--import", *ON_SANDBOX, cwd=repository)
    before = files(repository)
    again = run("init", "--import", *ON_SANDBOX, cwd=repository)
    assert again.code == 0
    assert "Nothing to do: everything is there." in again.stdout
    assert files(repository) == before


def test_what_exists_is_never_overwritten(repository):
    by_hand = repository / ".github" / "workflows" / "plan.yml"
    by_hand.parent.mkdir(parents=True)
    by_hand.write_text("name: ours\n", encoding="utf-8")
    repository.joinpath(".gitignore").write_text("ours\n", encoding="utf-8")
    run("init", "--tenant", "contoso.com", cwd=repository)
    assert by_hand.read_text(encoding="utf-8") == "name: ours\n"
    assert repository.joinpath(".gitignore").read_text(encoding="utf-8") == "ours\n"


def test_without_a_sign_in_the_tenant_is_taken_from_the_option_or_missed(repository):
    missing = run("init", cwd=repository)
    assert missing.code == 64
    assert "--tenant" in missing.stderr
    assert list(files(repository)) == ["sandbox.json"]
    given = run("init", "my-root", "--tenant", "contoso.com", "--label", "prod", cwd=repository)
    assert given.code == 0
    assert "was not checked: no sign-in is complete" in given.stdout
    assert run("validate", "my-root", cwd=repository).code == 0
    caller = YAML(typ="safe").load(repository / ".github" / "workflows" / "apply.yml")
    assert caller["jobs"]["intune"]["with"]["path"] == "my-root"
    assert "@contoso" in repository.joinpath(".github", "CODEOWNERS").read_text(encoding="utf-8")


def test_another_tenant_than_the_sign_in_s_is_refused(repository):
    ran = run("init", "--tenant", "other.example", *ON_SANDBOX, cwd=repository)
    assert ran.code == 1
    assert list(files(repository)) == ["sandbox.json"]


@pytest.mark.parametrize("label", ["a b", "$(id)", "", "é"])
def test_a_label_that_commands_could_misread_is_a_usage_error(repository, label):
    assert run("init", "--tenant", "contoso.com", "--label", label, cwd=repository).code == 64


def test_the_next_steps_are_for_this_repository_and_parse(repository):
    ran = run("init", "--tenant", "contoso.com", "--label", "prod", "--shell", "sh", cwd=repository)
    steps = ran.stdout.partition("Then, to run it on GitHub:\n\n")[2]
    assert '"subject": "${SUBJECT}:environment:heal-prod"' in steps
    assert "gh api repos/contoso/intune --jq" in steps
    subprocess.run(["bash", "-n"], input=steps, text=True, check=True)
    other = run("init", "b", "--tenant", "contoso.com", "--shell", "powershell", cwd=repository)
    assert '"@ | Set-Content credential.json' in other.stdout


def test_outside_git_it_says_that_the_repository_is_not_known(tmp_path):
    ran = run("init", "root", "--tenant", "contoso.com", cwd=tmp_path)
    assert ran.code == 0
    assert "replace OWNER/REPO below" in ran.stdout
    assert tmp_path.joinpath(".github", "workflows", "plan.yml").is_file()
