"""Carry MSAL's requests, and the sign-in's own, over HTTP. Does network I/O; imports requests.

MSAL takes any object with ``get``, ``post`` and ``close``. It gets this one, and not a session of its
own, because its defaults leave much open (graph.md section 9). Here every request has a time limit, no
redirect is followed, secrets go to known origins alone, and a failure names the host and says what to
do. Retries happen *below* MSAL's own throttle, which would answer a repeat from memory.
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx
import requests

from reconciler.graph.clouds import MICROSOFT_LOGIN_HOSTS
from reconciler.model.errors import ConfigError, DeadlineError
from reconciler.model.ports import Clock
from reconciler.runtime.addresses import origin
from reconciler.runtime.http_client import NoResponseError, exchange, open_client
from reconciler.runtime.known_secrets import KNOWN, strike
from reconciler.runtime.retry import retry_after_of

ATTEMPTS: Final = 3
CONNECT_SECONDS: Final = 10.0
READ_SECONDS: Final = 30.0
LONGEST_WAIT: Final = 60.0
_CONNECTIONS = 4


class SigninFailure(requests.RequestException):
    """No usable response came; the text says from where, and what to do.

    It is one of requests' own kind because MSAL then still hands out a cached token that is merely
    ageing, where it has one. ``detail`` is what the server wrote about it. ``is_passing``: the next
    attempt may well succeed.
    """

    def __init__(self, message: str, detail: str = "", *, is_passing: bool = False) -> None:
        super().__init__(message)
        self.detail = detail
        self.is_passing = is_passing


@dataclass(frozen=True, slots=True, repr=False)
class SignInResponse:
    """A response as MSAL reads it; its text may hold a token, so it shows itself as its status."""

    status_code: int
    text: str
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return f"SignInResponse({self.status_code})"

    def raise_for_status(self) -> None:
        """Raise where the status is an error."""
        if self.status_code >= 400:
            raise SigninFailure(f"HTTP {self.status_code}")

    def parsed(self) -> dict[str, object]:
        """The JSON object in the body; empty where it holds none."""
        try:
            body = json.loads(self.text)
        except (ValueError, RecursionError):
            return {}
        return body if isinstance(body, dict) else {}


@dataclass(frozen=True, slots=True)
class Wire:
    """What every request of the sign-in shares. ``remaining`` is how many seconds the run has left."""

    clock: Clock
    remaining: Callable[[], float]
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)


class SigninHttp:
    """An HTTP client for one purpose: it talks to ``base``'s origin (and Microsoft's logins) alone.

    Without a ``base`` it goes where it is told: managed identities, whose address MSAL picks.
    """

    def __init__(
        self,
        wire: Wire,
        base: str | None,
        *,
        retried: frozenset[int] = frozenset({429}),
        use_proxies: bool = True,
        connect_seconds: float = CONNECT_SECONDS,
    ) -> None:
        """``base`` may be plain http only where the caller has made sure that it is loopback."""
        self.last: SignInResponse | None = None
        self._wire = wire
        self._base = base
        self._origin = origin(base) if base else None
        self._retried = retried
        self._connect_seconds = connect_seconds
        self._use_proxies = use_proxies
        self._client: httpx.Client | None = None

    def get(self, url: str, **options: Any) -> SignInResponse:
        """GET, as MSAL calls it."""
        response = self._send("GET", url, options)
        return self._lifted(response) if url.endswith("/openid-configuration") else response

    def post(self, url: str, **options: Any) -> SignInResponse:
        """POST, as MSAL calls it."""
        return self._send("POST", url, options)

    def now(self) -> datetime:
        """The wall clock that this sign-in goes by."""
        return self._wire.clock.now()

    def close(self) -> None:
        """Drop the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _send(self, method: str, url: str, options: Mapping[str, Any]) -> SignInResponse:
        url = self._lowered(url)
        for attempt in range(1, ATTEMPTS + 1):
            last_try = attempt == ATTEMPTS
            try:
                response = self._once(method, url, options)
            except SigninFailure as failure:
                if last_try or not failure.is_passing:
                    raise
                self._wait(attempt, None)
                continue
            self.last = response
            if response.status_code < 500 and response.status_code not in self._retried:
                return response
            if last_try:
                break
            self._wait(attempt, response)
        if response.status_code < 500 and response.status_code != 429:
            return response
        detail = response.parsed().get("error_description")
        raise SigninFailure(
            f"{urlsplit(url).netloc} answered HTTP {response.status_code} {ATTEMPTS} times; "
            f"try again later",
            detail if isinstance(detail, str) else "",
        )

    def _once(self, method: str, url: str, options: Mapping[str, Any]) -> SignInResponse:
        headers, content = _headers_and_content(options)
        try:
            response = exchange(
                self._opened(url),
                method,
                _with_query(url, options.get("params")),
                seconds=self._seconds_left(),
                headers=headers,
                content=content,
                silence=READ_SECONDS,
                connect=self._connect_seconds,
            )
        except NoResponseError as fault:
            raise SigninFailure(str(fault), is_passing=not fault.is_lasting) from None
        if 300 <= response.status_code < 400:
            raise SigninFailure(
                f"{urlsplit(url).netloc} answered with a redirect, which is not followed with "
                f"credentials in hand: is a proxy or a captive portal in the way?"
            )
        text = response.content.decode("utf-8", "replace")
        whole = SignInResponse(response.status_code, text, dict(response.headers))
        KNOWN.learn_response(whole.parsed())
        return whole

    def _opened(self, url: str) -> httpx.Client:
        if self._client is None:
            try:
                self._client = open_client(
                    self._base or url,
                    self._wire.environ,
                    connections=_CONNECTIONS,
                    use_proxies=self._use_proxies,
                )
            except ConfigError as fault:
                raise SigninFailure(str(fault)) from None
            # MSAL closes nothing, and keeps this object for as long as its application.
            weakref.finalize(self, self._client.close)
        return self._client

    def _seconds_left(self) -> float:
        left = self._wire.remaining()
        if left <= 0:
            raise DeadlineError(
                "the time given by --timeout ran out during sign-in: run again with a longer one"
            )
        return left

    def _wait(self, attempt: int, response: SignInResponse | None) -> None:
        now = self._wire.clock.now()
        asked = retry_after_of(response.headers, now) if response else None
        seconds = float(2 ** (attempt - 1)) if asked is None else min(asked, LONGEST_WAIT)
        self._wire.clock.sleep(min(seconds, self._seconds_left()))

    def _lowered(self, url: str) -> str:
        """Check where a request goes; MSAL's https back to http where the origin is plain loopback."""
        if self._origin is None:
            return url
        parts = urlsplit(url)
        there = origin(url)
        scheme, host, port = self._origin
        if scheme == "http" and there == ("https", host, port):
            parts = parts._replace(scheme="http")
            there = self._origin
        is_known = parts.scheme == "https" and parts.hostname in MICROSOFT_LOGIN_HOSTS
        if there is None or (there != self._origin and not is_known):
            raise SigninFailure(
                f"{host} wants the sign-in to continue at another host "
                f"({strike(parts.netloc)[:100]}): no credentials are sent there"
            )
        return parts.geturl()

    def _lifted(self, response: SignInResponse) -> SignInResponse:
        """MSAL refuses endpoints that are not https, on loopback too: show it https."""
        if self._origin is None or self._origin[0] != "http":
            return response
        host = self._origin[1]
        shown = f"[{host}]" if ":" in host else host
        text = response.text.replace(f"http://{shown}:", f"https://{shown}:")
        return SignInResponse(response.status_code, text, response.headers)


def _headers_and_content(options: Mapping[str, Any]) -> tuple[dict[str, str], bytes | None]:
    """What MSAL hands over for requests, as it goes onto the wire: a mapping is sent as a form."""
    headers = {str(name): str(value) for name, value in (options.get("headers") or {}).items()}
    data = options.get("data")
    if data is None:
        return headers, None
    if isinstance(data, Mapping):
        headers = {"Content-Type": "application/x-www-form-urlencoded"} | headers
        data = urlencode({name: value for name, value in data.items() if value is not None})
    return headers, data.encode() if isinstance(data, str) else data


def _with_query(url: str, parameters: Mapping[str, Any] | None) -> str:
    given = {name: value for name, value in (parameters or {}).items() if value is not None}
    if not given:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode(given, doseq=True)}"
