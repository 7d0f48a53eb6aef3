"""What a job's environment and its event say, and what is refused of them."""

from __future__ import annotations

import json

import pytest

from reconciler.github.environment import GitHubEnvironment
from reconciler.github.event import PullRequestEvent, pull_request_of, read_event
from reconciler.model.errors import AuthError, ConfigError, ExitCode

HEAD = "a" * 40
TRIAL_MERGE = "b" * 40
CANARY = "ghs_Canary0123456789"

JOB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_TOKEN": CANARY,
    "GITHUB_REPOSITORY": "contoso/intune.policies",
    "GITHUB_API_URL": "https://github.contoso.example/api/v3/",
    "GITHUB_SERVER_URL": "https://github.contoso.example",
    "GITHUB_RUN_ID": "42",
    "GITHUB_SHA": TRIAL_MERGE,
    "GITHUB_EVENT_NAME": "pull_request",
    "GITHUB_OUTPUT": "/runner/output",
}


def test_a_job_is_read_whole():
    environment = GitHubEnvironment.read(JOB)

    assert environment == GitHubEnvironment(
        in_actions=True,
        api_url="https://github.contoso.example/api/v3",
        token=CANARY,
        repository="contoso/intune.policies",
        run_url="https://github.contoso.example/contoso/intune.policies/actions/runs/42",
        sha=TRIAL_MERGE,
        event_name="pull_request",
    )
    assert CANARY not in repr(environment)


def test_without_any_variable_it_is_github_com_and_nothing_else():
    environment = GitHubEnvironment.read({"GITHUB_TOKEN": "  "})

    assert (environment.in_actions, environment.api_url) == (False, "https://api.github.com")
    with pytest.raises(AuthError, match="GITHUB_TOKEN is not set; in a workflow, give the step"):
        environment.need_token()
    with pytest.raises(ConfigError, match="set it to owner/name"):
        environment.need_repository()


@pytest.mark.parametrize(
    "repository",
    [
        "contoso",
        "contoso/",
        "/intune",
        "a/b/c",
        "contoso/..",
        "con toso/intune",
        "x/y?z",
        "a/" + "n" * 101,
    ],
)
def test_a_repository_that_could_not_be_one_is_refused(repository):
    with pytest.raises(ConfigError, match="GITHUB_REPOSITORY must be owner/name") as caught:
        GitHubEnvironment.read({"GITHUB_REPOSITORY": repository})
    assert caught.value.exit_code == ExitCode.ERROR
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("http://api.github.com", "must be https"),
        ("https://user:Canary@host", "user name or a password"),
        ("https://host/api?token=Canary", "query or a fragment"),
        ("ftp://host", "must be an address"),
        ("https://host:port", "is not an address"),
        ("https://ho st", "blanks"),
        ("https://host\\@other", "backslashes"),
    ],
)
def test_an_address_that_would_leak_the_token_is_refused(address, fault):
    with pytest.raises(ConfigError, match=fault) as caught:
        GitHubEnvironment.read({"GITHUB_API_URL": address})
    assert "Canary" not in str(caught.value)


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8080/api/v3", "http://[::1]:80", "http://localhost"]
)
def test_plain_http_is_for_loopback(address):
    assert GitHubEnvironment.read({"GITHUB_API_URL": address}).api_url == address


@pytest.mark.parametrize("token", [CANARY + "\n" + CANARY, "Canary token", "Canäry"])
def test_a_garbled_token_is_refused_and_never_shown(token):
    with pytest.raises(AuthError) as caught:
        GitHubEnvironment.read({"GITHUB_TOKEN": token})
    assert "Can" not in str(caught.value)


def event(tmp_path, content, name="pull_request"):
    path = tmp_path / "event.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_event(path, name)


def pull(number=7, *, head_repo=1):
    return {
        "number": number,
        "head": {"sha": HEAD, "repo": head_repo and {"id": head_repo}},
        "base": {"ref": "main", "repo": {"id": 1}},
    }


def test_the_commit_is_the_head_and_not_the_trial_merge(tmp_path):
    assert event(tmp_path, {"pull_request": pull()}) == PullRequestEvent(7, HEAD)


@pytest.mark.parametrize("head_repo", [2, None])
def test_a_fork_is_told_even_when_it_is_gone(tmp_path, head_repo):
    found = event(tmp_path, {"pull_request": pull(head_repo=head_repo)}, "pull_request_target")
    assert found == PullRequestEvent(7, HEAD, from_fork=True)


def test_a_workflow_run_is_about_its_own_commit(tmp_path):
    elsewhere = {"number": 9, "base": {"repo": {"id": 2}}, "head": {}}
    moved_on = pull() | {"head": {"sha": "c" * 40}}
    run = {"head_sha": HEAD, "pull_requests": [elsewhere, moved_on]}

    found = event(tmp_path, {"workflow_run": run, "repository": {"id": 1}}, "workflow_run")

    assert found == PullRequestEvent(7, HEAD)


def test_a_comment_on_a_pull_request_leaves_the_head_open(tmp_path):
    found = event(tmp_path, {"issue": {"number": 7, "pull_request": {}}}, "issue_comment")
    assert found == PullRequestEvent(7, None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"ref": "refs/heads/main"}, r"the event \(push\) has no pull request; give .* --pr N"),
        ({"issue": {"number": 7}}, "has no pull request"),
        ({"pull_request": {"number": True}}, "has no pull request"),
        ({"pull_request": None}, "has no pull request"),
        ({"workflow_run": {"pull_requests": []}}, "leaves it out for forks"),
        ({"workflow_run": {"pull_requests": None}}, "leaves it out for forks"),
        ({"workflow_run": {"pull_requests": 5}}, "leaves it out for forks"),
        ({"workflow_run": {"pull_requests": [{"number": 2}, {"number": 1}]}}, r"several .*#1, #2"),
        ("not json", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "holds no event"),
    ],
)
def test_an_event_without_a_pull_request_says_what_to_give(tmp_path, content, message):
    with pytest.raises(ConfigError, match=message) as caught:
        event(tmp_path, content, "push")
    assert "--pr N" in str(caught.value)
    assert caught.value.exit_code == ExitCode.ERROR


def test_a_missing_event_file_is_no_crash(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot be read \(No such file"):
        read_event(tmp_path / "none.json", None)


def test_a_named_pull_request_needs_no_event(tmp_path):
    path = tmp_path / "event.json"
    path.write_text(json.dumps({"pull_request": pull()}))
    with_event = GitHubEnvironment.read({"GITHUB_EVENT_PATH": str(path)})
    without = GitHubEnvironment.read({})

    assert pull_request_of(with_event, number=7) == PullRequestEvent(7, HEAD)
    assert pull_request_of(with_event, number=8) == PullRequestEvent(8, None)
    assert pull_request_of(with_event) == PullRequestEvent(7, HEAD)
    assert pull_request_of(without, number=7) == PullRequestEvent(7, None)
    with pytest.raises(ConfigError, match="there is no event"):
        pull_request_of(without)
    with pytest.raises(ConfigError, match="not 0"):
        pull_request_of(without, number=0)
