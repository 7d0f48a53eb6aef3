"""The commit status of a tenant: the record of what was planned, and of what became of it. Does I/O.

People with write access can edit a comment of a bot. Nobody can edit a commit status, and GitHub
names the account that created it. So each plan comment has a status beside it, on the head commit
of its pull request, that names the same digest and the same workflow run. After an apply another
status says what of it is still to be done. GitHub lists all of them, the newest first:
https://docs.github.com/rest/commits/statuses

So a workflow that repeats somebody's text in a comment cannot make an approval of it: that takes a
status as well, and so the permission ``statuses: write``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from reconciler.github.api import GitHubApi
from reconciler.github.author import Author
from reconciler.github.times import read_time

_DESCRIPTION_LIMIT = 140
"""Characters; GitHub refuses a longer description."""
_CONTEXT_LIMIT = 200
_RECORD = re.compile(r"\[(plan|left|done)(?: (sha256:[0-9a-f]{64}))?\]\Z")
_RUN = re.compile(r"/actions/runs/([0-9]{1,20})\Z")


class RecordKind(StrEnum):
    """What a status records."""

    PLAN = "plan"  # a plan was shown; the digest names its changes
    LEFT = "left"  # an apply ended; the digest names the approved changes that are not done
    DONE = "done"  # an apply ended, and nothing of what was approved is left to do


@dataclass(frozen=True, slots=True)
class Record:
    """What one status says. ``digest`` is None where there is nothing to apply."""

    kind: RecordKind
    digest: str | None


@dataclass(frozen=True, slots=True)
class CommitStatus:
    """A status of ours: its record, the workflow run that made it, and when. ``id`` orders them."""

    id: int
    record: Record
    run: str | None
    created_at: datetime


def set_status(
    api: GitHubApi,
    *,
    commit: str,
    label: str,
    is_good: bool,
    summary: str,
    record: Record,
    run_url: str | None,
) -> None:
    """Add the status of a tenant to a commit. ``summary`` is plain text, cut to fit.

    Sent again where the response is unclear: a second status that says the same does no harm.
    """
    suffix = f" [{record.kind}{f' {record.digest}' if record.digest else ''}]"
    body: dict[str, object] = {
        "state": "success" if is_good else "failure",
        "context": context_of(label),
        "description": summary[: _DESCRIPTION_LIMIT - len(suffix)] + suffix,
    }
    if run_url is not None:
        body["target_url"] = run_url
    attempted = f"setting the status of commit {commit[:12]}"
    api.record(f"{api.here}/statuses/{commit}", body, attempted=attempted)


def read_statuses(
    api: GitHubApi, *, author: Author, commit: str, label: str
) -> tuple[CommitStatus, ...]:
    """Every status of this tenant on a commit that ``author`` created, the newest first."""
    entries = api.pages(
        f"{api.here}/commits/{commit}/statuses",
        attempted=f"reading the statuses of commit {commit[:12]}",
    )
    return tuple(sorted(_ours(entries, author, label), key=lambda each: -each.id))


def context_of(label: str) -> str:
    """The name of a tenant's status; GitHub compares it without case."""
    return f"reconciler/{label}"[:_CONTEXT_LIMIT]


def run_in(url: object) -> str | None:
    """The id of the workflow run that an address leads to."""
    found = _RUN.search(url) if isinstance(url, str) else None
    return found[1] if found else None


def _ours(entries: Iterator[Any], author: Author, label: str) -> Iterator[CommitStatus]:
    for entry in entries:
        if not isinstance(entry, dict) or not _is_ours(entry, author, label):
            continue
        found = _RECORD.search(str(entry.get("description") or ""))
        created_at = read_time(entry.get("created_at"))
        if found is None or created_at is None or not isinstance(entry.get("id"), int):
            continue
        record = Record(RecordKind(found[1]), found[2])
        yield CommitStatus(entry["id"], record, run_in(entry.get("target_url")), created_at)


def _is_ours(entry: Mapping[str, Any], author: Author, label: str) -> bool:
    is_context = str(entry.get("context", "")).casefold() == context_of(label).casefold()
    return is_context and author.wrote({"user": entry.get("creator")})
