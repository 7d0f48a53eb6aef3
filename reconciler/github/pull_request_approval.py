"""What was approved on one merged pull request, and is not applied yet. Does I/O.

An approval has two parts that must agree. The *comment* is what the reviewers saw: by our own
account, last edited by it (people with write access can edit the comment of a bot, and it keeps the
bot's name), for the very commit that was merged, and from before the merge. The *commit status* is
the record that nobody can edit; it names the same digest and the same workflow run.

An apply uses an approval up: the status that it sets afterwards says that nothing is left, or which
changes are. So an old run that is started again cannot repeat an approved removal.

Who edited a comment is told by GraphQL alone:
https://docs.github.com/graphql/reference/objects#issuecomment (``editor``, ``lastEditedAt``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from reconciler.github.api import GitHubApi
from reconciler.github.author import Author
from reconciler.github.comments import Comment, find
from reconciler.github.hidden_changes import read_changes
from reconciler.github.pulls import PullRequest
from reconciler.github.statuses import CommitStatus, RecordKind, read_statuses
from reconciler.github.times import read_time

LONGEST = timedelta(days=30)
"""How long an approval counts after the merge.

GitHub lets a run be started again for 30 days, and a job waits for a reviewer as long:
https://docs.github.com/actions/managing-workflow-runs/re-running-workflows-and-jobs
"""

_EDITOR_QUERY = """
query($id: ID!) {
  node(id: $id) {
    ... on IssueComment {
      createdAt
      lastEditedAt
      editor { login ... on Bot { databaseId } ... on User { databaseId } }
    }
  }
}
"""


@dataclass(frozen=True, slots=True)
class PullRequestApproval:
    """The changes that were approved on a pull request and are not applied yet.

    ``lines`` are the canonical changes (`reconciler.model.plan.change_lines`) that the comment
    holds, None where it holds none; whoever uses them compares their digest with ``digest``.
    """

    pull_request: int
    digest: str
    lines: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class UsedApproval:
    """Everything that was approved on this pull request was applied."""

    pull_request: int


@dataclass(frozen=True, slots=True)
class MissingApproval:
    """Why a merge approves nothing, as a sentence for a person.

    ``has_no_plan``: no plan for this tenant was ever shown there, so nothing of it can be missing.
    """

    reason: str
    has_no_plan: bool = False


def read_approval(
    api: GitHubApi,
    *,
    author: Author,
    pull: PullRequest,
    label: str,
    marker_prefix: str,
    now: datetime,
) -> PullRequestApproval | UsedApproval | MissingApproval:
    """Read what a merged pull request approves for the tenant with this label.

    `GitHubError` where GitHub cannot be asked.
    """
    number = pull.number
    if pull.merged_at is None:
        return MissingApproval(f"pull request #{number} is not merged")
    statuses = read_statuses(api, author=author, commit=pull.head, label=label)
    outcome = next((each for each in statuses if each.record.kind is not RecordKind.PLAN), None)
    if outcome is not None and outcome.record.digest is None:
        return UsedApproval(number)
    if now - pull.merged_at > LONGEST:
        reason = f"pull request #{number} was merged more than {LONGEST.days} days ago"
        return MissingApproval(reason)
    comments = find(api, author=author, pull_request=number, marker_prefix=marker_prefix)
    current = [comment for comment in comments if comment.marker.commit == pull.head]
    if not current:
        return MissingApproval(_no_comment(pull, author, bool(comments)), not comments)
    recorded = [outcome] if outcome is not None else [*_before(statuses, pull.merged_at)]
    shown_until = None if outcome is not None else pull.merged_at
    return _judge(api, author, number, current, recorded, shown_until)


def _no_comment(pull: PullRequest, author: Author, has_older: bool) -> str:
    if has_older:
        return (
            f"the plan shown on pull request #{pull.number} is of an older commit than the one "
            f"that was merged ({pull.head[:12]})"
        )
    return f"pull request #{pull.number} has no plan comment by {author.login} for this tenant"


def _before(statuses: tuple[CommitStatus, ...], merged_at: datetime) -> list[CommitStatus]:
    return [each for each in statuses if each.created_at <= merged_at]


def _judge(
    api: GitHubApi,
    author: Author,
    number: int,
    current: list[Comment],
    recorded: list[CommitStatus],
    shown_until: datetime | None,
) -> PullRequestApproval | MissingApproval:
    shown, digest = current[0], current[0].marker.digest
    if digest is None or {comment.marker.digest for comment in current} != {digest}:
        reason = f"the plan comments on pull request #{number} do not name one digest"
        return MissingApproval(reason)
    for comment in current:
        if (fault := _fault_of(api, author, comment, shown_until)) is not None:
            return MissingApproval(fault)
    if not any(
        status.record.digest == digest and status.run == shown.marker.run for status in recorded
    ):
        reason = (
            f"no commit status by {author.login} from before the merge confirms the plan comment "
            f"on pull request #{number} ({shown.url}); the job that comments needs the permission "
            "`statuses: write`"
        )
        return MissingApproval(reason)
    return PullRequestApproval(number, digest, read_changes(shown.body))


def _fault_of(
    api: GitHubApi, author: Author, comment: Comment, shown_until: datetime | None
) -> str | None:
    """Why a comment cannot be believed; None where it can."""
    response = api.ask(
        _EDITOR_QUERY,
        {"id": comment.node_id},
        attempted="finding out who edited the plan comment last",
    )
    node = response.get("node")
    if not isinstance(node, dict) or "lastEditedAt" not in node:
        return f"GitHub does not tell who edited the plan comment last ({comment.url})"
    if node["lastEditedAt"] is not None and (who := _other_editor(node, author)) is not None:
        return f"the plan comment was last edited by {who}, not by {author.login} ({comment.url})"
    written_at = read_time(node["lastEditedAt"] or node.get("createdAt"))
    if shown_until is not None and (written_at is None or written_at > shown_until):
        return f"the plan comment was written after the merge ({comment.url})"
    return None


def _other_editor(node: dict[str, Any], author: Author) -> str | None:
    editor = node.get("editor")
    if not isinstance(editor, dict):
        return "an account that is gone"
    return None if author.is_editor(editor) else str(editor.get("login"))
