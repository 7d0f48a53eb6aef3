"""The gate before a push writes: is everything that is due approved on a pull request? Does I/O.

A run may begin long after its push: it waited for a reviewer, or somebody started it again. So it
plans what the branch declares *now*. Approved is what was shown on each pull request that was merged
since the last one that is fully applied, up to the commit that was checked out. A plan may hold less
than that, where a part is already done. It never holds more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from reconciler.github.api import GitHubApi
from reconciler.github.author import Author
from reconciler.github.markers import COMMIT
from reconciler.github.pull_request_approval import (
    MissingApproval,
    PullRequestApproval,
    UsedApproval,
    read_approval,
)
from reconciler.github.pulls import PullRequest, closed_pulls, commits_until, pulls_of_commit
from reconciler.model.errors import ConfigError
from reconciler.model.plan import Change, Plan, change_lines, digest_of_lines
from reconciler.views.markdown_context import marker_prefix

_MOST_MERGES = 30
"""Pull requests that are looked at; each costs three requests."""


@dataclass(frozen=True, slots=True)
class Approved:
    """Everything due was approved. ``is_partial``: more was approved than is due now."""

    pull_requests: tuple[int, ...]
    is_partial: bool = False


@dataclass(frozen=True, slots=True)
class NotApproved:
    """Something due was not approved.

    ``reasons`` say why a merge does not count. ``changes`` are due and not approved;
    ``no_longer_due`` are canonical lines of changes that were approved and are not due.
    """

    pull_requests: tuple[int, ...]
    reasons: tuple[str, ...]
    changes: tuple[Change, ...]
    no_longer_due: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NotComparable:
    """A plan was approved, it is another one, and its changes are not known one by one."""

    pull_requests: tuple[int, ...]
    digests: tuple[str, ...]


ApprovalVerdict: TypeAlias = Approved | NotApproved | NotComparable


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """A push as GitHub Actions describes it.

    ``commit`` started the run, ``checked_out`` is what was planned: the same or a newer commit of
    ``branch``. ``is_by_hand``: a person started the run, and no push.
    """

    commit: str
    checked_out: str
    branch: str
    is_by_hand: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no commit."""
        if not COMMIT.fullmatch(self.commit) or not COMMIT.fullmatch(self.checked_out):
            raise ConfigError("the commit of the run is not a full commit hash")


def check_pull_request_approval(
    plan: Plan, push: Push, *, api: GitHubApi, author: Author, now: datetime
) -> ApprovalVerdict:
    """Compare a fresh plan with what was approved. `GitHubError` where GitHub cannot be asked."""
    if plan.is_empty:
        return Approved(())
    label = plan.tenant.label
    found = read_approvals(label, push, api=api, author=author, now=now)
    approvals = [each for each in found if isinstance(each, PullRequestApproval)]
    reasons = tuple(each.reason for each in found if isinstance(each, MissingApproval))
    used = tuple(
        f"everything that was approved on pull request #{each.pull_request} was applied before"
        for each in found
        if isinstance(each, UsedApproval)
    )
    if not approvals:
        return NotApproved((), reasons or used, tuple(plan.changes))
    return compare_with_approvals(plan, approvals, reasons)


def compare_with_approvals(
    plan: Plan, approvals: Sequence[PullRequestApproval], reasons: tuple[str, ...] = ()
) -> ApprovalVerdict:
    """Judge a plan by approvals that were found. Pure. Raises `ValueError` without approvals."""
    if not approvals:
        raise ValueError("there is nothing to compare the plan with")
    numbers = tuple(sorted({each.pull_request for each in approvals}))
    if any(each.digest == plan.digest for each in approvals):
        return Approved(numbers)
    known = dict.fromkeys(
        line
        for each in approvals
        if each.lines is not None and digest_of_lines(plan.tenant.id, each.lines) == each.digest
        for line in each.lines
    )
    if not known:
        return NotComparable(numbers, tuple(each.digest for each in approvals))
    due = {change_lines([change])[0]: change for change in plan.changes}
    missing = tuple(change for line, change in due.items() if line not in known)
    if not missing:
        return Approved(numbers, is_partial=True)
    no_longer_due = tuple(line for line in known if line not in due)
    return NotApproved(numbers, reasons, missing, no_longer_due)


def read_approvals(
    label: str, push: Push, *, api: GitHubApi, author: Author, now: datetime
) -> tuple[PullRequestApproval | UsedApproval | MissingApproval, ...]:
    """What each merge approves for a tenant, newest first, up to the last that is fully applied.

    A merge that never showed a plan for this tenant is passed over, unless it started the run.
    The last entry may be a `UsedApproval`.
    """
    merges = covered_merges(push, api=api)
    missing = [each for each in merges if isinstance(each, MissingApproval)]
    pulls = [each for each in merges if isinstance(each, PullRequest)]
    found = _approvals(label, pulls, api=api, author=author, now=now)
    return (
        *missing,
        *(
            approval
            for pull, approval in found
            if pull.merge_commit == push.commit
            or not (isinstance(approval, MissingApproval) and approval.has_no_plan)
        ),
    )


def read_approvals_of_merges(
    label: str, push: Push, *, api: GitHubApi, author: Author, now: datetime
) -> tuple[tuple[PullRequest, PullRequestApproval | MissingApproval], ...]:
    """The merges that an apply covers, newest first, and what each approves for a tenant."""
    merges = covered_merges(push, api=api)
    pulls = [each for each in merges if isinstance(each, PullRequest)]
    return tuple(
        (pull, approval)
        for pull, approval in _approvals(label, pulls, api=api, author=author, now=now)
        if not isinstance(approval, UsedApproval)
    )


def _approvals(
    label: str, pulls: Sequence[PullRequest], *, api: GitHubApi, author: Author, now: datetime
) -> Iterator[tuple[PullRequest, PullRequestApproval | UsedApproval | MissingApproval]]:
    for pull in pulls[:_MOST_MERGES]:
        approval = read_approval(
            api,
            author=author,
            pull=pull,
            label=label,
            marker_prefix=marker_prefix("plan", label),
            now=now,
        )
        yield pull, approval
        if isinstance(approval, UsedApproval):
            return


def covered_merges(push: Push, *, api: GitHubApi) -> tuple[PullRequest | MissingApproval, ...]:
    """The pull requests whose merges are among the branch's latest commits, newest first.

    A `MissingApproval` stands before them where the run's own commit is no such merge, and alone
    where that commit is not on the branch any more.
    """
    commits = commits_until(api, push.checked_out)
    if push.commit not in commits:
        return (
            MissingApproval(
                f"{push.branch} does not build on commit {push.commit[:12]} any more, or got more "
                f"than {len(commits)} commits since"
            ),
        )
    pulls = {
        pull.number: pull
        for pull in (*closed_pulls(api, push.branch), *pulls_of_commit(api, push.commit))
        if pull.is_merged and pull.base_branch == push.branch
    }
    by_commit: dict[str, list[PullRequest]] = {}
    for pull in pulls.values():
        by_commit.setdefault(pull.merge_commit or "", []).append(pull)
    # Of several pull requests with one merge commit nobody can tell whose plan was meant.
    merges = [by_commit[each][0] for each in commits if len(by_commit.get(each, [])) == 1]
    missing = _missing_own(push, by_commit.get(push.commit, []))
    return (*missing, *merges)


def _missing_own(push: Push, own: Sequence[PullRequest]) -> Iterator[MissingApproval]:
    if not own:
        yield MissingApproval(
            f"commit {push.commit[:12]} is not the merge of a pull request into {push.branch}: "
            "it was pushed directly, or is not the newest of its merge"
        )
    if len(own) > 1:
        numbers = ", ".join(f"#{number}" for number in sorted(pull.number for pull in own))
        yield MissingApproval(
            f"commit {push.commit[:12]} is the merge of several pull requests: {numbers}"
        )
