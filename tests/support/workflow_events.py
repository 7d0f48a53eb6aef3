"""What starts a run of a workflow, in the shape in which GitHub tells of it.

https://docs.github.com/en/actions/reference/workflows-and-actions/events-that-trigger-workflows
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.github_server import REPOSITORY

FORK = "mallory/intune"
HOME = {"id": 1, "full_name": REPOSITORY}
NO_COMMIT = "0" * 40


@dataclass
class Event:
    """What started a run. ``artifacts`` are those of the run that a workflow_run tells of.

    ``is_restricted``: a fork's and Dependabot's runs get a token that only reads, and no identity.
    https://docs.github.com/en/code-security/how-tos/secure-your-supply-chain/manage-your-dependency-security/automate-dependabot-with-actions
    """

    name: str
    sha: str
    payload: dict[str, Any] = field(default_factory=dict)
    ref: str = "refs/heads/main"
    inputs: Mapping[str, str] = field(default_factory=dict)
    is_restricted: bool = False
    artifacts: dict[str, Path] = field(default_factory=dict)
    actor: str = "adele"


def pull_request(
    number: int, *, head: str, base: str, trial_merge: str, from_fork: bool, by: str = "adele"
) -> Event:
    """A push to a pull request. The run's commit is GitHub's trial merge, whose parents are both."""
    origin = {"id": 2, "full_name": FORK} if from_fork else HOME
    pull = {
        "number": number,
        "head": {"sha": head, "repo": origin},
        "base": {"ref": "main", "sha": base, "repo": HOME},
    }
    return Event(
        "pull_request",
        trial_merge,
        {"pull_request": pull, "number": number},
        f"refs/pull/{number}/merge",
        is_restricted=from_fork or by == "dependabot[bot]",
        actor=by,
    )


def merge_group(number: int, *, head: str, base: str) -> Event:
    """A merge queue tries a pull request; the event tells of no pull request.

    https://docs.github.com/en/webhooks/webhook-events-and-payloads#merge_group
    """
    ref = f"refs/heads/gh-readonly-queue/main/pr-{number}-{base}"
    group = {"head_sha": head, "head_ref": ref, "base_sha": base, "base_ref": "refs/heads/main"}
    return Event(
        "merge_group",
        head,
        {"action": "checks_requested", "merge_group": group},
        ref,
    )


def push(before: str, after: str) -> Event:
    """A push to main. A branch that is new has no commit before it.

    https://docs.github.com/en/webhooks/webhook-events-and-payloads#push
    """
    payload = {"before": before, "after": after, "created": before == NO_COMMIT, "forced": False}
    return Event("push", after, payload)


def workflow_run(sha: str, artifacts: dict[str, Path], *, head: str, **changes: Any) -> Event:
    """A run of plan.yml, by default a fork's, has ended."""
    told = {
        "id": 77,
        "event": "pull_request",
        "conclusion": "success",
        "head_sha": head,
        "head_repository": {"id": 2, "full_name": FORK},
        "pull_requests": [],
        **changes,
    }
    return Event("workflow_run", sha, {"workflow_run": told}, artifacts=artifacts)
