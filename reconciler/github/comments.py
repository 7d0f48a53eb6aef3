"""One comment per marker on a pull request, edited in place. Does I/O.

Premise: GitHub has no conditional writes, so two runs can both find no comment and both create
one, or an older run can write after a newer one. Nothing is ever deleted.

*What is written is the caller's own text, or a pointer to another comment. No text is ever copied
from a comment*: people with write access can edit a comment of a bot, and a copy of their words
would bear the bot's name without a trace of who edited it.

Each round lists our comments again, then reads the pull request's head, and compares. The run of the
head commit writes its text into the oldest comment and makes every other one of ours a pointer to
it. A run of another commit writes no text: its plan is not of what would be merged. It only makes
its own new comment a pointer, where a comment of the head commit came meanwhile. The rounds end when
one of them finds nothing to do. Two runs of one commit do not overwrite each other again and again:
after a run has written once, the text of the other counts as well.

A comment is ours when it begins with the marker *and* the token's own account wrote it.
https://docs.github.com/rest/issues/comments
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reconciler.github import markers
from reconciler.github.api import GitHubApi
from reconciler.github.author import Author
from reconciler.github.errors import (
    GitHubError,
    GitHubOutcomeUnknownError,
    MissingError,
    PermissionDenied,
)
from reconciler.github.markers import Marker
from reconciler.github.pulls import read_pull
from reconciler.model.errors import ConfigError

BODY_LIMIT = 65_536
"""GitHub's limit on a comment and on an issue, in characters."""

_ROUNDS = 6


class PostAction(StrEnum):
    """What became of the comment."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    OUTDATED = "outdated"


@dataclass(frozen=True, slots=True)
class Posted:
    """``url`` leads to the comment, None where there is none (``skipped``)."""

    action: PostAction
    url: str | None


@dataclass(frozen=True, slots=True)
class Comment:
    """One of our comments; ``node_id`` is its name in GraphQL."""

    id: int
    node_id: str
    body: str
    url: str
    marker: Marker


def upsert(
    api: GitHubApi,
    *,
    author: Author,
    pull_request: int,
    body: str,
    marker_prefix: str,
    commit: str | None,
    create: bool = True,
) -> Posted:
    """Show ``body`` on the pull request, in the one comment that its marker names.

    ``commit`` is the one that the text is about. Where it is not the head of the pull request (any
    more), nothing is shown (``outdated``). Without one, the text counts as current. Without
    ``create``, only a comment that exists is brought up to date.
    """
    check_body(body)
    marker = markers.read(body, marker_prefix)
    if marker is None or marker.commit != commit:
        raise AssertionError("the body does not begin with the marker that it would be found by")
    run = _CommentWriter(api, author, pull_request, body, marker_prefix, commit)
    for attempt in range(1, _ROUNDS + 1):
        posted = run.round(attempt, create=create)
        if posted is not None:
            return posted
    raise run.unclear or GitHubError(
        "the comment is being changed by others again and again; run again",
        attempted=run.attempted,
    )


def find(
    api: GitHubApi, *, author: Author, pull_request: int, marker_prefix: str
) -> tuple[Comment, ...]:
    """Every comment of ours with this marker, the oldest first, from all pages."""
    entries = api.pages(
        f"{api.here}/issues/{pull_request}/comments",
        attempted=f"reading the comments of pull request #{pull_request}",
    )
    found = [
        comment
        for entry in entries
        if isinstance(entry, dict) and author.wrote(entry)
        if (comment := _comment(entry, marker_prefix)) is not None
    ]
    return tuple(sorted(found, key=lambda comment: comment.id))


def replace_text(api: GitHubApi, comment: Comment, body: str, *, pull_request: int) -> None:
    """Write another text into a comment that `find` gave."""
    check_body(body)
    api.edit(
        f"{api.here}/issues/comments/{comment.id}",
        {"body": body},
        attempted=f"commenting on pull request #{pull_request} (edit)",
    )


def check_body(body: str) -> None:
    """Refuse what GitHub would refuse, before anything is sent."""
    if len(body) > BODY_LIMIT:
        raise ConfigError(
            f"the text for GitHub has {len(body):,} characters and GitHub takes {BODY_LIMIT:,}; "
            "render it with a smaller budget (nothing was posted)"
        )


class _LookAgainError(Exception):
    """What was seen is too old to act on."""


class _CommentWriter:
    """One call of `upsert`: what it wants, and what it has done so far."""

    def __init__(
        self,
        api: GitHubApi,
        author: Author,
        pull_request: int,
        body: str,
        marker_prefix: str,
        commit: str | None,
    ) -> None:
        self.attempted = f"commenting on pull request #{pull_request}"
        self.unclear: GitHubOutcomeUnknownError | None = None
        self._api = api
        self._author = author
        self._number = pull_request
        self._body = body
        self._prefix = marker_prefix
        self._commit = commit
        self._head: str | None = None
        self._created: int | None = None
        self._has_written = False

    def round(self, attempt: int, *, create: bool) -> Posted | None:
        """Look, and correct what is not right; None means that it must be looked at once more."""
        seen = self._look()
        self._head = read_pull(self._api, self._number).head
        if self._commit not in (None, self._head):
            return self._give_way(seen)
        if not seen:
            if not create:
                return Posted(PostAction.SKIPPED, None)
            self._create(attempt)
            return None
        try:
            changed = self._settle(seen)
        except _LookAgainError:
            return None
        if changed:
            return None
        return Posted(self._action(), seen[0].url)

    def _look(self) -> tuple[Comment, ...]:
        seen = find(
            self._api,
            author=self._author,
            pull_request=self._number,
            marker_prefix=self._prefix,
        )
        if self._created is None or self._created in {found.id for found in seen}:
            return seen
        # A list can lag behind a creation; or another run has made ours a pointer, or it is gone.
        entry = self._read(self._created)
        late = _comment(entry, self._prefix) if entry is not None else None
        if late is None:
            return seen
        return tuple(sorted([*seen, late], key=lambda comment: comment.id))

    def _give_way(self, seen: Sequence[Comment]) -> Posted:
        """Leave the comments as they are; only one that we created ourselves points to the newer."""
        newer = [each for each in seen if each.marker.commit == self._head]
        for own in seen:
            if own.id == self._created and own not in newer and newer:
                self._edit(own, _pointer(newer[0]))
        shown = newer[0] if newer else next(iter(seen), None)
        return Posted(PostAction.OUTDATED, shown.url if shown else None)

    def _settle(self, seen: Sequence[Comment]) -> bool:
        """Put our text into the oldest comment, and pointers into the others; tell of any edit."""
        first, *others = seen
        is_peer = self._has_written and self._commit in (None, first.marker.commit)
        changed = False
        if not is_peer and not _is_same(first.body, self._body):
            self._edit(first, self._body)
            self._has_written = changed = True
        for other in others:
            self._edit(other, _pointer(first))
            changed = True
        return changed

    def _action(self) -> PostAction:
        if self._created is not None:
            return PostAction.CREATED
        return PostAction.UPDATED if self._has_written else PostAction.UNCHANGED

    def _create(self, attempt: int) -> None:
        try:
            entry = self._api.create(
                f"{self._api.here}/issues/{self._number}/comments",
                {"body": self._body},
                attempted=self.attempted,
            )
        except GitHubOutcomeUnknownError as unclear:
            self.unclear = unclear
            self._api.pause(attempt, f"{self.attempted}: the outcome is unclear")
            return
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), int):
            raise GitHubError("the response names no comment", attempted=self.attempted)
        self._created = entry["id"]
        self._has_written = True

    def _edit(self, comment: Comment, body: str) -> None:
        try:
            self._api.edit(
                self._path(comment.id),
                {"body": body},
                attempted=f"{self.attempted} (edit)",
                before_repeat=self._check_head,
            )
        except PermissionDenied as refused:
            # Somebody may have deleted it since the list was read: then the next round decides.
            if refused.status != 404 or self._read(comment.id) is not None:
                raise

    def _check_head(self) -> None:
        """End an edit that had to wait for so long that a newer run may have come before it."""
        if read_pull(self._api, self._number).head != self._head:
            raise _LookAgainError

    def _read(self, comment_id: int) -> dict[str, Any] | None:
        try:
            entry = self._api.get(self._path(comment_id), attempted="looking at the comment again")
        except MissingError:
            return None
        return entry if isinstance(entry, dict) else None

    def _path(self, comment_id: int) -> str:
        return f"{self._api.here}/issues/comments/{comment_id}"


def _comment(entry: dict[str, Any], prefix: str) -> Comment | None:
    body, number = entry.get("body"), entry.get("id")
    if not isinstance(body, str) or not isinstance(number, int):
        return None
    marker = markers.read(body, prefix)
    if marker is None:
        return None
    node_id, url = str(entry.get("node_id") or ""), str(entry.get("html_url") or "")
    return Comment(number, node_id, body, url, marker)


def _pointer(survivor: Comment) -> str:
    return (
        f"<!-- reconciler:superseded by={survivor.id} v=1 -->\n"
        f"Superseded: [another comment]({survivor.url}) is kept up to date instead."
    )


def _is_same(stored: str, body: str) -> bool:
    """Compare as GitHub stores: it may turn line ends around and drop blanks at the end."""
    return stored.replace("\r\n", "\n").rstrip() == body.replace("\r\n", "\n").rstrip()
