"""One HTTP conversation with Microsoft Graph: tokens, retries, deadline, pace. Does I/O.

Reads are repeated until they succeed, the fault turns out to be lasting, or the deadline comes.
A write is sent **once**: what follows an unclear answer is a read, and that is the applier's
business (contract, law 5). Everything that a write may wait for is done before, in `prepare_write`.

Sources: https://learn.microsoft.com/graph/throttling, graph.md section 7.
"""

from __future__ import annotations

import json
import logging
import random
import uuid
from collections.abc import Mapping
from typing import Protocol

import httpx
from tenacity import Retrying

from reconciler.graph.responses import GraphResponse, is_throttled, refusal, retry_after_of
from reconciler.model.errors import GraphError, NotExecutedError, OutcomeUnknownError
from reconciler.model.ports import Clock
from reconciler.runtime.deadline import Deadline
from reconciler.runtime.pace import Pacer
from reconciler.runtime.retry import Backoff, TransientError, repeating

LOG = logging.getLogger("reconciler.graph")

_LONG_WAIT = 5.0
"""Seconds after which a person begins to wonder, and is told."""

_LONGEST_ANSWER = 60.0
_LONGEST_CONNECT = 15.0
_TRIES = 6
_TRIES_AFTER_PLAIN_500 = 3
_MAY_PASS = frozenset({408, 424, 502, 504})
"""424 is what Microsoft documents for a ``$batch`` with a throttled entry, and nobody has seen."""


class Tokens(Protocol):
    """Where bearer tokens come from."""

    def token(self, *, fresh: bool = False) -> str:
        """Give a token for Graph; ``fresh`` asks past every cache. Raises `AuthError`."""
        ...


class Transport:
    """Sends requests to one Graph endpoint, signed in. Safe to share between threads."""

    def __init__(
        self,
        *,
        http: httpx.Client,
        graph: str,
        tokens: Tokens,
        clock: Clock,
        deadline: Deadline,
        backoff: Backoff | None = None,
    ) -> None:
        self.graph = graph.rstrip("/")
        self.deadline = deadline
        self._origin = _origin(self.graph)
        self._http = http
        self._tokens = tokens
        self._clock = clock
        self._backoff = backoff or Backoff(random.Random())
        self._pacer = Pacer(clock)

    def read(
        self,
        url: str,
        *,
        attempted: str,
        method: str = "GET",
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> GraphResponse:
        """Send a request without effects, again and again while the fault may pass.

        ``attempted`` says in words what it is for. Raises `GraphError` for a lasting fault,
        `AuthError` where sign-in fails, and `DeadlineError` when the time is up.
        """
        content = b"" if body is None else json.dumps(body).encode()

        def once() -> GraphResponse:
            self.deadline.check(attempted)
            try:
                answer = self._signed(method, url, content, headers or {}, attempted)
            except (httpx.HTTPError, OSError) as fault:
                raise TransientError(_no_answer(fault, attempted), tries=_TRIES) from fault
            self.raise_for(answer, attempted)
            return answer

        result: GraphResponse = self.retrying()(once)
        return result

    def retrying(self) -> Retrying:
        """Make the loop that repeats a call for as long as it raises `TransientError`."""
        return repeating(self._wait, self.deadline.sleep)

    def raise_for(self, answer: GraphResponse, attempted: str) -> None:
        """Return for a success; raise `TransientError` or the refusal for anything else."""
        transient = self.transient(answer, attempted)
        if transient is not None:
            raise transient
        if not answer.is_success:
            raise refusal(answer, attempted, now=self._clock.now())

    def transient(self, answer: GraphResponse, attempted: str) -> TransientError | None:
        """Tell whether asking again may help, and when; None for a success and a lasting no."""
        now = self._clock.now()
        wait = retry_after_of(answer.headers, now)
        if is_throttled(answer):
            return TransientError(refusal(answer, attempted, now=now), tries=None, wait=wait)
        if answer.status in _MAY_PASS or answer.is_foreign:
            return TransientError(refusal(answer, attempted, now=now), tries=_TRIES, wait=wait)
        if answer.status == 500:
            error = refusal(answer, attempted, now=now)
            return TransientError(error, tries=_TRIES_AFTER_PLAIN_500, wait=wait)
        return None

    def write(
        self,
        method: str,
        url: str,
        *,
        attempted: str,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> GraphResponse:
        """Send a request with effects, once; `prepare_write` has waited for its turn.

        ``content`` is JSON, and goes out byte for byte.

        Raises `OutcomeUnknownError` where nobody can tell whether it happened, `NotExecutedError` after
        a 401 that a fresh token answers, and the error that fits Graph's refusal otherwise.
        """
        self.deadline.check(attempted)
        self._check_home(url, attempted)
        try:
            answer = self._send(method, url, content, headers or {}, self._tokens.token())
        except (httpx.HTTPError, OSError) as fault:
            raise OutcomeUnknownError(
                f"the connection failed, so the outcome is unknown ({_name(fault)})",
                attempted=attempted,
            ) from fault
        if answer.is_success and not answer.is_foreign:
            return answer
        if answer.is_success or answer.status >= 500 or answer.status == 408:
            raise OutcomeUnknownError(
                answer.message,
                attempted=attempted,
                status=answer.status,
                code=answer.code,
                request_id=answer.request_id,
                retry_after=retry_after_of(answer.headers, self._clock.now()),
            )
        if answer.status == 401:
            self._tokens.token(fresh=True)
            raise NotExecutedError(
                answer.message,
                attempted=attempted,
                status=answer.status,
                code=answer.code,
                request_id=answer.request_id,
            )
        raise refusal(answer, attempted, now=self._clock.now())

    def prepare_write(self) -> None:
        """Wait for a turn under Graph's write rate, and have a token at hand.

        Raises `DeadlineError` where the turn comes too late, and `AuthError`.
        """
        wait = self._pacer.reserve()
        if wait > 0:
            self.deadline.sleep(wait, "keeping to Graph's write rate")
        self._tokens.token()

    def is_home(self, url: str) -> bool:
        """Whether a link leads back to the one origin that the token may go to."""
        origin = _origin(url)
        return origin is not None and origin == self._origin

    def _signed(
        self, method: str, url: str, content: bytes, headers: Mapping[str, str], attempted: str
    ) -> GraphResponse:
        self._check_home(url, attempted)
        answer = self._send(method, url, content, headers, self._tokens.token())
        if answer.status == 401:
            answer = self._send(method, url, content, headers, self._tokens.token(fresh=True))
        return answer

    def _check_home(self, url: str, attempted: str) -> None:
        if not self.is_home(url):
            raise GraphError(
                "Graph sent a link that leads to another host; it was not followed",
                attempted=attempted,
                code="ForeignLink",
            )

    def _send(
        self, method: str, url: str, content: bytes, headers: Mapping[str, str], token: str
    ) -> GraphResponse:
        client_request_id = str(uuid.uuid4())
        started = self._clock.monotonic()
        answer = GraphResponse.of(
            self._http.request(
                method,
                url,
                content=content or None,
                headers={
                    "Accept": "application/json",
                    **({"Content-Type": "application/json"} if content else {}),
                    **headers,
                    "Authorization": f"Bearer {token}",
                    "client-request-id": client_request_id,
                },
                timeout=self._timeout(),
                follow_redirects=False,
            )
        )
        LOG.debug(
            "%s %s: %s in %.0f ms, request-id %s, client-request-id %s",
            method,
            httpx.URL(url).path,
            answer.status,
            1000 * (self._clock.monotonic() - started),
            answer.request_id,
            client_request_id,
        )
        return answer

    def _timeout(self) -> httpx.Timeout:
        """Wait for an answer no longer than the run may last."""
        left = max(self.deadline.remaining(), 1.0)
        return httpx.Timeout(min(_LONGEST_ANSWER, left), connect=min(_LONGEST_CONNECT, left))

    def _wait(self, fault: TransientError, attempt: int) -> float:
        seconds = self._backoff.wait(attempt, fault.wait)
        level = logging.WARNING if seconds >= _LONG_WAIT else logging.INFO
        LOG.log(level, "%s; trying again in %.1f s", fault, seconds)
        return seconds


def _no_answer(fault: Exception, attempted: str) -> GraphError:
    return GraphError(
        f"Microsoft Graph could not be reached ({_name(fault)}); check the network, HTTPS_PROXY "
        "and SSL_CERT_FILE",
        attempted=attempted,
    )


def _name(fault: Exception) -> str:
    return f"{type(fault).__name__}: {fault}".removesuffix(": ")


def _origin(url: str) -> tuple[str, str, int | None] | None:
    """Name where an address leads; None for one that cannot be read, which leads nowhere."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return None
    return parsed.scheme, parsed.host, parsed.port
