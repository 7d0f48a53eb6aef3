"""The conversation with GitHub: retries, limits, pages, redirects, refusals, secrets."""

from __future__ import annotations

import logging
import re
import traceback

import httpx
import pytest

from reconciler.github.api import GitHubApi
from reconciler.github.author import Author, identify
from reconciler.github.errors import (
    GitHubError,
    GitHubOutcomeUnknownError,
    MissingError,
    PermissionDenied,
)
from reconciler.github.pulls import read_pull
from reconciler.model.errors import AuthError, ConfigError, DeadlineError, ReconcilerError
from reconciler.runtime.deadline import Deadline
from tests.support.github_server import (
    ACTIONS_TOKEN,
    FORK_TOKEN,
    PERSON_TOKEN,
    REPOSITORY,
    Fault,
    clock,
    connect,
    github_server,
)

__all__ = ["clock", "connect", "github_server"]

HEAD = "a" * 40


@pytest.fixture(autouse=True)
def pull(github_server):
    github_server.add_pull(7, [HEAD])


def read(api):
    return api.get(f"{api.here}/pulls/7", attempted="reading")


def write(api, body="text"):
    return api.create(f"{api.here}/issues/7/comments", {"body": body}, attempted="writing")


LIMITS = {
    "retry-after": (Fault(403, "secondary rate limit", {"Retry-After": "17"}), 17.0),
    "a date": (Fault(429, headers={"Retry-After": "Mon, 23 Nov 2026 10:00:30 GMT"}), 30.0),
    "primary": (
        Fault(403, headers={"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1795428040"}),
        41.0,
    ),
    "unnamed": (Fault(403, "You have exceeded a secondary rate limit. Wait."), 60.0),
    "429 alone": (Fault(429), 60.0),
    "a reset that is none": (
        Fault(429, headers={"x-ratelimit-remaining": "0", "x-ratelimit-reset": "soon"}),
        60.0,
    ),
    "a reset that no number holds": (
        Fault(429, headers={"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9" * 400}),
        60.0,
    ),
    "a wait that is none": (Fault(429, headers={"Retry-After": "soon"}), 60.0),
}


@pytest.mark.parametrize(("fault", "wait"), LIMITS.values(), ids=LIMITS)
def test_a_rate_limit_is_waited_out(github_server, connect, clock, fault, wait):
    github_server.plan("GET", "/pulls/7", fault)
    github_server.plan("POST", "/comments", fault)

    read(connect())
    assert clock.slept == [wait]


@pytest.mark.parametrize("fault", [fault for fault, _wait in LIMITS.values()], ids=LIMITS)
def test_a_creation_is_repeated_after_a_rate_limit_alone(github_server, connect, fault):
    github_server.plan("POST", "/comments", fault)
    write(connect())
    assert github_server.bodies(7) == ["text"]


def test_an_unnamed_limit_is_waited_out_longer_each_time(github_server, connect, clock):
    github_server.plan("GET", "/pulls/7", Fault(429), times=3)
    read(connect())
    assert clock.slept == [60.0, 120.0, 240.0]


def test_who_is_told_at_once_again_and_again_waits_a_second(github_server, connect, clock):
    github_server.plan("GET", "/pulls/7", Fault(429, headers={"Retry-After": "0"}), times=4)
    read(connect())
    assert clock.slept == [0.0, 0.0, 1.0, 1.0]


def test_the_deadline_ends_the_waiting(github_server, connect, clock):
    github_server.plan("GET", "/pulls/7", Fault(429, headers={"Retry-After": "3600"}))
    with pytest.raises(
        DeadlineError, match=r"reading: GitHub answered 429: .*; waiting 3600 s more"
    ):
        read(connect())
    assert clock.slept == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault(500),
        Fault(502, raw="<html>bad gateway"),
        Fault(408),
        Fault(200, raw="{cut"),
        Fault(drop="after"),
    ],
    ids=str,
)
def test_a_passing_fault_of_a_read_or_an_edit_is_repeated(github_server, connect, clock, fault):
    comment = github_server.add_comment(7, "old")
    github_server.plan("GET", "/pulls/7", fault, times=2)
    github_server.plan("PATCH", "/comments", fault, times=2)
    api = connect()

    read(api)
    api.edit(f"{api.here}/issues/comments/{comment['id']}", {"body": "new"}, attempted="editing")

    assert github_server.bodies(7) == ["new"]
    assert len(clock.slept) == 4
    assert all(wait <= 2 for wait in clock.slept)


def test_a_lasting_fault_is_given_up(github_server, connect):
    github_server.plan("GET", "/pulls/7", Fault(503, "unicorn"), times=99)
    with pytest.raises(GitHubError) as caught:
        read(connect())
    assert str(caught.value) == (
        "reading: GitHub answered 503: unicorn (request-id ABCD:1234:5678)"
    )
    assert len(github_server.seen) == 6


@pytest.mark.parametrize(
    ("fault", "is_there"),
    [
        (Fault(502), False),
        (Fault(500, acts=True), True),
        (Fault(201, raw="<html>", acts=True), True),
        (Fault(drop="before"), False),
        (Fault(drop="after"), True),
    ],
    ids=str,
)
def test_a_creation_with_an_unclear_answer_is_not_repeated(github_server, connect, fault, is_there):
    github_server.plan("POST", "/comments", fault)
    with pytest.raises(GitHubOutcomeUnknownError):
        write(connect())
    assert github_server.bodies(7) == (["text"] if is_there else [])
    assert len(github_server.seen) == 1


def test_every_page_is_read(github_server, connect):
    github_server.page_limit = 2
    for number in range(5):
        github_server.add_comment(7, str(number))
    api = connect()

    entries = list(api.pages(f"{api.here}/issues/7/comments", attempted="listing"))

    assert [entry["body"] for entry in entries] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ("{url}", "in a circle"),
        ("https://evil.example/next", "leads to another host"),
        ("http://127.0.0.1:1/next", "leads to another host"),
        ("http://[", "leads nowhere"),
        ("https://host:port/", "leads nowhere"),
    ],
)
def test_pages_that_lead_astray_are_not_followed(github_server, connect, link, message):
    url = f"{github_server.api_url}/repos/{REPOSITORY}/issues/7/comments?per_page=100"
    headers = {"Link": f'<{link.format(url=url)}>; rel="next"'}
    github_server.plan("GET", "/comments", Fault(200, raw="[]", headers=headers), times=9)
    api = connect()
    with pytest.raises(GitHubError, match=message):
        list(api.pages(f"{api.here}/issues/7/comments", attempted="listing"))
    assert len(github_server.seen) == 1


def test_something_else_than_a_list_is_refused(github_server, connect):
    api = connect()
    with pytest.raises(GitHubError, match="a list was due"):
        list(api.pages(f"{api.here}/pulls/7", attempted="listing"))


def test_a_renamed_repository_is_followed_with_method_and_body(github_server, connect):
    home = f"{github_server.api_url}/repos/{REPOSITORY}/issues/7/comments"
    github_server.plan("POST", "/comments", Fault(307, headers={"Location": home}))
    write(connect())
    assert github_server.bodies(7) == ["text"]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("https://evil.example/x", "another host"),
        ("{api}/repos/contoso/intune/pulls/7", "without end"),
    ],
)
def test_redirects_that_lead_astray_end(github_server, connect, target, message):
    location = {"Location": target.format(api=github_server.api_url)}
    github_server.plan("GET", "/pulls/7", Fault(301, headers=location), times=99)
    with pytest.raises(GitHubError, match=message):
        read(connect())
    assert len(github_server.seen) <= 4


def test_a_read_only_token_is_told_apart(connect):
    with pytest.raises(
        PermissionDenied, match="Resource not accessible by integration; the token lacks"
    ) as caught:
        write(connect(FORK_TOKEN))
    assert "a pull request from a fork only ever gets a read-only token" in str(caught.value)
    assert "see https://docs.github.com/rest" in str(caught.value)


def test_bad_credentials_say_so(connect):
    with pytest.raises(
        PermissionDenied, match="401: Bad credentials; the token is wrong or has exp"
    ):
        read(connect("ghs_nobody"))


def test_what_is_hidden_is_missing_to_a_reader_and_forbidden_to_a_writer(github_server, connect):
    api = connect()
    with pytest.raises(MissingError, match="check the number and GITHUB_REPOSITORY"):
        api.get(f"{api.here}/pulls/8", attempted="reading")
    with pytest.raises(PermissionDenied, match="may not write to this repository"):
        api.create(f"{api.here}/issues/8/comments", {"body": "x"}, attempted="writing")


def test_a_validation_error_is_spelt_out(connect):
    with pytest.raises(GitHubError, match=r"422: Validation Failed; Body is too long"):
        write(connect(), "x" * 65_537)


@pytest.mark.parametrize(
    ("token", "author"),
    [
        (ACTIONS_TOKEN, Author("github-actions[bot]", 41898282)),
        (FORK_TOKEN, Author("github-actions[bot]", 41898282)),
        (PERSON_TOKEN, Author("adele", 1001)),
    ],
)
def test_a_token_knows_whose_it_is(connect, token, author):
    assert identify(connect(token)) == author


def test_without_graphql_a_person_is_found_over_rest_and_a_job_is_assumed(github_server, connect):
    github_server.graphql_works = False
    assert identify(connect(PERSON_TOKEN)) == Author("adele", 1001)
    assert identify(connect(), in_actions=True) == Author("github-actions[bot]")
    with pytest.raises(PermissionDenied):
        identify(connect())


def test_a_wrong_token_is_not_assumed_to_be_anybody(connect):
    with pytest.raises(PermissionDenied, match="Bad credentials"):
        identify(connect("ghs_nobody"), in_actions=True)


def test_the_users_word_for_the_author_asks_nobody(github_server, connect):
    assert identify(connect(), login=" my-app[bot] ") == Author("my-app[bot]")
    assert github_server.seen == []


def test_a_person_does_not_pass_for_a_bot():
    bot = Author("github-actions[bot]")
    assert bot.wrote({"user": {"login": "github-actions[bot]", "type": "Bot"}})
    assert not bot.wrote({"user": {"login": "github-actions[bot]", "type": "User"}})
    assert not Author("github-actions[bot]", 1).wrote(
        {"user": {"login": "github-actions[bot]", "id": 2}}
    )
    assert not bot.wrote({"user": None})


def test_no_error_and_no_log_line_holds_the_token(github_server, connect, caplog):
    caplog.set_level(logging.DEBUG)
    api = connect()
    echo = f"your token {ACTIONS_TOKEN}\x1b[31m\nsecond line"
    headers = {"x-github-request-id": ACTIONS_TOKEN, "Location": f"https://evil/{ACTIONS_TOKEN}"}
    said = []
    for fault in (
        Fault(403, echo, headers),
        Fault(422, echo, headers),
        Fault(500, echo, headers),
        Fault(200, raw=ACTIONS_TOKEN),
        Fault(301, echo, headers),
        Fault(drop="before"),
    ):
        github_server.plan("GET", "/pulls/7", fault, times=6)
        with pytest.raises(ReconcilerError) as caught:
            read(api)
        said += traceback.format_exception(caught.value)
        assert "\n" not in str(caught.value)
        assert "\x1b" not in str(caught.value)
        github_server._plans.clear()
    said += [record.getMessage() for record in caplog.records if record.name[:8] != "httpcore"]
    said += [repr(api), repr(vars(api).keys())]
    assert not re.search("Canary", "".join(said))


@pytest.mark.parametrize("token", ["", "Canary token", "Canary\r\nX: y", "Canäry"])
def test_a_token_that_no_header_can_carry_is_refused_unseen(clock, token):
    with pytest.raises(AuthError) as caught, httpx.Client() as http:
        GitHubApi(
            http=http,
            api_url="https://api.github.com",
            repository=REPOSITORY,
            token=token,
            clock=clock,
            deadline=Deadline(clock, 1),
        )
    assert "Can" not in str(caught.value)


def test_a_host_that_is_not_there_is_said(clock):
    with httpx.Client(trust_env=False) as http, pytest.raises(GitHubError) as caught:
        write(
            GitHubApi(
                http=http,
                api_url="http://127.0.0.1:1",
                repository=REPOSITORY,
                token="t",
                clock=clock,
                deadline=Deadline(clock, 600),
            )
        )
    assert not isinstance(caught.value, GitHubOutcomeUnknownError)
    assert "writing: no response from GitHub: cannot reach 127.0.0.1:1: no connection" in str(
        caught.value
    )
    assert len(clock.slept) == 5


@pytest.mark.parametrize("status", [403, 404, 407])
def test_a_proxys_refusal_is_not_taken_for_githubs(github_server, connect, clock, status):
    github_server.plan("POST", "/comments", Fault(status, raw="<html>blocked"))
    with pytest.raises(GitHubError, match="is there a proxy in between") as caught:
        write(connect())
    assert type(caught.value) is GitHubError
    assert clock.slept == []


@pytest.mark.parametrize("answer", ["{}", "[]", '{"number": 7, "head": {"sha": "main"}}', ""])
def test_an_answer_of_another_shape_is_an_error_and_no_crash(github_server, connect, answer):
    github_server.plan("GET", "/pulls/7", Fault(200, raw=answer))
    with pytest.raises(GitHubError, match="not a pull request as GitHub describes it"):
        read_pull(connect(), 7)


def test_a_viewer_of_another_shape_leads_to_rest(github_server, connect):
    github_server.plan("POST", "/graphql", Fault(200, raw='{"data": {"viewer": null}}'))
    assert identify(connect(PERSON_TOKEN)) == Author("adele", 1001)


def test_an_empty_login_is_refused(connect):
    with pytest.raises(ConfigError, match="login is empty"):
        identify(connect(), login=" ")
