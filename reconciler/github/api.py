"""One HTTP conversation with GitHub: token, pages, retries, deadline. Does I/O.

Reading and editing are repeated while the fault may pass: an edit sets the same text again. A
creation is not: after an unclear response it raises `GitHubOutcomeUnknownError`, and the caller looks for
what it wanted to create before it tries again. Only what certainly had no effect (no connection,
a rate limit) is sent a second time.
"""

from __future__ import annotations

import itertools
import json
import logging
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urljoin

import httpx

from reconciler.github.errors import GitHubError, GitHubOutcomeUnknownError, PermissionDenied
from reconciler.github.responses import (
    GitHubResponse,
    is_throttled,
    refusal,
    wait_asked_for,
)
from reconciler.model.errors import AuthError
from reconciler.model.ports import Clock
from reconciler.runtime.addresses import is_one_word, origin
from reconciler.runtime.deadline import Deadline
from reconciler.runtime.http_client import NoResponseError, exchange
from reconciler.runtime.known_secrets import KNOWN
from reconciler.runtime.retry import Backoff, TransientError, repeating

LOG = logging.getLogger("reconciler.github")

API_VERSION = "2022-11-28"
_LONGEST_SILENCE = 30.0
"""Seconds without a byte of a response."""

PAGE_SIZE = 100
_TRIES = 6
_REDIRECTS = 3
_UNNAMED_LIMIT_WAIT = 60.0


class _RateLimitedError(TransientError):
    """GitHub asked to slow down."""


class GitHubApi:
    """Talks to one repository's GitHub, signed in. ``here`` is the repository's path."""

    def __init__(
        self,
        *,
        http: httpx.Client,
        api_url: str,
        repository: str,
        token: str,
        clock: Clock,
        deadline: Deadline,
        backoff: Backoff | None = None,
    ) -> None:
        # An HTTP library quotes a header that it cannot send, secret and all.
        if not is_one_word(token):
            raise AuthError("the GitHub token holds blanks or odd characters; check GITHUB_TOKEN")
        KNOWN.learn(token)
        self.here = f"/repos/{repository}"
        self.deadline = deadline
        self._http = http
        self._url = api_url.rstrip("/")
        self._token = token
        self._clock = clock
        self._backoff = backoff or Backoff(random.Random())

    def get(
        self, path: str, *, attempted: str, parameters: Mapping[str, str | int] | None = None
    ) -> Any:
        """Read one thing."""
        return self._exchange("GET", self._address(path, parameters), None, attempted).body

    def pages(
        self, path: str, *, attempted: str, parameters: Mapping[str, str | int] | None = None
    ) -> Iterator[Any]:
        """Read a list to its end, whatever the number of pages; complete, or an exception."""
        url: str | None = self._address(path, {"per_page": PAGE_SIZE, **(parameters or {})})
        seen: set[str] = set()
        while url is not None:
            if url in seen:
                raise GitHubError("the pages lead in a circle", attempted=attempted)
            seen.add(url)
            response = self._exchange("GET", url, None, attempted)
            if not isinstance(response.body, list):
                raise GitHubError("a list was due, and something else came", attempted=attempted)
            yield from response.body
            url = _joined(url, response.next_url, attempted) if response.next_url else None

    def edit(
        self,
        path: str,
        body: Mapping[str, object],
        *,
        attempted: str,
        before_repeat: Callable[[], None] | None = None,
    ) -> Any:
        """Set what is there to what it should be; repeated like a read, for it can do no more.

        ``before_repeat`` is called before every attempt but the first, and may raise to end it:
        after a long wait the edit may not be right any more.
        """
        return self._exchange(
            "PATCH", self._address(path), body, attempted, before_repeat=before_repeat
        ).body

    def create(self, path: str, body: Mapping[str, object], *, attempted: str) -> Any:
        """Create something, once. Raises `GitHubOutcomeUnknownError` where nobody can tell."""
        return self._exchange("POST", self._address(path), body, attempted, repeatable=False).body

    def record(self, path: str, body: Mapping[str, object], *, attempted: str) -> None:
        """Create something of which a second copy does no harm; repeated like a read."""
        self._exchange("POST", self._address(path), body, attempted)

    def delete(self, path: str, *, attempted: str) -> None:
        """Take something away; repeated like a read. Raises `MissingError` where it is not there."""
        self._exchange("DELETE", self._address(path), None, attempted)

    def ask(self, query: str, variables: Mapping[str, object], *, attempted: str) -> Any:
        """Read over GraphQL, for what REST does not tell; gives the response's ``data``."""
        response = self._exchange(
            "POST", self._graphql_url, {"query": query, "variables": variables}, attempted
        )
        body = response.body if isinstance(response.body, dict) else {}
        errors = body.get("errors")
        if errors or not isinstance(body.get("data"), dict):
            is_forbidden = any(
                isinstance(error, dict)
                and error.get("type") in ("FORBIDDEN", "INSUFFICIENT_SCOPES")
                for error in (errors if isinstance(errors, list) else [])
            )
            kind = PermissionDenied if is_forbidden else GitHubError
            raise kind(
                response.message,
                attempted=attempted,
                status=response.status,
                request_id=response.request_id,
            )
        return body["data"]

    def pause(self, attempt: int, reason: str) -> None:
        """Wait a little before attempt number ``attempt`` + 1 of something larger than a request."""
        self.deadline.sleep(self._backoff.seconds(attempt), reason)

    @property
    def _graphql_url(self) -> str:
        # GitHub Enterprise Server has REST at /api/v3 and GraphQL beside it, at /api/graphql.
        return self._url.removesuffix("/v3") + "/graphql"

    def _address(self, path: str, parameters: Mapping[str, str | int] | None = None) -> str:
        return str(httpx.URL(self._url + path, params=parameters or None))

    def _exchange(
        self,
        method: str,
        url: str,
        body: Mapping[str, object] | None,
        attempted: str,
        *,
        repeatable: bool = True,
        before_repeat: Callable[[], None] | None = None,
    ) -> GitHubResponse:
        attempts = itertools.count(1)

        def once() -> GitHubResponse:
            if next(attempts) > 1 and before_repeat is not None:
                before_repeat()
            self.deadline.check(attempted)
            try:
                response = self._send(method, url, body, attempted)
            except NoResponseError as fault:
                error = GitHubError(str(fault), attempted=attempted)
                if fault.is_lasting:
                    raise error from fault
                if repeatable or not fault.was_sent:
                    raise TransientError(error, tries=_TRIES) from fault
                raise GitHubOutcomeUnknownError(error.message, attempted=attempted) from fault
            self._raise_for(response, attempted, is_write=method != "GET", repeatable=repeatable)
            return response

        result: GitHubResponse = repeating(self._wait, self.deadline.sleep)(once)
        return result

    def _raise_for(
        self, response: GitHubResponse, attempted: str, *, is_write: bool, repeatable: bool
    ) -> None:
        """Return for a success; raise `TransientError` or the refusal for anything else."""
        if response.is_success and not response.is_foreign:
            return
        error = refusal(response, attempted, is_write=is_write)
        wait = wait_asked_for(response, self._clock.now())
        if is_throttled(response):
            raise _RateLimitedError(error, tries=None, wait=wait)
        if response.is_success or response.status >= 500 or response.status == 408:
            if repeatable:
                raise TransientError(error, tries=_TRIES, wait=wait)
            raise GitHubOutcomeUnknownError(
                error.message,
                attempted=attempted,
                status=response.status,
                request_id=response.request_id,
            )
        raise error

    def _send(
        self, method: str, url: str, body: Mapping[str, object] | None, attempted: str
    ) -> GitHubResponse:
        """Send, and follow redirects within GitHub (a renamed repository answers with them)."""
        for _hop in range(_REDIRECTS + 1):
            if not self._is_home(url):
                raise GitHubError(
                    "the response leads to another host; it was not followed", attempted=attempted
                )
            raw = exchange(
                self._http,
                method,
                url,
                seconds=self.deadline.remaining(),
                silence=_LONGEST_SILENCE,
                content=None if body is None else json.dumps(body).encode(),
                headers={
                    "Accept": "application/vnd.github+json",
                    **({} if body is None else {"Content-Type": "application/json"}),
                    "Authorization": f"Bearer {self._token}",
                    "User-Agent": "reconciler",
                    "X-GitHub-Api-Version": API_VERSION,
                },
            )
            response = GitHubResponse.of(raw, secret=self._token)
            LOG.debug(
                "%s %s: %s, request-id %s",
                method,
                httpx.URL(url).path,
                response.status,
                response.request_id,
            )
            if response.status not in (301, 302, 307, 308) or "location" not in response.headers:
                return response
            url = _joined(url, raw.headers["location"], attempted)
        raise GitHubError("one redirect leads to the next without end", attempted=attempted)

    def _is_home(self, url: str) -> bool:
        """Whether an address lies at the one origin that the token may go to."""
        there = origin(url)
        return there is not None and there == origin(self._url)

    def _wait(self, fault: TransientError, attempt: int) -> float:
        seconds = self._backoff.wait(attempt, fault.wait)
        if isinstance(fault, _RateLimitedError) and fault.wait is None:
            seconds = _UNNAMED_LIMIT_WAIT * 2.0 ** min(attempt - 1, 10)
        LOG.info("%s; trying again in %.1f s", fault, seconds)
        return seconds


def _joined(url: str, target: str, attempted: str) -> str:
    """Where a link on a page leads; what is no address at all is the same as a foreign one."""
    try:
        return str(httpx.URL(urljoin(url, target)))
    except (ValueError, httpx.InvalidURL):
        raise GitHubError("the response leads nowhere", attempted=attempted) from None
