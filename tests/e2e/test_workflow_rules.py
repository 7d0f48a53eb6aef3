"""The rules that every workflow keeps, and that the runner of these tests guesses nothing."""

from __future__ import annotations

import re

import pytest

from tests.support.workflow_expressions import Scope, UnknownExpressionError
from tests.support.workflow_rules import broken_rules
from tests.support.workflow_runner import ACTION, WORKFLOWS, read
from tests.support.workflow_story import world

__all__ = ["world"]

FILES = sorted(WORKFLOWS.glob("*.yml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_workflow_keeps_every_rule(file):
    assert broken_rules(file) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("plan.yml", "permissions: {}\n", "", "permissions at the top are not empty"),
        ("plan.yml", "permissions: {}\n", "permissions: read-all\n", "permissions at the top"),
        ("drift.yml", "concurrency:\n", "x-concurrency:\n", "no concurrency"),
        ("drift.yml", "    timeout-minutes: 20\n", "", "plan: no timeout-minutes"),
        ("apply.yml", "    permissions:\n      contents: read", "    x:\n      contents: read", ": no permissions"),
        ("apply.yml", "contents: read #", "contents: admin #", "odd permissions"),
        ("apply.yml", "@3d3c42e5aac5ba805825da76410c181273ba90b1", "@v7", "not pinned"),
        ("apply.yml", " # v7.0.1", "", "not pinned"),
        ("plan.yml", "persist-credentials: false", "persist-credentials: true", "keeps its credentials"),
        ("plan.yml", 'plan "$ROOT"', 'plan "${{ matrix.path }}"', "an expression in the text"),
        ("plan.yml", "--timeout 600", "--timeout 900", "may take 900 seconds"),
        ("apply.yml", "exec reconciler apply", "reconciler apply", "would not reach the program"),
        ("apply.yml", "cancel-in-progress: false\n      queue", "cancel-in-progress: true\n      queue", "a queue that cancels"),
    ],
)  # fmt: skip
def test_a_broken_rule_is_found(tmp_path, file, old, new, said):
    text = (WORKFLOWS / file).read_text()
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new, 1))
    assert any(said in found for found in broken_rules(tmp_path / file))


def test_the_action_pins_what_it_uses_and_puts_no_expression_into_a_script():
    text = (ACTION / "action.yml").read_text()
    uses = re.findall(r"uses:\s*(.+)", text)
    assert uses
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line) for line in uses)
    for step in read(ACTION / "action.yml")["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
        assert "run" not in step or step["shell"] == "bash"


def test_who_may_do_what():
    """Only plan and apply can sign in, and but for a release only comments and issues are written."""
    rights = {
        f"{file.stem}.{id}": dict(job["permissions"])
        for file in FILES
        if file.stem != "ci"
        for id, job in read(file)["jobs"].items()
    }
    read_code = {"contents": "read"}
    sign_in = {**read_code, "id-token": "write"}
    assert rights == {
        "apply.tenants": read_code,
        "apply.apply": {**sign_in, "pull-requests": "read", "statuses": "read"},
        "apply.first": {},
        "apply.heal": sign_in,
        "apply.outcome": {**read_code, "pull-requests": "write", "statuses": "write"},
        "apply.report": {**read_code, "issues": "write"},
        "comment-fork.comment": {**read_code, "actions": "read", "pull-requests": "write"},
        "drift.tenants": read_code,
        "drift.plan": sign_in,
        "drift.issue": {**read_code, "issues": "write"},
        "plan.tenants": read_code,
        "plan.plan": sign_in,
        "plan.comment": {**read_code, "pull-requests": "write", "statuses": "write"},
        "plan.fork": read_code,
        "plan.result": {},
        "release.build": {**sign_in, "attestations": "write"},
        "release.publish": {"id-token": "write"},
        "release.announce": {"contents": "write"},
    }


def test_what_runs_with_the_power_to_comment_on_forks_checks_nothing_out():
    [job] = read(WORKFLOWS / "comment-fork.yml")["jobs"].values()
    assert not any("checkout" in step.get("uses", "") for step in job["steps"])


def test_no_workflow_hands_a_forks_code_a_token_that_can_write():
    for file in FILES:
        assert "pull_request_target" not in file.read_text()
        assert "secrets." not in file.read_text()


@pytest.mark.parametrize("id", ["apply", "heal"])
def test_the_journal_is_kept_even_of_a_run_that_was_cancelled(id):
    steps = read(WORKFLOWS / "apply.yml")["jobs"][id]["steps"]
    [upload] = [step for step in steps if step.get("uses", "").startswith("actions/upload")]
    assert upload["if"] == "${{ always() }}"


def test_runs_that_write_to_one_tenant_wait_for_each_other_and_none_is_dropped():
    jobs = read(WORKFLOWS / "apply.yml")["jobs"]
    group = "${{ inputs.environment_prefix }}apply-${{ matrix.label }}"
    wanted = {"group": group, "cancel-in-progress": False, "queue": "max"}
    assert jobs["apply"]["concurrency"] == jobs["heal"]["concurrency"] == wanted


def test_jobs_that_read_announce_no_deployment():
    for file in FILES:
        for job in read(file)["jobs"].values():
            environment = job.get("environment")
            if environment is not None and "plan-" in str(environment):
                assert environment["deployment"] is False


# The runner itself


def scope(**contexts) -> Scope:
    return Scope({"github": {"event_name": "push", "event": {"gone": None}}, **contexts})


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("github.event_name == 'PUSH'", True),
        ("github.event_name != 'push' && 'a' || 'b'", "b"),
        ("!(github.event_name == 'push')", False),
        ("github.event.gone.full_name == 'x'", False),
        ("github.event.gone", None),
        ("fromJSON('[1]') && 'it''s'", "it's"),
        ("always() && !cancelled()", True),
    ],
)
def test_an_expression_means_what_it_means_on_github(expression, value):
    assert scope().value(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "github.evnt_name",
        "secrets.TOKEN",
        "join(github)",
        "contains('a', 'b')",
        "hashFiles('x')",
        "github.event_name ==",
        "github.event_name 'push'",
        "(github.event_name",
        "github['event_name']",
        "",
    ],
)
def test_an_expression_that_is_not_known_is_an_error(expression):
    with pytest.raises(UnknownExpressionError):
        scope().value(expression)


def test_a_condition_without_a_status_function_wants_success():
    failed = Scope(scope().contexts, failed=True)
    assert not failed.holds(None)
    assert not failed.holds("github.event_name == 'push'")
    assert failed.holds("${{ !cancelled() }}")
    assert failed.holds("failure() && github.event_name == 'push'")
    assert not scope().holds("failure()")


def test_a_step_that_uses_anything_else_is_an_error(world, tmp_path):
    text = (WORKFLOWS / "drift.yml").read_text()
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "drift.yml").write_text(text.replace("actions/checkout@", "evil/checkout@"))
    world.runner.workflows = tmp_path / "w"
    with pytest.raises(UnknownExpressionError, match="evil/checkout"):
        world.scheduled("drift.yml")


def test_what_a_script_shows_of_a_secret_is_an_error(world, tmp_path):
    text = (WORKFLOWS / "drift.yml").read_text()
    (tmp_path / "w").mkdir()
    leaking = text.replace(
        "          code=0\n", '          echo "$GITHUB_TOKEN"\n          code=0\n'
    )
    (tmp_path / "w" / "drift.yml").write_text(leaking)
    world.runner.workflows = tmp_path / "w"
    with pytest.raises(AssertionError, match="shows a secret"):
        world.scheduled("drift.yml")
