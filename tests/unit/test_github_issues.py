"""The drift issue: one per tenant, open for as long as there is drift."""

from __future__ import annotations

import pytest

from reconciler.github.author import Author
from reconciler.github.errors import GitHubError, GitHubOutcomeUnknownError, PermissionDenied
from reconciler.github.issues import IssueAction, upsert_issue
from reconciler.model.errors import ConfigError
from tests.support.github_server import (
    FORK_TOKEN,
    MALLORY,
    Fault,
    clock,
    connect,
    github_server,
)

__all__ = ["clock", "connect", "github_server"]

BOT = Author("github-actions[bot]", 41898282)
PREFIX = "<!-- reconciler:drift tenant=prod "
LABEL = ("reconciler-drift",)


def text(says="drift"):
    return f"{PREFIX}v=1 -->\n{says}"


@pytest.fixture
def post(connect):
    def post(says="drift", *, open=True, token=None, title="Drift in prod", **options):
        return upsert_issue(
            connect(token) if token else connect(),
            author=BOT,
            title=title,
            body=text(says),
            marker_prefix=PREFIX,
            open=open,
            **options,
        )

    return post


def states(github_server):
    return [(issue["state"], issue["body"]) for issue in github_server.issues]


def test_a_tenants_story(github_server, post):
    assert post("clean", open=False).action is IssueAction.SKIPPED
    created = post("one policy")
    assert (created.action, created.number) == (IssueAction.CREATED, 900)
    assert github_server.issues[0]["labels"] == [{"name": "reconciler-drift"}]
    assert post("one policy").action is IssueAction.UNCHANGED
    assert post("two policies").action is IssueAction.UPDATED
    assert post("clean", open=False).action is IssueAction.CLOSED
    assert post("clean", open=False).action is IssueAction.SKIPPED
    assert post("again").action is IssueAction.REOPENED

    assert states(github_server) == [("open", text("again"))]
    assert github_server.bodies(900) == ["No drift any more: the tenant is as declared."]
    assert github_server.sent("POST").count(("POST", "/labels")) == 1


def test_only_our_own_issue_of_this_tenant_counts(github_server, post):
    github_server.add_issue("Drift in prod", text(), by=MALLORY, labels=LABEL)
    github_server.add_issue("Drift", text().replace("=prod", "=prod-eu"), labels=LABEL)
    github_server.add_issue("Drift in prod", text(), labels=LABEL, is_pull=True)
    github_server.add_issue("Drift in prod", text())
    before = states(github_server)

    assert post("new").action is IssueAction.CREATED

    assert states(github_server) == [*before, ("open", text("new"))]


def test_the_latest_closed_one_is_opened_again(github_server, post):
    github_server.page_limit = 1
    for _ in range(3):
        github_server.add_issue("Drift in prod", text("old"), labels=LABEL, state="closed")
    assert post().number == 902
    assert [state for state, _body in states(github_server)] == ["closed", "closed", "open"]


@pytest.mark.parametrize("fault", [Fault(502), Fault(500, acts=True), Fault(drop="after")], ids=str)
def test_a_creation_with_an_unclear_outcome_ends_in_one_issue(github_server, post, fault):
    github_server.plan("POST", "/issues$", fault)
    assert post().action is IssueAction.CREATED
    assert states(github_server) == [("open", text())]


def test_of_two_created_at_once_the_older_stays(github_server, post):
    def other():
        github_server.add_issue("Drift in prod", text("other"), labels=LABEL)

    github_server.plan("POST", "/issues$", other)
    assert post("ours").number == 900
    assert states(github_server) == [
        ("open", text("ours")),
        ("closed", "<!-- reconciler:superseded v=1 -->\nSuperseded by #900."),
    ]


def test_an_unclear_remark_on_closing_is_not_made_twice(github_server, post):
    post()
    github_server.plan("POST", "/comments$", Fault(drop="after"))
    assert post("clean", open=False).action is IssueAction.CLOSED
    assert len(github_server.bodies(900)) == 1


def test_a_label_that_another_run_creates_meanwhile_is_fine(github_server, post):
    github_server.plan("POST", "/labels$", lambda: github_server.labels.add("reconciler-drift"))
    assert post().action is IssueAction.CREATED


def test_without_permission_nothing_is_created(github_server, post):
    with pytest.raises(PermissionDenied, match="issues: write"):
        post(token=FORK_TOKEN)
    assert github_server.issues == []


def test_what_github_would_refuse_is_refused_before(github_server, post):
    with pytest.raises(ConfigError, match="title has 300 characters and GitHub takes 256"):
        post(title="x" * 300)
    with pytest.raises(ConfigError, match="GitHub takes 65,536"):
        post("x" * 65_536)
    assert github_server.seen == []


def test_an_issue_that_would_not_be_found_again_is_refused(github_server, connect):
    with pytest.raises(AssertionError):
        upsert_issue(
            connect(), author=BOT, title="t", body="no marker", marker_prefix=PREFIX, open=True
        )
    assert github_server.seen == []


def test_a_creation_that_never_becomes_clear_is_an_error(github_server, post):
    github_server.plan("POST", "/issues$", Fault(502), times=99)
    with pytest.raises(GitHubOutcomeUnknownError, match="creating the drift issue"):
        post()
    assert github_server.sent("POST").count(("POST", "/issues")) == 3


def test_an_answer_of_another_shape_is_an_error_and_no_crash(github_server, post):
    github_server.plan("POST", "/issues$", Fault(201, raw="[]"))
    with pytest.raises(GitHubError, match="names no issue"):
        post()


def test_an_unclear_label_is_left_to_the_issue(github_server, post):
    github_server.plan("POST", "/labels$", Fault(502))
    assert post().action is IssueAction.CREATED
    assert github_server.labels == {"reconciler-drift"}
