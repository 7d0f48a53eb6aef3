"""The digest that a merged pull request was reviewed with, and every way of not having one."""

from __future__ import annotations

import pytest

from reconciler.github.author import Author
from reconciler.github.errors import GitHubError
from reconciler.github.pull_request_approval import (
    MissingApproval,
    PullRequestApproval,
    approved_digest,
)
from tests.support.github_server import ADELE, MALLORY, Fault, clock, connect, github_server

__all__ = ["clock", "connect", "github_server"]

PREFIX = "<!-- reconciler:plan tenant=prod "
BOT = Author("github-actions[bot]", 41898282)
OLD, HEAD, MERGE, OTHER = "1" * 40, "2" * 40, "3" * 40, "4" * 40
DIGEST = "sha256:" + "d" * 64


def shown(commit=HEAD, digest=DIGEST):
    return f"{PREFIX}digest={digest} commit={commit} v=1 -->\n# Plan"


@pytest.fixture
def ask(connect):
    def ask(author=BOT, commit=MERGE):
        return approved_digest(
            connect(), author=author, commit=commit, branch="main", marker_prefix=PREFIX
        )

    return ask


@pytest.fixture
def merged(github_server):
    github_server.add_pull(7, [OLD, HEAD], merge_commit=MERGE, is_merged=True)


def test_the_plan_that_was_shown_is_approved(github_server, merged, ask):
    github_server.page_limit = 1
    github_server.add_pull(8, [HEAD, OTHER])
    github_server.add_comment(7, shown(OLD), by=MALLORY)
    comment = github_server.add_comment(7, shown())
    assert ask() == PullRequestApproval(DIGEST, 7, HEAD, comment["html_url"], shown())


def test_our_own_edits_do_not_void_it(github_server, merged, ask):
    comment = github_server.add_comment(7, shown(OLD))
    github_server.edit_comment(comment["id"], shown())
    assert isinstance(ask(), PullRequestApproval)
    assert isinstance(ask(Author("github-actions[bot]")), PullRequestApproval)


@pytest.mark.parametrize(
    ("editor", "who"), [(MALLORY, "mallory"), (None, "an account that is gone")]
)
def test_an_edit_by_anybody_else_voids_it(github_server, merged, ask, editor, who):
    comment = github_server.add_comment(7, shown())
    github_server.edit_comment(comment["id"], shown(), by=editor)
    for author in (BOT, Author("github-actions[bot]")):
        found = ask(author)
        assert isinstance(found, MissingApproval)
        assert f"was last edited by {who}, not by github-actions[bot]" in found.reason


def test_where_nobody_tells_who_edited_it_is_not_approved(github_server, merged, ask):
    github_server.add_comment(7, shown())
    github_server.graphql_works = False
    with pytest.raises(GitHubError, match="no GraphQL here"):
        ask()


NOT = {
    "a comment of somebody else": ([(ADELE, shown())], "no plan comment by github-actions"),
    "no comment": ([], "no plan comment by github-actions"),
    "another tenant": ([(None, shown().replace("=prod ", "=prod-eu "))], "no plan comment"),
    "an older commit": ([(None, shown(OLD))], "is of an older commit"),
    "no commit": ([(None, f"{PREFIX}digest={DIGEST} v=1 -->")], "is of an older commit"),
    "no digest": ([(None, f"{PREFIX}commit={HEAD} v=1 -->")], "do not name one digest"),
    "two digests": (
        [(None, shown()), (None, shown(digest="sha256:" + "e" * 64))],
        "do not name one digest",
    ),
}


@pytest.mark.parametrize(("comments", "reason"), NOT.values(), ids=NOT)
def test_anything_less_is_not_approved(github_server, merged, ask, comments, reason):
    for author, body in comments:
        github_server.add_comment(7, body, **({"by": author} if author else {}))
    found = ask()
    assert isinstance(found, MissingApproval)
    assert reason in found.reason


PULLS = {
    "a direct push": {},
    "not merged": {"merge_commit": MERGE},
    "into another branch": {"merge_commit": MERGE, "is_merged": True, "base": "release"},
    "a commit within it": {"merge_commit": OTHER, "is_merged": True},
}


@pytest.mark.parametrize("pull", PULLS.values(), ids=PULLS)
def test_a_commit_that_no_review_stands_behind_is_not_approved(github_server, ask, pull):
    if pull:
        github_server.add_pull(7, [OLD, HEAD, MERGE], **pull)
        github_server.add_comment(7, shown(MERGE))
    found = ask()
    assert isinstance(found, MissingApproval)
    assert "is not the merge of a pull request into main" in found.reason


def test_two_merges_in_one_commit_are_not_guessed_between(github_server, merged, ask):
    github_server.add_pull(8, [HEAD], merge_commit=MERGE, is_merged=True)
    assert ask() == MissingApproval(
        f"commit {MERGE[:12]} is the merge of several pull requests: #7, #8"
    )


def test_an_answer_without_the_editor_is_not_approved(github_server, merged, ask):
    github_server.add_comment(7, shown())
    github_server.plan("POST", "/graphql", Fault(200, raw='{"data": {"node": null}}'))
    found = ask()
    assert isinstance(found, MissingApproval)
    assert "does not tell who edited the plan comment last" in found.reason
