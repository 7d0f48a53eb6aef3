"""Pull requests, and which of them brought a commit. Does I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconciler.github.api import GitHubApi
from reconciler.github.errors import GitHubError
from reconciler.github.markers import COMMIT
from reconciler.github.times import read_time


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request as it is now.

    ``merge_commit`` is, once it is merged, the commit on the base branch: the merge commit, the
    squashed commit, or the last of the commits that were rebased
    (https://docs.github.com/rest/pulls/pulls#get-a-pull-request). ``head_repository`` is the id of
    the repository that the head comes from, None where that was deleted.
    """

    number: int
    head: str
    base_branch: str
    merge_commit: str | None
    is_open: bool
    merged_at: datetime | None
    url: str
    head_repository: int | None = None

    @property
    def is_merged(self) -> bool:
        """Whether its commits are on the base branch."""
        return self.merged_at is not None


def read_pull(api: GitHubApi, number: int) -> PullRequest:
    """Read one pull request."""
    attempted = f"reading pull request #{number}"
    return _pull(api.get(f"{api.here}/pulls/{number}", attempted=attempted), attempted)


def pulls_of_commit(api: GitHubApi, commit: str) -> tuple[PullRequest, ...]:
    """Every pull request that brought, or would bring, this commit."""
    attempted = f"looking for the pull request of commit {commit[:12]}"
    found = api.pages(f"{api.here}/commits/{commit}/pulls", attempted=attempted)
    return tuple(_pull(entry, attempted) for entry in found)


def closed_pulls(api: GitHubApi, branch: str) -> tuple[PullRequest, ...]:
    """The 100 pull requests into ``branch`` that were closed or touched last."""
    attempted = f"listing the closed pull requests into {branch}"
    parameters: dict[str, str | int] = {
        "state": "closed",
        "base": branch,
        "sort": "updated",
        "direction": "desc",
        "per_page": 100,
    }
    found = api.get(f"{api.here}/pulls", attempted=attempted, parameters=parameters)
    return tuple(_pull(entry, attempted) for entry in _list(found, attempted))


def commits_until(api: GitHubApi, commit: str) -> tuple[str, ...]:
    """A commit and those before it, the newest first, at most 100.

    https://docs.github.com/rest/commits/commits#list-commits
    """
    attempted = f"listing the commits up to {commit[:12]}"
    parameters: dict[str, str | int] = {"sha": commit, "per_page": 100}
    found = api.get(f"{api.here}/commits", attempted=attempted, parameters=parameters)
    commits = [
        entry.get("sha") if isinstance(entry, dict) else None for entry in _list(found, attempted)
    ]
    if not all(isinstance(each, str) and COMMIT.fullmatch(each) for each in commits):
        raise GitHubError("the response is not a list of commits", attempted=attempted)
    return tuple(map(str, commits))


def _list(found: Any, attempted: str) -> list[Any]:
    if not isinstance(found, list):
        raise GitHubError("the response is not a list", attempted=attempted)
    return found


def _pull(entry: Any, attempted: str) -> PullRequest:
    try:
        head, merge_commit = entry["head"]["sha"], entry.get("merge_commit_sha")
        if not COMMIT.fullmatch(head):
            raise ValueError(head)  # noqa: TRY301 - every odd shape ends below
        return PullRequest(
            number=int(entry["number"]),
            head=head,
            base_branch=str(entry["base"]["ref"]),
            merge_commit=merge_commit if isinstance(merge_commit, str) else None,
            is_open=entry.get("state") == "open",
            merged_at=read_time(entry.get("merged_at")),
            url=str(entry.get("html_url") or ""),
            head_repository=_id(entry["head"].get("repo")),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise GitHubError(
            "the response is not a pull request as GitHub describes it", attempted=attempted
        ) from None


def _id(holder: object) -> int | None:
    number = holder.get("id") if isinstance(holder, dict) else None
    return number if isinstance(number, int) else None
