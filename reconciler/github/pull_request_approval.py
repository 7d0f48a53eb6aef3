"""The digest that was reviewed: what the merged pull request's plan comment says. Does I/O.

Nobody's word but our own comment's counts, and only for the very commit that was merged. People
with write access can edit a bot's comment, and it still bears the bot's name: so GitHub is asked
who edited it last, and an edit by anybody else voids it. What remains trusted is the account itself:
any workflow of the repository that may write to pull requests posts as ``github-actions[bot]``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from reconciler.github.api import GitHubApi
from reconciler.github.author import Author
from reconciler.github.comments import Comment, find
from reconciler.github.pulls import PullRequest, pulls_of_commit

_EDITOR_QUERY = """
query($id: ID!) {
  node(id: $id) {
    ... on IssueComment {
      lastEditedAt
      editor { login ... on Bot { databaseId } ... on User { databaseId } }
    }
  }
}
"""


@dataclass(frozen=True, slots=True)
class PullRequestApproval:
    """What was shown on a pull request when it was merged; ``url`` leads to the comment.

    ``body`` is the comment's text, for what it holds beside the digest.
    """

    digest: str
    pull_request: int
    head: str
    url: str
    body: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class MissingApproval:
    """Why nothing that was reviewed stands behind a commit, as a sentence for a person."""

    reason: str


def approved_digest(
    api: GitHubApi, *, author: Author, commit: str, branch: str, marker_prefix: str
) -> PullRequestApproval | MissingApproval:
    """Find the plan digest that was shown on the pull request whose merge made ``commit``.

    ``branch`` is the branch that was pushed to. `GitHubError` where GitHub cannot be asked.
    """
    merged = _merged(api, commit, branch)
    if isinstance(merged, MissingApproval):
        return merged
    comments = find(api, author=author, pull_request=merged.number, marker_prefix=marker_prefix)
    if not comments:
        return MissingApproval(
            f"pull request #{merged.number} has no plan comment by {author.login} for this tenant"
        )
    current = [shown for shown in comments if shown.marker.commit == merged.head]
    if not current:
        return MissingApproval(
            f"the plan shown on pull request #{merged.number} is of an older commit than the one "
            f"that was merged ({merged.head[:12]})"
        )
    return _judge(api, author, merged, current)


def _merged(api: GitHubApi, commit: str, branch: str) -> PullRequest | MissingApproval:
    merged = [
        pull
        for pull in pulls_of_commit(api, commit)
        if pull.is_merged and pull.merge_commit == commit and pull.base_branch == branch
    ]
    if len(merged) == 1:
        return merged[0]
    if not merged:
        return MissingApproval(
            f"commit {commit[:12]} is not the merge of a pull request into {branch}: "
            "it was pushed directly, or is not the newest of its merge"
        )
    numbers = ", ".join(f"#{pull.number}" for pull in merged)
    return MissingApproval(f"commit {commit[:12]} is the merge of several pull requests: {numbers}")


def _judge(
    api: GitHubApi, author: Author, merged: PullRequest, current: list[Comment]
) -> PullRequestApproval | MissingApproval:
    digests = {shown.marker.digest for shown in current}
    shown, digest = current[0], current[0].marker.digest
    if len(digests) > 1 or digest is None:
        return MissingApproval(
            f"the plan comments on pull request #{merged.number} do not name one digest"
        )
    for comment in current:
        if (reason := _tampering(api, author, comment)) is not None:
            return MissingApproval(reason)
    return PullRequestApproval(digest, merged.number, merged.head, shown.url, shown.body)


def _tampering(api: GitHubApi, author: Author, comment: Comment) -> str | None:
    """Say who else edited the comment last, None where nobody did."""
    answer = api.ask(
        _EDITOR_QUERY,
        {"id": comment.node_id},
        attempted="finding out who edited the plan comment last",
    )
    node = answer.get("node")
    if not isinstance(node, dict) or "lastEditedAt" not in node:
        return f"GitHub does not tell who edited the plan comment last ({comment.url})"
    if node["lastEditedAt"] is None:
        return None
    editor = node.get("editor")
    if isinstance(editor, dict) and author.is_editor(editor):
        return None
    who = str(editor.get("login")) if isinstance(editor, dict) else "an account that is gone"
    return f"the plan comment was last edited by {who}, not by {author.login} ({comment.url})"
