"""One comment per marker on a pull request, edited in place. Does I/O.

Premise: GitHub has no conditional writes, so two runs can both find no comment and both create
one, or an older run can write after a newer one. Nothing is ever deleted.

Each round lists our comments anew, then asks for the pull request's head, and brings what stands
there to this: the oldest comment holds the text of the head commit, every other one of ours is a
pointer to it. A round that finds it so ends the matter. All runs aim at the same state, so their
order does not count. A run whose commit is no longer the head creates a comment where there is none
and replaces no text; one that is current knows that a newer run can only start after its look, with
a whole plan to make before it writes. Should one nevertheless do all that within our last round
trip, its text is missing, and with it the approval: apply refuses, and a run again mends it.

A comment is ours when it begins with the marker *and* the token's own account wrote it.
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
from reconciler.github.pulls import PullRequest, read_pull
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

    ``commit`` is the one that the text tells of: where it is not the head of an open pull request
    any more, a text that is there stays (``outdated``). Without one, the text counts as current.
    Without ``create``, only a comment that exists is brought up to date.
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
        """Look, and put right what is not; None means that it must be looked at once more."""
        seen = self._look()
        if not seen:
            if not create:
                return Posted(PostAction.SKIPPED, None)
            self._create(attempt)
            return None
        best = self._text_to_stay(seen)
        body = self._body if best is None else best.body
        try:
            changed = self._settle(seen, body)
        except _LookAgainError:
            return None
        if changed:
            self._has_written = self._has_written or best is None
            return None
        return Posted(self._action(best), seen[0].url)

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

    def _text_to_stay(self, seen: Sequence[Comment]) -> Comment | None:
        """Choose the comment whose text must stay, None where it is to be ours."""
        pull = read_pull(self._api, self._number)
        self._head = pull.head
        best = next((c for c in reversed(seen) if c.marker.commit == pull.head), seen[-1])
        # Of two runs of one commit either will do; insisting would make them take turns.
        is_settled = self._commit in (None, best.marker.commit) or _is_same(best.body, self._body)
        if self._has_written and is_settled:
            return best
        return None if self._is_current(pull, best) else best

    def _is_current(self, pull: PullRequest, best: Comment) -> bool:
        """Whether our text may replace one that is there.

        While the pull request is open, the text of its head alone may: for any other commit, the
        run of the head could write at any moment, after we looked and before we write. Once it is
        closed, no run is on its way, and what an apply says comes from another branch's commit.
        """
        if self._commit is None or self._commit == pull.head:
            return True
        return not pull.is_open and best.marker.commit != pull.head

    def _settle(self, seen: Sequence[Comment], body: str) -> bool:
        """Bring our comments to the wanted state, the surviving one first; tell if any differed."""
        first, *others = seen
        changed = False
        if not _is_same(first.body, body):
            self._edit(first, body)
            changed = True
        for other in others:
            self._edit(other, _pointer(first))
            changed = True
        return changed

    def _action(self, best: Comment | None) -> PostAction:
        is_shown = best is None or _is_same(best.body, self._body)
        is_peer = best is not None and self._commit in (None, best.marker.commit)
        if not is_shown and not (self._has_written and is_peer):
            return PostAction.OUTDATED
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
            raise GitHubError("the answer names no comment", attempted=self.attempted)
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
        f"Superseded: [the comment above]({survivor.url}) is the one kept up to date."
    )


def _is_same(stored: str, body: str) -> bool:
    """Compare as GitHub stores: it may turn line ends around and drop blanks at the end."""
    return stored.replace("\r\n", "\n").rstrip() == body.replace("\r\n", "\n").rstrip()
