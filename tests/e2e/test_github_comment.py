"""``reconciler comment`` against a GitHub on loopback, the command in a process of its own."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from reconciler.documents import dumps
from reconciler.documents.results import dumps_result
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


def test_each_tenant_and_each_kind_has_a_comment_of_its_own(github_server, comment):
    for file in ("plan.json", "other.json", "result.json", "plan.json", "result.json"):
        assert comment(file, "--always").code == 0
    markers = [body.partition(" digest=")[0] for body in github_server.bodies(7)]
    assert markers == [
        "<!-- reconciler:plan tenant=contoso-prod",
        "<!-- reconciler:plan tenant=other",
        "<!-- reconciler:apply tenant=contoso-prod",
    ]


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
    assert ran.code == 0
    assert not any(line.lstrip().startswith("::") for line in ran.stdout.splitlines())
    [body] = github_server.bodies(7)
    links, texts = acting_parts(body)
    assert all(link.startswith(f"{github_server.root}/") for link in links)
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


def test_no_plan_is_posted_once_the_pull_request_is_merged(github_server, comment):
    """Nobody could see it before the merge, so it must not look approved."""
    github_server.pulls[7] |= {"state": "closed", "merged_at": github_server.now()}
    ran = comment("plan.json")
    assert (ran.code, ran.stdout) == (0, "contoso-prod: the pull request is merged, so no plan\n")
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
        ("", "is not a plan: it is not JSON, or was cut off"),
        ("PK\x03\x04", "is not a plan: it is not JSON, or was cut off"),
        ("[1]", "is not a plan of reconciler"),
        ('{"format_version": "1.2", "resource_changes": []}', "is not a plan of reconciler"),
        ('{"format_version": "99.0", "checksum": "x"}', "99.0"),
        ('{"outcomes": []}', "bad.json"),
        ('{"roots": [{}], "diagnostics": []}', "is not a result of validate"),
        ('{"roots": 7, "diagnostics": []}', "is not a result of validate"),
        ('{"roots": [{"label": "x"}]}', "is not a result of validate"),
        ("[" * 50_000, "is not a plan: it is not JSON, or was cut off"),
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
    (folder / "long.json").write_text(json.dumps({"roots": roots, "diagnostics": []}))
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
