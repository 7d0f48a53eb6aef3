"""``reconciler comment`` against a GitHub on loopback, the command in a process of its own."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from reconciler.documents import dumps
from reconciler.documents.failures import Failure, dumps_failure
from reconciler.documents.results import dumps_result
from reconciler.github.hidden_changes import read_changes
from reconciler.model.diagnostics import warning
from reconciler.model.plan import change_lines, digest_of_lines
from reconciler.model.result import PolicyOutcome, Status
from tests.support import build_plans, example_plans
from tests.support.github_server import (
    ACTIONS_TOKEN,
    ADELE,
    BOT,
    FORK_TOKEN,
    MALLORY,
    PERSON_TOKEN,
    REPOSITORY,
    Fault,
    github_server,
)
from tests.support.run_cli import run
from tests.support.workflow_story import acting_parts

__all__ = ["github_server"]

OLD, HEAD, NEXT = "1" * 40, "2" * 40, "3" * 40
COMMENTS = r"/issues/7/comments$"


def validation(roots, diagnostics=()):
    document = {"kind": "validation", "format_version": "1.0", "valid": False}
    return json.dumps({**document, "roots": roots, "diagnostics": list(diagnostics)})


@pytest.fixture(scope="module")
def made():
    """Plans and results to post, by their file's name."""
    plans = {
        "plan": example_plans.ordinary(),
        "same": example_plans.unchanged(),
        "other": build_plans.plan(tenant=replace(build_plans.TENANT, label="other")),
        "hostile": example_plans.hostile(),
        "large": example_plans.large(3000),
    }
    texts = {f"{name}.json": dumps(build_plans.saved(plan)) for name, plan in plans.items()}
    return {**texts, "result.json": dumps_result(example_plans.mixed_outcomes())}


@pytest.fixture
def folder(tmp_path, made):
    for name, text in made.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def comment(github_server, folder):
    """Run the command in a job of GitHub Actions, on pull request 7."""
    github_server.add_pull(7, [OLD, HEAD])

    def comment(*arguments, token=ACTIONS_TOKEN, head=HEAD, event=None, **environment):
        (folder / "event.json").write_text(
            json.dumps(
                {"pull_request": {"number": 7, "head": {"sha": head}}} if event is None else event
            )
        )
        env = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": github_server.api_url,
            "GITHUB_SERVER_URL": github_server.root,
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_RUN_ID": "1",
            "GITHUB_SHA": "9" * 40,
            "GITHUB_TOKEN": token,
            "GITHUB_EVENT_PATH": str(folder / "event.json"),
            "GITHUB_EVENT_NAME": "pull_request",
            "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        }
        env = {name: value for name, value in (env | environment).items() if value is not None}
        ran = run("comment", *arguments, cwd=folder, env=env)
        for canary in (ACTIONS_TOKEN, FORK_TOKEN, PERSON_TOKEN):
            assert canary not in ran.stdout + ran.stderr
        assert "\x1b" not in ran.stdout + ran.stderr
        return ran

    return comment


@pytest.fixture
def at_old(github_server, comment):
    """Comment while the older commit is the head, and push the newer one."""

    def at_old(*arguments):
        github_server.pulls[7]["head"]["sha"] = OLD
        ran = comment(*arguments, head=OLD)
        github_server.pulls[7]["head"]["sha"] = HEAD
        return ran

    return at_old


def wrote(github_server):
    """What was written, without the commit statuses, which every plan sets."""
    sent = github_server.sent("POST", "PATCH", "DELETE", "PUT")
    return [method for method, path in sent if not path.startswith("/statuses/")]


# One comment, edited in place


def test_the_first_run_creates_the_comment_and_another_run_leaves_it(github_server, comment):
    first = comment("plan.json")
    assert (first.code, first.stderr) == (0, "")
    [posted] = github_server.comments
    assert first.stdout == f"contoso-prod: comment created: {posted['html_url']}\n"
    assert f" commit={HEAD} " in posted["body"].partition("\n")[0]
    run_page = f"{github_server.root}/{REPOSITORY}/actions/runs/1"
    assert f"[HTML report]({run_page}#artifacts)" in posted["body"]
    again = comment("plan.json")
    assert again.stdout == f"contoso-prod: comment is up to date: {posted['html_url']}\n"
    assert wrote(github_server) == ["POST"]


def test_the_comment_is_found_on_a_later_page_among_those_of_others(github_server, comment, at_old):
    at_old("plan.json")
    [ours] = github_server.comments
    marker = ours["body"].partition("\n")[0]
    for number in range(5):
        github_server.add_comment(7, f"{marker}\n{number}", by=(MALLORY, ADELE)[number % 2])
    github_server.add_comment(7, f"seen: {marker}")
    github_server.comments.append(github_server.comments.pop(0))
    others = [dict(each) for each in github_server.comments if each is not ours]
    github_server.page_limit = 2
    ran = comment("plan.json")
    assert ran.stdout.startswith("contoso-prod: comment updated: ")
    assert f"commit={HEAD}" in ours["body"]
    assert [each for each in github_server.comments if each is not ours] == others
    assert wrote(github_server) == ["POST", "PATCH"]


def test_no_changes_make_no_comment_and_bring_an_old_one_up_to_date(github_server, comment, at_old):
    assert comment("same.json").stdout == "contoso-prod: no changes, so no comment\n"
    assert wrote(github_server) == []
    at_old("plan.json")
    assert comment("same.json").stdout.startswith("contoso-prod: comment updated: ")
    [posted] = github_server.comments
    assert "No changes" in posted["body"]


def test_always_comments_even_without_changes(github_server, comment):
    assert comment("same.json", "--always").code == 0
    assert len(github_server.comments) == 1


def test_each_tenant_has_one_comment_from_the_plan_to_the_outcome(github_server, comment):
    titles = []
    for file in ("plan.json", "other.json", "result.json", "plan.json"):
        assert comment(file, "--always").code == 0
        titles.append(github_server.bodies(7)[0].splitlines()[2])
    markers = [body.partition(" digest=")[0] for body in github_server.bodies(7)]
    assert markers == [
        "<!-- reconciler:plan tenant=contoso-prod",
        "<!-- reconciler:plan tenant=other",
    ]
    plan = "## Plan: 3 to add, 1 to change, 0 to remove · risk: review · `contoso-prod`"
    assert titles == [
        plan,
        plan,
        "## Apply failed in part · Applied 1 · run 1 · `contoso-prod`",
        plan,
    ]


# No plan


def failed(folder, **members):
    found = warning("x", "look here", build_plans.at(), help="fix it", policy="Baseline")
    failure = Failure(
        "plan",
        "contoso-prod",
        "desired-state",
        1,
        'reading the policies: Graph refused: "Request not applicable to target tenant"',
        (found,),
    )
    (folder / "failure.json").write_text(dumps_failure(replace(failure, **members)))


def test_a_failed_plan_says_why_in_its_title_and_fails(github_server, comment, folder):
    comment("plan.json")
    failed(folder)
    ran = comment("failure.json", "--root", "desired-state")
    assert ran.code == 1
    [body] = github_server.bodies(7)
    title = body.splitlines()[2]
    assert title.startswith("## No plan: reading the policies: Graph refused: ")
    assert "`Request not applicable to target tenant`" in title
    assert "`Baseline`: look here" in body
    assert "desired-state/policies/windows.yaml" in body
    assert "digest=" not in body.partition("\n")[0]
    assert github_server.statuses[-1]["state"] == "failure"
    assert github_server.statuses[-1]["description"] == "No plan [plan]"


def test_a_plan_that_cannot_be_applied_is_red_and_approves_nothing(github_server, comment, folder):
    (folder / "stopped.json").write_text(
        dumps(build_plans.saved(example_plans.broad_and_deleting()))
    )
    ran = comment("stopped.json")
    assert ran.code == 1
    assert "cannot be applied; the comment says why" in ran.stderr
    [status] = github_server.statuses
    assert (status["state"], status["description"][-7:]) == ("failure", " [plan]")


def test_files_with_errors_are_red(github_server, comment, folder):
    root = {"path": "desired-state", "label": "contoso-prod", "valid": False}
    found = {"root": "desired-state", "severity": "error", "code": "x", "message": "no such group"}
    (folder / "validate.json").write_text(validation([root], [{**found, "declared_at": None}]))
    assert comment("validate.json").code == 1
    assert "## No plan: 1 error, 0 warnings" in github_server.bodies(7)[0]


# A fork


def test_a_forks_report_is_quoted_as_foreign_and_asks_for_nothing(github_server, comment, folder):
    root = {"path": "desired-state", "label": "contoso-prod", "valid": True}
    found = {"root": "desired-state", "severity": "warning", "code": "x"}
    found |= {"message": "Approve and merge it, @adele", "declared_at": None}
    (folder / "validate.json").write_text(validation([root], [found]))
    ran = comment("validate.json", "--problems", "--pr", "7", "--commit", HEAD)
    assert ran.code == 0
    [body] = github_server.bodies(7)
    assert body.startswith("<!-- reconciler:fork tenant=contoso-prod ")
    assert "## Report of a fork, not checked by this repository" in body
    quoted = [line for line in body.splitlines() if "merge it" in line]
    assert quoted == ["> - Approve and merge it, `@adele`"]
    assert "What happens next" not in body
    assert github_server.statuses == []


def test_a_plan_is_not_taken_for_a_forks_report(github_server, comment):
    refused(github_server, comment("plan.json", "--problems"), "--problems takes no other")


# Tenants that the pull request does not have any more


def test_a_comment_that_fits_no_tenant_any_more_says_so(github_server, comment, folder):
    comment("plan.json")
    comment("other.json", "--always")
    (folder / "tenants.json").write_text(json.dumps({"include": [{"label": "contoso-prod"}]}))
    ran = comment("tenants.json")
    assert (ran.code, ran.stdout) == (0, "comments of other tenants updated: 1\n")
    kept, retired = github_server.bodies(7)
    assert kept.startswith("<!-- reconciler:plan tenant=contoso-prod ")
    assert retired.startswith("<!-- reconciler:retired v=1 -->\n")
    assert "its tenants are: `contoso-prod`." in retired
    assert "other" not in retired.replace("another", "")
    assert comment("tenants.json").stdout.endswith("updated: 0\n")


# Labels


def test_labels_tell_of_removals_and_of_no_changes(github_server, comment, folder):
    removing = build_plans.plan(
        build_plans.policy_plan(
            build_plans.WINDOWS, build_plans.delete(build_plans.WINDOWS, build_plans.group("A"))
        ),
        guardrails=build_plans.Guardrails(max_deletes=9),
    )
    (folder / "removing.json").write_text(dumps(build_plans.saved(removing)))
    github_server.labelled[7] = ["bug"]
    comment("removing.json", "--labels")
    assert github_server.labelled[7] == ["bug", "reconciler: removes"]
    comment("other.json", "--labels")
    assert github_server.labelled[7] == ["bug", "reconciler: removes"]  # that of contoso-prod
    comment("same.json", "--labels")
    assert github_server.labelled[7] == ["bug", "reconciler: no changes"]
    assert {"reconciler: removes", "reconciler: no changes"} <= github_server.labels


# After the merge


MERGE = "4" * 40


@pytest.fixture
def merged(github_server, comment):
    """A plan was shown on pull request 7, and it is merged."""
    comment("plan.json")
    github_server.pulls[7] |= {
        "state": "closed", "merged_at": github_server.now(), "merge_commit_sha": MERGE
    }  # fmt: skip
    github_server.history = ["0" * 40, MERGE]

    def pushed(file, event="push", *arguments):
        environment = {"GITHUB_EVENT_NAME": event, "GITHUB_SHA": MERGE, "GITHUB_REF_NAME": "main"}
        return comment(file, *arguments, event={}, GITHUB_RUN_ID="2", **environment)

    return pushed


def outcome(folder, *outcomes):
    (folder / "outcome.json").write_text(dumps_result(example_plans.applied(*outcomes)))


def test_the_outcome_takes_the_place_of_the_plan_and_uses_the_approval_up(
    github_server, merged, folder
):
    done = tuple(example_plans.ordinary().changes)
    outcome(folder, PolicyOutcome(build_plans.WINDOWS, Status.APPLIED, done, done))
    ran = merged("outcome.json")
    assert ran.code == 0
    assert ran.stdout.startswith("contoso-prod, pull request #7: comment updated: ")
    [body] = github_server.bodies(7)
    assert body.splitlines()[2] == "## Applied 3, changed 1 · run 2 · `contoso-prod`"
    assert github_server.statuses[-1]["description"] == "Applied 3, changed 1 · run 2 [done]"
    assert merged("outcome.json").stdout == "contoso-prod: no pull request waits for this\n"


def test_what_is_left_stays_approved(github_server, merged, folder):
    first, *others = (each for each in example_plans.ordinary().policies if each.changes)
    left = tuple(change for each in others for change in each.changes)
    outcome(
        folder,
        PolicyOutcome(first.policy, Status.APPLIED, first.changes, first.changes),
        *(
            PolicyOutcome(each.policy, Status.FAILED, each.changes, error="Graph refused")
            for each in others
        ),
    )
    merged("outcome.json")
    [body] = github_server.bodies(7)
    digest = digest_of_lines(build_plans.TENANT.id, change_lines(left))
    assert f"digest={digest} commit={HEAD} run=2 " in body.partition("\n")[0]
    assert read_changes(body) == change_lines(left)
    assert github_server.statuses[-1]["description"].endswith(f"[left {digest}]")
    assert github_server.statuses[-1]["state"] == "failure"


def test_a_run_by_hand_approves_nothing_of_what_it_left(github_server, merged, folder):
    changes = tuple(example_plans.ordinary().changes)
    outcome(folder, PolicyOutcome(build_plans.MACS, Status.FAILED, changes[1:], error="no"))
    merged("outcome.json", "workflow_dispatch")
    digest = example_plans.ordinary().digest
    assert github_server.statuses[-1]["description"].endswith(f"[left {digest}]")
    assert read_changes(github_server.bodies(7)[0]) is None


@pytest.mark.parametrize(
    ("code", "title"),
    [
        (3, "## The tenant has changed: approve again · `contoso-prod`"),
        (5, "## Not applied: it was stopped · `contoso-prod`"),
        (1, "## Not applied: it was stopped · `contoso-prod`"),
    ],
)
def test_an_apply_that_wrote_nothing_says_so_and_keeps_the_approval(
    github_server, merged, folder, code, title
):
    digest = "sha256:" + "e" * 64
    failed(
        folder,
        command="apply",
        exit_code=code,
        reason="it was stopped",
        diagnostics=(),
        digest=digest,
    )
    assert merged("failure.json").code == 0
    [body] = github_server.bodies(7)
    assert body.splitlines()[2] == title
    approved = example_plans.ordinary().digest
    assert f"digest={approved} " in body.partition("\n")[0]
    assert github_server.statuses[-1]["description"] == f"Not applied [left {approved}]"
    how = f"gh workflow run apply.yml -f label=contoso-prod -f digest={digest}"
    assert (how in body) == (code == 3)


def test_the_next_plan_on_a_pull_request_is_a_plan_again(github_server, merged, comment, folder):
    done = tuple(example_plans.ordinary().changes)
    outcome(folder, PolicyOutcome(build_plans.WINDOWS, Status.APPLIED, done, done))
    merged("outcome.json")
    github_server.pulls[7] |= {"state": "open", "merged_at": None}  # as where it is opened again
    comment("plan.json")
    [body] = github_server.bodies(7)
    assert body.splitlines()[2].startswith("## Plan: ")


# Two runs at once


def late(github_server, comment, happening, *, head):
    """Let something happen when the run of ``head`` has seen no comment and is about to create one."""
    github_server.plan("POST", COMMENTS, happening)
    return comment("plan.json", head=head)


def test_an_older_run_that_comes_late_gives_way_to_the_newer(github_server, comment):
    def newer():
        github_server.push(7, NEXT)
        comment("plan.json", head=NEXT)

    ran = late(github_server, comment, newer, head=HEAD)
    assert ran.code == 0
    assert_one_of(github_server, NEXT)


def test_a_newer_run_takes_the_place_of_an_older_one_that_was_first(github_server, comment):
    ran = late(github_server, comment, lambda: comment("plan.json", head=OLD), head=HEAD)
    assert ran.code == 0
    assert_one_of(github_server, HEAD)


def assert_one_of(github_server, commit):
    first, *rest = github_server.bodies(7)
    assert f" commit={commit} " in first.partition("\n")[0]
    assert all(body.startswith("<!-- reconciler:superseded ") for body in rest)


def test_a_run_of_an_older_commit_leaves_the_newer_comment(github_server, comment):
    comment("plan.json")
    ran = comment("same.json", head=OLD)
    assert ran.stdout.startswith(
        "contoso-prod: a newer commit is the head, so nothing was posted: "
    )
    assert_one_of(github_server, HEAD)


# Bad days


@pytest.mark.parametrize(
    "fault",
    [
        Fault(429, headers={"Retry-After": "0"}),
        Fault(403, "You have exceeded a secondary rate limit", {"Retry-After": "0"}),
        Fault(502, raw="<html>Bad gateway</html>", headers={"Retry-After": "0"}),
        Fault(503, headers={"Retry-After": "0"}),
    ],
    ids=["429", "secondary limit", "502 of a proxy", "503"],
)
def test_limits_and_outages_that_pass_are_waited_for(github_server, comment, fault):
    for method, path in (("GET", COMMENTS), ("GET", r"/pulls/7$")):
        github_server.plan(method, path, fault, times=2)
    assert comment("plan.json").code == 0
    assert len(github_server.comments) == 1


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_creation_without_an_answer_ends_in_one_comment(github_server, comment, drop):
    github_server.plan("POST", COMMENTS, Fault(drop=drop))
    assert comment("plan.json").code == 0
    assert len(github_server.comments) == 1


def test_a_limit_that_lasts_longer_than_the_time_there_is_ends_the_run_at_once(
    github_server, comment
):
    github_server.plan("GET", COMMENTS, Fault(429, headers={"Retry-After": "900"}))
    ran = comment("plan.json", "--timeout", "30")
    assert ran.code == 1
    assert "--timeout" in ran.error
    assert github_server.comments == []


# Where and as whom


def test_the_pull_request_can_be_named_without_an_event(github_server, comment):
    ran = comment("plan.json", "--pr", "7", GITHUB_EVENT_PATH=None, GITHUB_ACTIONS=None)
    assert ran.code == 0
    [posted] = github_server.comments
    assert f" commit={HEAD} " in posted["body"]


def test_a_person_can_comment_too(github_server, comment):
    github_server.add_comment(7, "<!-- reconciler:plan tenant=contoso-prod v=1 -->\nours", by=BOT)
    assert comment("plan.json", token=PERSON_TOKEN).code == 0
    assert [each["user"]["login"] for each in github_server.comments] == [BOT.login, "adele"]


def test_a_commit_that_is_not_the_head_is_refused_for_a_number_that_was_given(
    github_server, comment
):
    ran = comment("plan.json", "--pr", "7", "--commit", NEXT)
    assert ran.code == 1
    assert "is not the head of pull request #7" in ran.error
    assert wrote(github_server) == []


def test_a_plan_beyond_every_limit_is_cut_to_fit_and_still_names_its_digest(github_server, comment):
    assert comment("large.json").code == 0
    [body] = github_server.bodies(7)
    assert len(body) <= 65_536
    assert f"digest={example_plans.large(3000).digest}" in body.partition("\n")[0]


def test_hostile_names_are_posted_harmlessly(github_server, comment):
    ran = comment("hostile.json", "--note", "-->\n@everyone `x`", "--root", "../](javascript:x)")
    assert ran.code == 1  # the plan is incomplete
    assert not any(line.lstrip().startswith("::") for line in ran.stdout.splitlines())
    [body] = github_server.bodies(7)
    links, texts = acting_parts(body)
    places = (f"{github_server.root}/", "https://intune.microsoft.com/#view/")
    assert all(link.startswith(places) for link in links)
    assert not any("everyone" in text or "evil" in text for text in texts)
    assert comment("hostile.json").stdout.count("\n") == 1
    assert len(github_server.comments) == 1


# The record that an approval needs


def test_a_plan_sets_a_commit_status_that_names_its_digest_and_run(github_server, comment):
    comment("plan.json")
    [status] = github_server.statuses
    digest = example_plans.ordinary().digest
    assert status["description"].endswith(f" to remove [plan {digest}]")
    assert (status["sha"], status["context"]) == (HEAD, "reconciler/contoso-prod")
    assert status["target_url"].endswith("/actions/runs/1")
    assert "run=1 " in github_server.bodies(7)[0].partition("\n")[0]
    comment("same.json", head=OLD)  # not the head: nothing is recorded
    assert len(github_server.statuses) == 1


def test_a_status_that_is_refused_fails_the_command(github_server, comment):
    github_server.plan("POST", "/statuses/", Fault(403, "Resource not accessible by integration"))
    ran = comment("plan.json")
    assert ran.code == 1
    assert "`statuses: write`" in ran.error
    assert len(github_server.comments) == 1


def test_no_plan_is_posted_once_the_pull_request_is_merged(github_server, comment, folder):
    """Nobody could see it before the merge, so it must not look approved."""
    github_server.pulls[7] |= {"state": "closed", "merged_at": github_server.now()}
    failed(folder)
    root = {"path": "desired-state", "label": "contoso-prod", "valid": False}
    (folder / "validate.json").write_text(validation([root]))
    (folder / "tenants.json").write_text(json.dumps({"include": []}))
    for file in ("plan.json", "failure.json", "validate.json", "tenants.json"):
        ran = comment(file)
        assert (ran.code, ran.stdout) == (0, "pull request #7 is merged, so nothing was posted\n")
    assert github_server.comments == github_server.statuses == []


# Without permission


def test_a_forks_token_may_not_comment_so_the_summary_has_it_and_soft_says_so(
    github_server, comment, folder
):
    hard = comment("plan.json", token=FORK_TOKEN)
    assert hard.code == 1
    assert "a pull request from a fork only ever gets a read-only token" in hard.error
    summary = (folder / "summary.md").read_text()
    assert "### Assignments that would change" in summary
    (folder / "summary.md").unlink()
    soft = comment("plan.json", "--soft", token=FORK_TOKEN)
    assert (soft.code, soft.stdout) == (0, "")
    assert soft.stderr.startswith("not posted, the job summary has it instead: ")
    assert (folder / "summary.md").read_text() == summary
    assert github_server.comments == []


def test_soft_is_for_permissions_and_not_for_a_token_that_github_does_not_know(
    github_server, comment
):
    ran = comment("plan.json", "--soft", token="ghs_expired")
    assert ran.code == 1
    assert "the token is wrong or has expired, check GITHUB_TOKEN" in ran.error


# Bad input: a clear error, exit 1, nothing posted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is not JSON, or was cut off (line 1, column 1)"),
        ("9" * 5000, "is not a plan: a number in it is too long"),
        ("PK\x03\x04", "is not a plan: it is not JSON, or was cut off"),
        ("[1]", "is not a plan of reconciler"),
        ('{"format_version": "1.2", "resource_changes": []}', "is not a plan of reconciler"),
        ('{"format_version": "99.0", "checksum": "x"}', "99.0"),
        ('{"outcomes": []}', "bad.json"),
        (validation([{}]), "is not the result of validate that this release can read"),
        (validation(7), "is not the result of validate that this release can read"),
        ('{"kind": "failure", "format_version": "1.0"}', "is not the failure of a command"),
        ('{"include": [{}]}', "is not a plan of reconciler"),
        ("[" * 50_000 + "]" * 50_000, "is not a plan: it is nested too deep"),
    ],
)
def test_a_file_that_is_not_ours(github_server, comment, folder, text, said):
    (folder / "bad.json").write_text(text)
    refused(github_server, comment("bad.json"), said)


def test_a_plan_that_was_cut_off_altered_or_is_missing(github_server, comment, folder):
    whole = (folder / "plan.json").read_text()
    (folder / "cut.json").write_text(whole[: len(whole) // 2])
    refused(github_server, comment("cut.json"), "it is not JSON, or was cut off")
    (folder / "altered.json").write_text(whole.replace('"Sales', '"Sails', 1))
    assert (folder / "altered.json").read_text() != whole
    ran = comment("altered.json")
    assert ran.code in (1, 3)
    assert wrote(github_server) == []
    refused(github_server, comment("missing.json"), "there is no plan file missing.json")


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"event": {"ref": "refs/heads/main"}}, "the event (pull_request) has no pull request"),
        ({"event": []}, "the event file holds no event; give the pull request with --pr N"),
        ({"GITHUB_EVENT_PATH": None}, "there is no event (GITHUB_EVENT_PATH is not set)"),
        ({"GITHUB_EVENT_PATH": "/nowhere/event.json"}, "the event file cannot be read"),
        ({"token": None}, "GITHUB_TOKEN is not set; in a workflow, give the step"),
        ({"token": f"{ACTIONS_TOKEN} x"}, "GITHUB_TOKEN holds blanks or odd characters"),
        ({"GITHUB_REPOSITORY": None}, "GITHUB_REPOSITORY is not set; set it to owner/name"),
        ({"GITHUB_REPOSITORY": "contoso/../x"}, "GITHUB_REPOSITORY must be owner/name"),
        ({"GITHUB_REPOSITORY": "contoso/" + "x" * 101}, "GITHUB_REPOSITORY must be owner/name"),
        ({"GITHUB_API_URL": "http://github.example"}, "GITHUB_API_URL must be https"),
        ({"GITHUB_API_URL": "ftp://127.0.0.1"}, "GITHUB_API_URL must be an address"),
    ],
)
def test_a_job_that_lacks_what_is_needed(github_server, comment, environment, said):
    refused(github_server, comment("plan.json", **environment), said)


def test_a_pull_request_that_does_not_exist(github_server, comment):
    refused(github_server, comment("plan.json", "--pr", "8"), "pull request #8")


def test_names_without_end_are_shortened_so_that_no_text_is_over_githubs_limit(
    github_server, comment, folder
):
    roots = [{"path": "y" * 90_000, "label": name * 100_000, "valid": False} for name in "no"]
    (folder / "long.json").write_text(validation(roots))
    assert comment("long.json", "--note", "w " * 40_000).code == 0
    assert [len(body) < 65_536 for body in github_server.bodies(7)] == [True, True]


def refused(github_server, ran, said):
    assert ran.code == 1
    assert said in ran.error
    assert ran.stdout == ""
    assert wrote(github_server) == []


def test_options_that_make_no_sense_are_usage_errors(comment):
    assert comment("plan.json", "--pr", "0").code == 64
    assert comment("plan.json", "--pr", "seven").code == 64
    assert comment().code == 64


# The issue


def test_an_issue_is_opened_updated_and_closed(github_server, comment):
    opened = comment("plan.json", "--issue")
    [issue] = github_server.issues
    assert opened.stdout == f"contoso-prod: issue created: {issue['html_url']}\n"
    assert issue["state"] == "open"
    assert comment("same.json", "--issue").stdout.startswith("contoso-prod: issue closed: ")
    assert issue["state"] == "closed"
    assert comment("plan.json", "--issue").stdout.startswith("contoso-prod: issue reopened: ")
    assert len(github_server.issues) == 1


def test_a_token_that_may_not_write_issues_says_so(github_server, comment):
    ran = comment("plan.json", "--issue", token=FORK_TOKEN)
    assert ran.code == 1
    assert "`issues: write`" in ran.error
    assert github_server.issues == []
