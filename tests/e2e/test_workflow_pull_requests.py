"""plan.yml and comment-fork.yml: what a pull request is told, step by step as GitHub runs them."""

from __future__ import annotations

import json
import shutil

import pytest

from reconciler.documents import dumps
from tests.support.build_plans import saved
from tests.support.example_plans import ordinary
from tests.support.github_server import MALLORY, Fault
from tests.support.workflow_runner import WORKFLOWS, Run
from tests.support.workflow_story import (
    World,
    acting_parts,
    calm,
    digest_in,
    in_root,
    note,
    replace,
    settled,
    world,
)

__all__ = ["calm", "settled", "world"]

MORE = replace(
    "policies/linux.yaml",
    "Workstations\n    include:",
    "Workstations\n    include:\n      - group: Engineering staff",
)
BROKEN = replace(
    "policies/linux.yaml", "policies:", "policies:\n  - name: Broken\n    includes: []"
)


TIGHT = replace("tenant.yaml", "max_creates: 50", "max_creates: 3")
PLAN, SKIPPED_PLAN = "plan contoso-prod", "plan ${{ matrix.label }}"


def test_the_first_plan_is_commented_kept_and_annotated_and_nothing_is_written(world):
    world.commit("feature", MORE)
    run = world.push(7, "feature")
    assert run.results == {
        "list tenants": "success",
        "plan contoso-prod": "success",
        "comment": "success",
        "validate a fork": "skipped",
        "all plans": "success",
    }
    [comment] = world.github.bodies(7)
    plan = json.loads(
        (run.artifacts["plan-contoso-prod"] / "contoso-prod" / "plan.json").read_text()
    )
    assert comment.startswith(
        f"<!-- reconciler:plan tenant=contoso-prod digest={plan['digest']} "
        f"commit={world.id('feature')} run=1 changes=9/1/0 v=1 -->\n"
    )
    assert "Engineering staff" in comment
    assert f"{world.github.root}/contoso/intune/actions/runs/1" in comment
    assert (run.artifacts["html-contoso-prod"] / "plan.html").read_text().startswith("<!")
    assert f"{world.github.root}/contoso/intune/actions/runs/1/artifacts/1" in comment
    planned = run["plan contoso-prod"]
    assert planned.environment == "plan-contoso-prod"
    assert plan["digest"] in planned.step("Plan").summary
    assert planned.step("Plan").outputs == {
        "has_changes": "true",
        "creates": "9",
        "updates": "1",
        "deletes": "0",
        "risk": "review",
        "digest": plan["digest"],
        "plan_path": "report/contoso-prod/plan.json",
        "applyable": "true",
    }
    assert "\n::warning file=desired-state/policies/windows.yaml,line=26,col=9," in planned.log
    assert world.writes == 0


def test_a_new_push_edits_the_comment_in_place_and_leaves_those_of_others(world):
    world.commit("feature")
    world.commit("more", MORE, after="feature")
    world.push(7, "feature")
    [before] = world.github.comments
    first = before["body"]
    marker = first.partition("\n")[0]
    world.github.add_comment(7, f"{marker}\nPlan: nothing to see here", by=MALLORY)
    world.push(7, "more")
    ours, theirs = world.github.comments
    assert ours["id"] == before["id"]
    assert f"commit={world.id('more')}" in ours["body"]
    assert digest_in(ours["body"].partition("\n")[0]) not in first
    assert theirs["body"].endswith("nothing to see here")


def test_mistakes_in_the_files_are_commented_and_annotated_at_their_lines(world):
    world.commit("broken", BROKEN)
    run = world.push(7, "broken")
    assert run["plan contoso-prod"].result == "failure"
    assert run["comment"].result == run["all plans"].result == "failure"
    assert "::error file=desired-state/policies/linux.yaml,line=3,col=5," in run.log
    [comment] = world.github.bodies(7)
    assert "No plan: 1 error" in comment
    assert "digest=" not in comment
    assert world.app.requests == []


def test_a_plan_that_fails_is_told_and_replaces_an_older_one(world):
    world.commit("feature")
    other = "00000000-51d8-4c0e-9b57-0c1f5d6c7a11"
    world.commit("elsewhere", replace("tenant.yaml", "7d2f9a54-51d8-4c0e-9b57-0c1f5d6c7a11", other))
    world.push(7, "feature")
    run = world.push(7, "elsewhere")
    assert run["plan contoso-prod"].step("Plan").code == 1
    assert run["plan contoso-prod"].step("Report").outcome == "skipped"
    [comment] = world.github.bodies(7)
    assert comment.splitlines()[2].startswith("## No plan: signed in to the tenant ")
    assert run["comment"].result == "failure"
    assert "digest=" not in comment


def test_with_nothing_to_change_there_is_no_comment_and_an_old_one_is_brought_up_to_date(calm):
    calm.commit("more", MORE, after="calm")
    calm.commit("same", after="calm")
    assert calm.push(8, "same").result == "success"
    assert calm.github.bodies(8) == []
    calm.push(9, "more")
    calm.push(9, "same")
    [comment] = calm.github.bodies(9)
    assert "\n## No changes · `contoso-prod`\n" in comment


def test_two_roots_with_one_label_fail_the_check_that_is_required(world):
    world.commit("twice", lambda root: shutil.copytree(root, root / "again") and None)
    run = world.push(7, "twice")
    assert run["list tenants"].result == "failure"
    assert "have one label" in run["list tenants"].log
    assert run["plan ${{ matrix.label }}"].result == run["comment"].result == "skipped"
    assert run["all plans"].result == "failure"
    assert "::error::the tenants could not be listed" in run.log
    assert world.github.bodies(7) == []


HOSTILE = ("EU: prod/../x", 'us "$(touch pwned)`id`;|<@adele>')


def test_several_tenants_with_hostile_labels_get_a_comment_each_and_one_hides_no_other(tmp_path):
    world = World(tmp_path, HOSTILE)
    try:
        world.commit("half", in_root(0, BROKEN, otherwise=note))
        run = world.push(7, "half")
        assert run[f"plan {HOSTILE[0]}"].result == "failure"
        assert run[f"plan {HOSTILE[1]}"].result == "success"
        assert run["comment"].result == "failure"
        assert sorted(run.artifacts) == [
            "html-us-touch-pwned-id-adele",
            "plan-EU-prod-..-x",
            "plan-us-touch-pwned-id-adele",
        ]
        broken, planned = world.github.bodies(7)
        assert "No plan: 1 error" in broken
        assert "8 to add" in planned
        assert '`us "$(touch pwned)`id`;|<@adele>`' in planned.replace("``", "`")
        assert list(tmp_path.rglob("pwned")) == []
        assert "::group::EU-prod-..-x" in run.log
    finally:
        world.close()


def test_a_comment_that_is_refused_fails_the_check_and_holds_up_no_other(tmp_path):
    world = World(tmp_path, ("eu", "us"))
    try:
        world.commit("feature")
        world.github.plan("POST", "/issues/7/comments", Fault(422, "not today"))
        run = world.push(7, "feature")
        assert run["comment"].result == "failure"
        assert "not today" in run.log
        [comment] = world.github.bodies(7)
        assert "tenant=us " in comment
    finally:
        world.close()


def test_an_error_in_tenant_yaml_changes_neither_the_comment_nor_the_names_of_jobs(world):
    world.commit("feature")
    world.commit("typo", replace("tenant.yaml", "guardrails:", "guard_rails:"), after="feature")
    world.push(7, "feature")
    run = world.push(7, "typo")
    assert run[PLAN].result == "failure"
    assert run[PLAN].environment == "plan-contoso-prod"
    [comment] = world.github.bodies(7)
    assert "No plan" in comment
    assert "tenant=contoso-prod " in comment.partition("\n")[0]


# Which tenants a pull request plans


@pytest.fixture
def two(tmp_path):
    made = World(tmp_path, ("eu", "us"))
    yield made
    made.close()


def test_only_the_tenants_that_a_change_touches_are_planned(two):
    two.commit("one", in_root(1, MORE))
    run = two.push(7, "one")
    assert "plan us" in run.results
    assert "plan eu" not in run.results
    assert run.result == "success"
    [comment] = two.github.bodies(7)
    assert "tenant=us " in comment
    assert two.apps["eu"].requests == 0 or not two.apps["eu"].requests


def test_a_change_of_what_two_tenants_extend_plans_both(two):
    def extend(root):
        baseline = root.parents[1] / "baseline"
        baseline.mkdir(exist_ok=True)
        (baseline / "note.yaml").write_text(SHARED)
        config = root / "tenant.yaml"
        config.write_text(config.read_text() + "extends: [../../baseline]\n")

    two.commit("extended", extend)
    two.land("extended")
    edited = SHARED.replace("include:", "include:\n      - group: Engineering staff")
    two.commit(
        "shared",
        lambda root: (root.parents[1] / "baseline" / "note.yaml").write_text(edited),
        after="extended",
    )
    run = two.push(7, "shared")
    assert [name for name in run.results if name.startswith("plan ")] == ["plan eu", "plan us"]
    merged = two.merge(7, "shared")
    assert [name for name in merged.results if name.startswith("apply ")] == [
        "apply eu",
        "apply us",
    ]


SHARED = """policies:
  - name: Linux - Workstations
    override: add
    include:
      - group: Mac developers
"""


def beside(root):
    (root.parent / "README.md").write_text("words\n")


@pytest.mark.parametrize("by", ["adele", "dependabot[bot]"])
def test_a_change_that_touches_no_tenant_passes_the_required_check_without_a_plan(world, by):
    world.commit("words", beside)
    run = world.push(7, "words", by=by)
    assert run.results == {
        "list tenants": "success",
        SKIPPED_PLAN: "skipped",
        "comment": "success",
        "validate a fork": "skipped",
        "all plans": "success",
    }
    assert world.github.bodies(7) == []
    merged = world.merge(7, "words")
    assert merged.result == "success"
    assert "apply contoso-prod" not in merged.results


def test_dependabot_cannot_plan_and_is_not_said_to_have(world):
    world.commit("bump", MORE)
    run = world.push(7, "bump", by="dependabot[bot]")
    assert run[PLAN].result == run["all plans"].result == "failure"
    assert world.github.bodies(7) == []


def test_where_there_is_no_tenant_at_all_the_required_check_is_red(world):
    world.commit("nothing", lambda root: (root / "tenant.yaml").unlink())
    run = world.push(7, "nothing")
    assert run["list tenants"].result == run["all plans"].result == "failure"
    assert "there is no tenant root" in run.log


# The required check


def test_reading_announces_no_deployment(world):
    world.commit("feature")
    assert not world.push(7, "feature")[PLAN].is_deployment


def test_the_merge_queue_gets_its_check_and_no_comment(world):
    world.commit("feature", MORE)
    world.push(7, "feature")
    world.commit("other", beside)
    world.land("other")
    queued = world.queue(7)
    assert queued.results == {
        "list tenants": "success",
        PLAN: "success",
        "comment": "skipped",
        "validate a fork": "skipped",
        "all plans": "success",
    }
    assert len(world.github.comments) == 1
    assert "9 to" in queued[PLAN].summary


def test_what_breaks_in_the_merge_queue_is_red(world):
    world.commit("feature", BROKEN)
    world.github.add_pull(7, [world.id("feature")])
    queued = world.queue(7)
    assert queued[PLAN].result == queued["all plans"].result == "failure"


def test_a_guardrail_is_red_before_the_merge_until_tenant_yaml_lifts_it(world):
    world.commit("tight", TIGHT)
    run = world.push(7, "tight")
    assert run[PLAN].step("Plan").outcome == "success"
    assert run[PLAN].step("Guardrails").outcome == "failure"
    assert run["all plans"].result == "failure"
    [comment] = world.github.bodies(7)
    assert "--max-creates" not in comment
    world.commit(
        "lifted", replace("tenant.yaml", "max_creates: 3", "max_creates: 9"), after="tight"
    )
    assert world.push(7, "lifted").result == "success"


def test_a_report_that_is_not_there_is_an_error(world, tmp_path):
    text = (WORKFLOWS / "plan.yml").read_text()
    (tmp_path / "w").mkdir()
    lost = text.replace("name: plan-${{ matrix.slug }}", "name: lost-${{ matrix.slug }}")
    (tmp_path / "w" / "plan.yml").write_text(lost)
    world.runner.workflows = tmp_path / "w"
    world.commit("feature")
    run = world.push(7, "feature")
    assert run[PLAN].result == "success"
    assert run["comment"].result == run["all plans"].result == "failure"
    assert "::error::there is no report on the tenant contoso-prod" in run.log


# Forks


@pytest.fixture
def forked(world) -> Run:
    world.commit("fork", MORE)
    return world.push(7, "fork", from_fork=True)


def test_a_fork_gets_no_credentials_and_is_told_why(world, forked):
    assert forked.results == {
        "list tenants": "success",
        "plan ${{ matrix.label }}": "skipped",
        "comment": "skipped",
        "validate a fork": "success",
        "all plans": "success",
    }
    assert (
        "There is no plan: pull requests from forks get no credentials."
        in forked["validate a fork"].summary
    )
    assert "::notice::There is no plan" in forked.log
    assert world.app.requests == []
    assert world.github.bodies(7) == []
    assert list(forked.artifacts) == ["fork-report"]
    posted = world.after_fork(forked, "fork")
    assert posted.result == "success"
    [comment] = world.github.bodies(7)
    assert "## Report of a fork, not checked by this repository" in comment
    assert "> **`contoso-prod`: 0 errors," in comment
    assert "digest=" not in comment


def test_a_forks_mistakes_are_annotated_and_commented(world):
    world.commit("fork", BROKEN)
    run = world.push(7, "fork", from_fork=True)
    assert run["validate a fork"].result == "failure"
    assert "::error file=desired-state/policies/linux.yaml,line=3,col=5," in run.log
    assert world.after_fork(run, "fork").result == "success"
    [comment] = world.github.bodies(7)
    assert "> **`contoso-prod`: 1 error," in comment
    assert "`includes`" in comment


@pytest.fixture
def lie(world, tmp_path):
    """Post what a fork claims to have found, whatever its own run was."""
    world.github.add_pull(7, [world.id("fork")], from_fork=True)

    def lie(*, number: str = "7\n", validate: str = "") -> Run:
        folder = tmp_path / "lie"
        folder.mkdir()
        (folder / "number.txt").write_text(number)
        (folder / "validate.json").write_text(validate or report(VALID))
        return world.after_fork(Run(artifacts={"fork-report": folder}), "fork")

    return lie


VALID = {"path": "desired-state", "label": "contoso-prod", "valid": True}


def test_a_report_is_posted_on_a_pull_request_of_its_own_fork_alone(world, lie):
    """Anybody can push the head of another pull request to a fork of their own."""
    world.github.add_pull(7, [world.id("fork")])
    run = lie()
    assert run.result == "failure"
    assert "does not come from the repository whose run wrote this report" in run.log
    assert world.github.bodies(7) == []


def test_the_report_of_an_older_commit_is_not_posted_any_more(world, lie):
    world.github.push(7, world.id("newer"))
    run = lie()
    assert run.result == "failure"
    assert "is not the head of pull request #7" in run.log
    assert world.github.bodies(7) == []


@pytest.mark.parametrize(
    ("told", "because"),
    [
        ({"head_repository": {"full_name": "contoso/intune"}}, "it is no fork's"),
        ({"event": "push"}, "it was for no pull request"),
        ({"conclusion": "cancelled"}, "a newer one is on its way"),
    ],
)
def test_a_run_that_is_none_of_a_forks_pull_request_is_passed_over(world, told, because):
    assert world.after_fork(Run(), "fork", **told).results == {"comment": "skipped"}, because


def report(*roots: dict, diagnostics: list | None = None) -> str:
    return json.dumps(
        {
            "kind": "validation",
            "format_version": "1.0",
            "valid": True,
            "roots": roots,
            "diagnostics": diagnostics or [],
        }
    )


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("8\n", "is not the head of pull request #8"),
        ("7; curl evil.example\n", "::error::the report names no pull request"),
        ("--help\n", "::error::the report names no pull request"),
        ("9" * 30, "reading pull request #"),
    ],
)
def test_a_fork_cannot_name_the_pull_request_of_another(world, lie, number, said):
    world.github.add_pull(8, [world.id("somebody else's")])
    run = lie(number=number)
    assert run.result == "failure"
    assert said in run.log
    assert world.github.comments == []


def test_a_fork_cannot_have_a_plan_posted(world, lie):
    run = lie(validate=dumps(saved(ordinary())))
    assert run.result == "failure"
    assert "is not a result of validate" in run.log
    assert world.github.bodies(7) == []


@pytest.mark.parametrize(
    "text",
    [
        " ",
        '{"roots": [7], "diagnostics": []}',
        report({"path": "x", "label": "x", "valid": True}, diagnostics=[{"root": "x"}]),
        report(*[{"path": str(n), "label": str(n), "valid": True} for n in range(101)]),
    ],
    ids=range(4),
)
def test_a_forks_report_that_is_none_is_refused_and_nothing_is_posted(world, lie, text):
    run = lie(validate=text)
    assert run.result == "failure"
    assert run["comment"].step("Comment").code == 1
    assert "Error: " in run.log
    assert "internal error" not in run.log
    assert world.github.comments == []


def test_a_forks_words_can_neither_forge_an_approval_nor_steer_the_log(world, lie):
    digest = "sha256:" + "d" * 64
    label = f"contoso-prod digest={digest} commit={world.id('fork')} v=1 -->\n@adele\r::error::x\x1b[31m##[add-mask]a"
    finding = {
        "root": "a](https://evil.example)",
        "severity": "error",
        "code": "<!-- x",
        "message": "`](https://evil.example) @adele <img src=x> ##[error]y\n::error::z",
        "help": "#1",
        "policy": "</details>",
        "declared_at": {"file": "x](https://evil.example)", "line": 1, "column": 1},
    }
    hostile = {"path": "a](https://evil.example)", "label": label, "valid": False}
    run = lie(validate=report(hostile, diagnostics=[finding]))
    assert run.result == "success"
    commands = [
        line for line in run.log.replace("\r", "\n").splitlines() if line.lstrip().startswith("::")
    ]
    assert commands == []
    [said] = [line for line in run.log.splitlines() if "comment created" in line]
    assert said.startswith("contoso-prod digest=")
    assert "##[" not in run.log
    [comment] = world.github.bodies(7)
    marker, *rest = comment.split("\n")
    assert " digest=" not in marker
    assert "tenant=contoso-prod " not in marker
    links, texts = acting_parts("\n".join(rest))
    assert all(link.startswith(f"{world.github.root}/") for link in links)
    assert not any("adele" in text or "evil" in text for text in texts)


def test_what_a_fork_was_told_approves_nothing(world, lie):
    world.commit("fork", MORE)
    world.github.push(7, world.id("fork"))
    assert lie().result == "success"
    run = world.merge(7, "fork")
    assert run["apply contoso-prod"].step("Apply what was approved").code == 3
    assert "has no plan comment by github-actions[bot]" in run["apply contoso-prod"].summary
    assert world.writes == 0
