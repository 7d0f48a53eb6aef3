"""One issue per tenant that shows its drift, open as long as there is drift. Does I/O.

Found by its label, its hidden marker and its author; never deleted. When drift returns the latest
one is opened again, so that a tenant's story stands in one place.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reconciler.github import markers
from reconciler.github.api import GitHubApi
from reconciler.github.author import Author
from reconciler.github.comments import check_body
from reconciler.github.errors import GitHubError, GitHubOutcomeUnknownError
from reconciler.github.labels import Label, ensure_label
from reconciler.model.errors import ConfigError

DRIFT_LABEL = "reconciler-drift"
TITLE_LIMIT = 256
"""GitHub's limit on an issue's title, in characters."""

_LABEL_COLOUR = "d93f0b"
_LABEL_SAYS = "The tenant differs from the declared assignments"
_CREATIONS = 3


class IssueAction(StrEnum):
    """What became of the issue."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REOPENED = "reopened"
    CLOSED = "closed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class IssuePosted:
    """``url`` and ``number`` are None where there is no issue (``skipped``)."""

    action: IssueAction
    number: int | None
    url: str | None


@dataclass(frozen=True, slots=True)
class _Issue:
    number: int
    title: str
    body: str
    is_open: bool
    url: str


def upsert_issue(
    api: GitHubApi,
    *,
    author: Author,
    title: str,
    body: str,
    marker_prefix: str,
    open: bool,
    label: str = DRIFT_LABEL,
    closing_comment: str = "No drift any more: the tenant is as declared.",
) -> IssuePosted:
    """Show drift in the tenant's issue (``open``), or close it when there is none.

    A clean tenant without an open issue gets none (``skipped``).
    """
    check_body(body)
    if len(title) > TITLE_LIMIT:
        raise ConfigError(
            f"the issue's title has {len(title)} characters and GitHub takes {TITLE_LIMIT}; "
            "give the tenant a shorter label"
        )
    if markers.read(body, marker_prefix) is None:
        raise AssertionError("the body does not begin with the marker that it would be found by")
    store = _Issues(api, author, label, marker_prefix)
    issue = store.current()
    if open:
        return store.show(issue, title, body)
    if issue is None or not issue.is_open:
        return IssuePosted(IssueAction.SKIPPED, None, None)
    return store.close(issue, body, closing_comment)


class _Issues:
    """Our issues with one label and marker."""

    def __init__(self, api: GitHubApi, author: Author, label: str, prefix: str) -> None:
        self._api = api
        self._author = author
        self._label = label
        self._prefix = prefix
        self._path = f"{api.here}/issues"

    def current(self) -> _Issue | None:
        """The oldest open one; without an open one, the one that was created last."""
        found = self._find()
        still_open = [issue for issue in found if issue.is_open]
        return still_open[0] if still_open else (found[-1] if found else None)

    def show(self, issue: _Issue | None, title: str, body: str) -> IssuePosted:
        """Create it, open it again, or bring it up to date."""
        if issue is None:
            return self._create(title, body)
        if issue.is_open and issue.title == title and _is_same(issue.body, body):
            return IssuePosted(IssueAction.UNCHANGED, issue.number, issue.url)
        self._edit(issue, {"title": title, "body": body, "state": "open"})
        action = IssueAction.UPDATED if issue.is_open else IssueAction.REOPENED
        return IssuePosted(action, issue.number, issue.url)

    def close(self, issue: _Issue, body: str, comment: str) -> IssuePosted:
        """Close it, then give the reason. In the other order a failure between would repeat the reason."""
        self._edit(issue, {"body": body, "state": "closed", "state_reason": "completed"})
        attempted = f"commenting on issue #{issue.number}"
        # The issue is closed, and its body shows that. The remark is not sent twice.
        with contextlib.suppress(GitHubOutcomeUnknownError):
            self._api.create(
                f"{self._path}/{issue.number}/comments", {"body": comment}, attempted=attempted
            )
        return IssuePosted(IssueAction.CLOSED, issue.number, issue.url)

    def _create(self, title: str, body: str) -> IssuePosted:
        ensure_label(self._api, Label(self._label, _LABEL_COLOUR, _LABEL_SAYS))
        attempted = "creating the drift issue"
        unclear: GitHubOutcomeUnknownError | None = None
        for attempt in range(1, _CREATIONS + 1):
            try:
                entry = self._api.create(
                    self._path,
                    {"title": title, "body": body, "labels": [self._label]},
                    attempted=attempted,
                )
            except GitHubOutcomeUnknownError as fault:
                unclear = fault
                self._api.pause(attempt, f"{attempted}: the outcome is unclear")
                issue = next((each for each in self._find() if each.is_open), None)
            else:
                issue = _issue(entry)
                if issue is None:
                    raise GitHubError("the response names no issue", attempted=attempted)
            if issue is not None:
                return self._alone(issue, title, body)
        raise unclear or AssertionError("every attempt ends in an issue or an unclear outcome")

    def _alone(self, issue: _Issue, title: str, body: str) -> IssuePosted:
        """Two runs may have created one each: the older stays, and ours gives way to it."""
        others = [each for each in self._find() if each.is_open and each.number < issue.number]
        if not others:
            return IssuePosted(IssueAction.CREATED, issue.number, issue.url)
        note = f"<!-- reconciler:superseded v=1 -->\nSuperseded by #{others[0].number}."
        self._edit(issue, {"body": note, "state": "closed", "state_reason": "not_planned"})
        return self.show(others[0], title, body)

    def _find(self) -> tuple[_Issue, ...]:
        entries = self._api.pages(
            self._path,
            attempted="looking for the drift issue",
            parameters={"state": "all", "labels": self._label},
        )
        found = [
            issue
            for entry in entries
            # GitHub lists pull requests among the issues.
            if isinstance(entry, dict) and "pull_request" not in entry
            if self._author.wrote(entry)
            if (issue := _issue(entry)) is not None
            if markers.read(issue.body, self._prefix) is not None
        ]
        return tuple(sorted(found, key=lambda issue: issue.number))

    def _edit(self, issue: _Issue, fields: dict[str, object]) -> None:
        path = f"{self._path}/{issue.number}"
        self._api.edit(path, fields, attempted=f"editing issue #{issue.number}")


def _issue(entry: Any) -> _Issue | None:
    number = entry.get("number") if isinstance(entry, dict) else None
    if not isinstance(number, int):
        return None
    return _Issue(
        number=number,
        title=str(entry.get("title") or ""),
        body=str(entry.get("body") or ""),
        is_open=entry.get("state") == "open",
        url=str(entry.get("html_url") or ""),
    )


def _is_same(stored: str, body: str) -> bool:
    return stored.replace("\r\n", "\n").rstrip() == body.replace("\r\n", "\n").rstrip()
