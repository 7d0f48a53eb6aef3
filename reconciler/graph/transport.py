"""Requests to one Microsoft Graph endpoint: tokens, retries, deadline, pace. Does I/O.

Reads are repeated until they succeed, the fault turns out to be lasting, or the deadline comes.
A write is sent **once**: after an unclear response comes a read, and that is the applier's business
(contract, law 5). Everything that a write may wait for is done before, in `prepare_write`.

Sources: https://learn.microsoft.com/graph/throttling, graph.md section 7.
"""

from __future__ import annotations

import json
import logging
import random
import uuid
from collections.abc import Mapping
from copy import copy
from dataclasses import replace

import httpx
from tenacity import Retrying

from reconciler.graph.auth.token_source import TokenSource
from reconciler.graph.responses import GraphResponse, is_throttled, refusal, token_refused
from reconciler.model.errors import AuthError, GraphError, NotExecutedError, OutcomeUnknownError
from reconciler.model.ports import Clock
from reconciler.model.state import Moment
from reconciler.runtime.addresses import origin
from reconciler.runtime.deadline import Deadline
from reconciler.runtime.http_client import NoResponseError, exchange
from reconciler.runtime.known_secrets import KNOWN
from reconciler.runtime.pace import Pacer
from reconciler.runtime.retry import Backoff, TransientError, repeating, retry_after_of

LOG = logging.getLogger("reconciler.graph")

_LONG_WAIT = 5.0
"""Seconds after which a person begins to wonder, and is told."""

_TRIES = 6
_TRIES_AFTER_PLAIN_500 = 3
_MAY_PASS = frozenset({408, 424, 502, 504})
"""Microsoft documents 424 for a ``$batch`` with a throttled entry; it was never observed."""


class Transport:
    """Sends requests to one Graph endpoint, signed in. Safe to share between threads."""

    def __init__(
        self,
        *,
        http: httpx.Client,
        graph: str,
        tokens: TokenSource,
        clock: Clock,
        deadline: Deadline,
        backoff: Backoff | None = None,
    ) -> None:
        self.graph = graph.rstrip("/")
        self.deadline = deadline
        self._origin = origin(self.graph)
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

        ``attempted`` names the purpose, for messages. Raises `GraphError` for a lasting fault,
        `AuthError` where sign-in fails, and `DeadlineError` when the time is up.
        """
        content = b"" if body is None else json.dumps(body).encode()

        def once() -> GraphResponse:
            self.deadline.check(attempted)
            try:
                response = self._signed(method, url, content, headers or {}, attempted)
            except NoResponseError as fault:
                error = GraphError(str(fault), attempted=attempted)
                if fault.is_lasting:
                    raise error from fault
                raise TransientError(error, tries=_TRIES) from fault
            self.raise_for(response, attempted)
            return response

        result: GraphResponse = self.retrying()(once)
        return result

    def ask(
        self,
        url: str,
        *,
        attempted: str,
        method: str = "GET",
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> GraphResponse:
        """Send a request without effects once, for a response that is worth no second try.

        Returns Graph's response whatever its status is: a 401 gets no fresh token either. Raises
        `GraphError` where there is none, `AuthError` where sign-in fails, and `DeadlineError` when
        the time is up.
        """
        self.deadline.check(attempted)
        self._check_home(url, attempted)
        content = b"" if body is None else json.dumps(body).encode()
        try:
            return self._send(method, url, content, headers or {}, self._tokens.token())
        except NoResponseError as fault:
            raise GraphError(str(fault), attempted=attempted) from fault

    def within(self, seconds: float) -> Transport:
        """The same way to Graph, with a deadline of its own that is no later than this one."""
        other = copy(self)
        other.deadline = Deadline(self._clock, min(seconds, self.deadline.remaining()))
        return other

    def retrying(self) -> Retrying:
        """Make the loop that repeats a call for as long as it raises `TransientError`."""
        return repeating(self._wait, self.deadline.sleep)

    def raise_for(self, response: GraphResponse, attempted: str) -> None:
        """Return for a success; raise `TransientError` or the refusal for anything else."""
        transient = self.transient(response, attempted)
        if transient is not None:
            raise transient
        if not response.is_success or response.is_foreign:
            raise refusal(response, attempted, now=self._clock.now())

    def transient(self, response: GraphResponse, attempted: str) -> TransientError | None:
        """Tell whether another attempt may help, and when; None for a success and a lasting refusal."""
        now = self._clock.now()
        tries: int | None
        if is_throttled(response):
            tries = None
        elif response.status in _MAY_PASS or response.status > 500:
            tries = _TRIES
        elif response.status == 500:
            tries = _TRIES_AFTER_PLAIN_500
        elif response.is_foreign and response.is_success and not response.is_lasting:
            tries = _TRIES
        else:
            return None
        error = refusal(response, attempted, now=now)
        return TransientError(error, tries=tries, wait=retry_after_of(response.headers, now))

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

        Raises `OutcomeUnknownError` where it is not known whether it happened, `NotExecutedError` after
        a 401, once a fresh token is there, and the error that fits Graph's refusal otherwise.
        """
        self.deadline.check(attempted)
        self._check_home(url, attempted)
        try:
            response = self._send(method, url, content, headers or {}, self._tokens.token())
        except NoResponseError as fault:
            raise OutcomeUnknownError(
                f"{fault}; the outcome is unknown", attempted=attempted
            ) from fault
        if response.is_success and not response.is_foreign:
            return response
        if response.is_success or response.status >= 500 or response.status == 408:
            raise OutcomeUnknownError(
                response.message,
                attempted=attempted,
                status=response.status,
                code=response.code,
                request_id=response.request_id,
                retry_after=retry_after_of(response.headers, self._clock.now()),
            )
        if response.is_token_refused:
            self._renewed_token(response, attempted)
            raise NotExecutedError(
                response.message,
                attempted=attempted,
                status=response.status,
                code=response.code,
                request_id=response.request_id,
            )
        raise refusal(response, attempted, now=self._clock.now())

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
        there = origin(url)
        return there is not None and there == self._origin

    def _signed(
        self, method: str, url: str, content: bytes, headers: Mapping[str, str], attempted: str
    ) -> GraphResponse:
        self._check_home(url, attempted)
        response = self._send(method, url, content, headers, self._tokens.token())
        if response.is_token_refused:
            token = self._renewed_token(response, attempted)
            response = self._send(method, url, content, headers, token)
        return response

    def _renewed_token(self, response: GraphResponse, attempted: str) -> str:
        """Get a fresh token after a 401; where there is none, Graph's own reason comes first."""
        try:
            return self._tokens.token(fresh=True)
        except AuthError as failure:
            raise token_refused(response, attempted, str(failure)) from None

    def _check_home(self, url: str, attempted: str) -> None:
        if not self.is_home(url):
            raise GraphError(
                "the link leads to another host, or is none; it was not followed",
                attempted=attempted,
                code="ForeignLink",
            )

    def _send(
        self, method: str, url: str, content: bytes, headers: Mapping[str, str], token: str
    ) -> GraphResponse:
        KNOWN.learn(token)
        client_request_id = str(uuid.uuid4())
        sent_at = Moment(self._clock.now(), self._clock.monotonic())
        response = GraphResponse.of(
            exchange(
                self._http,
                method,
                url,
                seconds=self.deadline.remaining(),
                content=content or None,
                headers={
                    "Accept": "application/json",
                    **({"Content-Type": "application/json"} if content else {}),
                    **headers,
                    "Authorization": f"Bearer {token}",
                    "client-request-id": client_request_id,
                },
            )
        )
        LOG.debug(
            "%s %s: %s in %.0f ms, request-id %s, client-request-id %s",
            method,
            httpx.URL(url).path,
            response.status,
            1000 * (self._clock.monotonic() - sent_at.monotonic),
            response.request_id,
            client_request_id,
        )
        return replace(response, sent_at=sent_at)

    def _wait(self, fault: TransientError, attempt: int) -> float:
        seconds = self._backoff.wait(attempt, fault.wait)
        level = logging.WARNING if seconds >= _LONG_WAIT else logging.INFO
        LOG.log(level, "%s; trying again in %.1f s", fault, seconds)
        return seconds
