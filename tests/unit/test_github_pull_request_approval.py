"""What one merged pull request approves, and every way of approving nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.github.author import Author
from reconciler.github.errors import GitHubError, PermissionDenied
from reconciler.github.hidden_changes import with_changes
from reconciler.github.pull_request_approval import (
    MissingApproval,
    PullRequestApproval,
    UsedApproval,
    read_approval,
)
from reconciler.github.pulls import read_pull
from tests.support.github_server import ADELE, MALLORY, Fault, clock, connect, github_server

__all__ = ["clock", "connect", "github_server"]

PREFIX = "<!-- reconciler:plan tenant=prod "
BOT = Author("github-actions[bot]", 41898282)
OLD, HEAD, MERGE = "1" * 40, "2" * 40, "3" * 40
DIGEST, OTHER_DIGEST = "sha256:" + "d" * 64, "sha256:" + "e" * 64
PLANNED = datetime(2026, 11, 20, 10, tzinfo=UTC)
MERGED = PLANNED + timedelta(hours=1)


def shown(commit=HEAD, digest=DIGEST, run=1):
    return f"{PREFIX}digest={digest} commit={commit} run={run} v=1 -->\n# Plan"


def described(kind="plan", digest=DIGEST):
    return f"3 to add, 1 to change, 2 to remove [{kind}{f' {digest}' if digest else ''}]"


@pytest.fixture
def ask(connect):
    def ask(author=BOT, now=MERGED + timedelta(days=1)):
        api = connect()
        return read_approval(
            api,
            author=author,
            pull=read_pull(api, 7),
            label="prod",
            marker_prefix=PREFIX,
            now=now,
        )

    return ask


@pytest.fixture
def merged(github_server):
    github_server.time = MERGED
    github_server.add_pull(7, [OLD, HEAD], merge_commit=MERGE, is_merged=True)
    github_server.time = PLANNED


@pytest.fixture
def recorded(github_server, merged):
    github_server.add_status(HEAD, "reconciler/prod", described())


def test_the_plan_that_was_shown_is_approved(github_server, recorded, ask):
    github_server.page_limit = 1
    github_server.add_comment(7, shown(OLD), by=MALLORY)
    github_server.add_comment(7, with_changes(shown(), ["a", "b"], limit=9_999))
    assert ask() == PullRequestApproval(7, DIGEST, ("a", "b"))


def test_our_own_edits_do_not_void_it(github_server, recorded, ask):
    comment = github_server.add_comment(7, shown(OLD))
    github_server.edit_comment(comment["id"], shown())
    assert isinstance(ask(), PullRequestApproval)
    assert isinstance(ask(Author("github-actions[bot]")), PullRequestApproval)


@pytest.mark.parametrize(
    ("editor", "who"), [(MALLORY, "mallory"), (None, "an account that is gone")]
)
def test_an_edit_by_anybody_else_voids_it(github_server, recorded, ask, editor, who):
    comment = github_server.add_comment(7, shown())
    github_server.edit_comment(comment["id"], shown(), by=editor)
    for author in (BOT, Author("github-actions[bot]")):
        found = ask(author)
        assert isinstance(found, MissingApproval)
        assert f"was last edited by {who}, not by github-actions[bot]" in found.reason


def test_where_nobody_tells_who_edited_it_is_not_approved(github_server, recorded, ask):
    github_server.add_comment(7, shown())
    github_server.graphql_works = False
    with pytest.raises(GitHubError, match="no GraphQL here"):
        ask()


def test_an_answer_without_the_editor_is_not_approved(github_server, recorded, ask):
    github_server.add_comment(7, shown())
    github_server.plan("POST", "/graphql", Fault(200, raw='{"data": {"node": null}}'))
    found = ask()
    assert isinstance(found, MissingApproval)
    assert "does not tell who edited the plan comment last" in found.reason


NOT = {
    "a comment of somebody else": ([(ADELE, shown())], "no plan comment by github-actions"),
    "no comment": ([], "no plan comment by github-actions"),
    "another tenant": ([(None, shown().replace("=prod ", "=prod-eu "))], "no plan comment"),
    "an older commit": ([(None, shown(OLD))], "is of an older commit"),
    "no commit": ([(None, f"{PREFIX}digest={DIGEST} v=1 -->")], "is of an older commit"),
    "no digest": ([(None, f"{PREFIX}commit={HEAD} v=1 -->")], "do not name one digest"),
    "two digests": (
        [(None, shown()), (None, shown(digest=OTHER_DIGEST))],
        "do not name one digest",
    ),
    "another run": ([(None, shown(run=2))], "no commit status"),
    "another digest": ([(None, shown(digest=OTHER_DIGEST))], "no commit status"),
}


@pytest.mark.parametrize(("comments", "reason"), NOT.values(), ids=NOT)
def test_anything_less_is_not_approved(github_server, recorded, ask, comments, reason):
    for author, body in comments:
        github_server.add_comment(7, body, **({"by": author} if author else {}))
    found = ask()
    assert isinstance(found, MissingApproval)
    assert reason in found.reason
    assert found.has_no_plan == ("no plan comment" in reason)


STATUSES = {
    "none": {},
    "of a person": {"by": MALLORY},
    "of another tenant": {"context": "reconciler/prod-eu"},
    "of another commit": {"commit": OLD},
    "without a digest": {"description": described(digest=None)},
    "with words alone": {"description": f"3 to add plan {DIGEST}"},
    "after the merge": {"time": MERGED + timedelta(seconds=1)},
}


@pytest.mark.parametrize("status", STATUSES.values(), ids=STATUSES)
def test_a_comment_that_no_status_confirms_approves_nothing(github_server, merged, ask, status):
    """As where a workflow repeats somebody's text in a comment of the bot."""
    github_server.add_comment(7, shown())
    if status:
        made = {"commit": HEAD, "context": "reconciler/prod", "description": described(), **status}
        github_server.time = made.pop("time", PLANNED)
        github_server.add_status(**made)
    found = ask()
    assert isinstance(found, MissingApproval)
    assert "no commit status by github-actions[bot]" in found.reason


def test_a_plan_that_was_written_after_the_merge_was_not_approved(github_server, recorded, ask):
    comment = github_server.add_comment(7, shown())
    github_server.time = MERGED + timedelta(seconds=1)
    github_server.edit_comment(comment["id"], shown())
    found = ask()
    assert isinstance(found, MissingApproval)
    assert "was written after the merge" in found.reason


def test_an_apply_uses_the_approval_up(github_server, recorded, ask):
    github_server.add_comment(7, shown())
    github_server.time = MERGED + timedelta(hours=1)
    github_server.add_status(HEAD, "reconciler/prod", described("done", None), run="2")
    assert ask() == UsedApproval(7)


def test_what_an_apply_left_stays_approved_and_nothing_else(github_server, recorded, ask):
    comment = github_server.add_comment(7, shown())
    github_server.time = MERGED + timedelta(hours=1)
    github_server.add_status(HEAD, "reconciler/prod", described("left", OTHER_DIGEST), run="2")
    assert isinstance(ask(), MissingApproval)  # the comment still shows everything
    left = with_changes(shown(digest=OTHER_DIGEST, run=2), ["b"], limit=9_999)
    github_server.edit_comment(comment["id"], left)
    assert ask() == PullRequestApproval(7, OTHER_DIGEST, ("b",))


def test_an_approval_ends_after_thirty_days(github_server, recorded, ask):
    github_server.add_comment(7, shown())
    assert isinstance(ask(now=MERGED + timedelta(days=30)), PullRequestApproval)
    found = ask(now=MERGED + timedelta(days=31))
    assert isinstance(found, MissingApproval)
    assert "was merged more than 30 days ago" in found.reason


def test_a_pull_request_that_is_not_merged_approves_nothing(github_server, ask):
    github_server.add_pull(7, [HEAD])
    assert ask() == MissingApproval("pull request #7 is not merged")


def test_a_token_that_may_not_read_statuses_is_told_which_permission_it_lacks(
    github_server, recorded, ask
):
    github_server.plan("GET", "/statuses$", Fault(403, "Resource not accessible by integration"))
    with pytest.raises(PermissionDenied, match="`pull-requests: read` and `statuses: read`"):
        ask()
