"""Pull requests, and which of them brought a commit. Does I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reconciler.github.api import GitHubApi
from reconciler.github.errors import GitHubError
from reconciler.github.markers import COMMIT


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request as it stands. ``merge_commit`` means something only once it is merged."""

    number: int
    head: str
    base_branch: str
    merge_commit: str | None
    is_open: bool
    is_merged: bool
    url: str


def read_pull(api: GitHubApi, number: int) -> PullRequest:
    """Read one pull request."""
    attempted = f"reading pull request #{number}"
    return _pull(api.get(f"{api.here}/pulls/{number}", attempted=attempted), attempted)


def pulls_of_commit(api: GitHubApi, commit: str) -> tuple[PullRequest, ...]:
    """Every pull request that brought, or would bring, this commit."""
    attempted = f"looking for the pull request of commit {commit[:12]}"
    found = api.pages(f"{api.here}/commits/{commit}/pulls", attempted=attempted)
    return tuple(_pull(entry, attempted) for entry in found)


def commits_after(api: GitHubApi, base: str, head: str) -> tuple[str, ...] | None:
    """The commits that ``head`` has and ``base`` lacks, oldest first.

    None where ``head`` does not build on ``base``, or on so many commits that no one answer has them.
    """
    attempted = f"looking for what came after commit {base[:12]}"
    answer = api.get(
        f"{api.here}/compare/{base}...{head}", attempted=attempted, parameters={"per_page": 100}
    )
    try:
        commits = tuple(str(entry["sha"]) for entry in answer["commits"])
        if not all(COMMIT.fullmatch(commit) for commit in commits):
            raise ValueError(commits)  # noqa: TRY301 - one answer to every odd shape, below
        is_whole = answer["status"] in ("ahead", "identical")
        return commits if is_whole and answer["total_commits"] == len(commits) else None
    except (KeyError, TypeError, ValueError):
        raise GitHubError(
            "the answer is not a comparison as GitHub describes it", attempted=attempted
        ) from None


def _pull(entry: Any, attempted: str) -> PullRequest:
    try:
        head, merge_commit = entry["head"]["sha"], entry.get("merge_commit_sha")
        if not COMMIT.fullmatch(head):
            raise ValueError(head)  # noqa: TRY301 - one answer to every odd shape, below
        return PullRequest(
            number=int(entry["number"]),
            head=head,
            base_branch=str(entry["base"]["ref"]),
            merge_commit=merge_commit if isinstance(merge_commit, str) else None,
            is_open=entry.get("state") == "open",
            is_merged=bool(entry.get("merged_at")),
            url=str(entry.get("html_url") or ""),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise GitHubError(
            "the answer is not a pull request as GitHub describes it", attempted=attempted
        ) from None
