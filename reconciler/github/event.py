"""Which pull request a run is about, from the event that started it. Reads one file.

The commit of a plan is the head of the pull request. ``GITHUB_SHA`` is not: it names GitHub's trial
merge with the base branch, which no reviewer has seen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.github.environment import GitHubEnvironment
from reconciler.github.markers import COMMIT
from reconciler.model.errors import ConfigError

_MAX_EVENT_BYTES = 32 * 1024 * 1024
_GIVE_A_NUMBER = "give the pull request with --pr N"


@dataclass(frozen=True, slots=True)
class PullRequestEvent:
    """``head`` is None where the event does not tell it (ask `pulls.read_pull`).

    ``from_fork`` says that GitHub gave the run a read-only token.
    """

    number: int
    head: str | None
    from_fork: bool = False


def pull_request_of(
    environment: GitHubEnvironment, *, number: int | None = None
) -> PullRequestEvent:
    """The pull request that the user named, or else the event's. Raises `ConfigError` for neither."""
    if number is not None:
        if number < 1:
            raise ConfigError(f"a pull request's number is 1 or more, not {number}")
        return _named(environment, number)
    if environment.event_path is None:
        raise ConfigError(f"there is no event (GITHUB_EVENT_PATH is not set); {_GIVE_A_NUMBER}")
    return read_event(environment.event_path, environment.event_name)


def read_event(path: Path, event_name: str | None) -> PullRequestEvent:
    """Read the event file. ``event_name`` is ``GITHUB_EVENT_NAME``, for the messages."""
    event = _load(path)
    found = (
        _from_pull_request(event.get("pull_request"))
        or _from_workflow_run(event)
        or _from_issue(event.get("issue"))
    )
    if found is None:
        name = f" ({event_name})" if event_name and event_name.isidentifier() else ""
        raise ConfigError(f"the event{name} has no pull request; {_GIVE_A_NUMBER}")
    return found


def head_repository_of_run(path: Path) -> int | None:
    """The id of the repository that a ``workflow_run`` event's run was for; None without one.

    https://docs.github.com/rest/actions/workflow-runs (``head_repository``)
    """
    run = _mapping(_load(path).get("workflow_run"))
    number = _mapping(run.get("head_repository")).get("id")
    return number if isinstance(number, int) else None


def _named(environment: GitHubEnvironment, number: int) -> PullRequestEvent:
    """The event still knows the head, if it is about the very pull request that was named."""
    if environment.event_path is not None:
        try:
            event = read_event(environment.event_path, environment.event_name)
        except ConfigError:
            return PullRequestEvent(number, None)
        if event.number == number:
            return event
    return PullRequestEvent(number, None)


def _load(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_EVENT_BYTES + 1)
        if len(content) > _MAX_EVENT_BYTES:
            raise ConfigError(f"the event file is larger than any event; {_GIVE_A_NUMBER}")
        event = json.loads(content)
    except OSError as fault:
        raise ConfigError(
            f"the event file cannot be read ({fault.strerror or type(fault).__name__}); "
            + _GIVE_A_NUMBER
        ) from None
    except (ValueError, RecursionError):
        raise ConfigError(f"the event file is not JSON; {_GIVE_A_NUMBER}") from None
    if not isinstance(event, dict):
        raise ConfigError(f"the event file holds no event; {_GIVE_A_NUMBER}")
    return event


def _from_pull_request(pull: object) -> PullRequestEvent | None:
    if not isinstance(pull, dict) or (number := _number(pull)) is None:
        return None
    head, base = _mapping(pull.get("head")), _mapping(pull.get("base"))
    # A fork that was deleted since has no `repo` any more; it was still a fork.
    home, origin = _mapping(base.get("repo")).get("id"), _mapping(head.get("repo")).get("id")
    return PullRequestEvent(number, _commit(head.get("sha")), from_fork=home != origin)


def _from_workflow_run(event: Mapping[str, Any]) -> PullRequestEvent | None:
    run = event.get("workflow_run")
    if not isinstance(run, dict):
        return None
    listed = run.get("pull_requests")
    pulls = [
        pull
        for pull in (listed if isinstance(listed, list) else ())
        if isinstance(pull, dict) and _is_here(pull, event)
    ]
    numbers = sorted({number for pull in pulls if (number := _number(pull)) is not None})
    if not numbers:
        raise ConfigError(
            "the workflow run names no pull request (GitHub leaves it out for forks); pass the "
            "number on from the first workflow, and " + _GIVE_A_NUMBER
        )
    if len(numbers) > 1:
        several = ", ".join(f"#{number}" for number in numbers)
        raise ConfigError(
            f"the workflow run names several pull requests ({several}); {_GIVE_A_NUMBER}"
        )
    # The pull request may have moved on since: the run's own commit is the one that was planned.
    return PullRequestEvent(numbers[0], _commit(run.get("head_sha")))


def _from_issue(issue: object) -> PullRequestEvent | None:
    """A comment on a pull request arrives as one on an issue, without the head."""
    if not isinstance(issue, dict) or not isinstance(issue.get("pull_request"), dict):
        return None
    number = _number(issue)
    return None if number is None else PullRequestEvent(number, None)


def _is_here(pull: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Whether a pull request is one of this repository: a run lists those of others, too."""
    home = _mapping(event.get("repository")).get("id")
    base = _mapping(_mapping(pull.get("base")).get("repo")).get("id")
    return home is None or base is None or home == base


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(holder: Mapping[str, Any]) -> int | None:
    number = holder.get("number")
    return number if isinstance(number, int) and number > 0 and number is not True else None


def _commit(value: object) -> str | None:
    return value if isinstance(value, str) and COMMIT.fullmatch(value) else None
