"""Carry MSAL's requests, and the sign-in's own, over HTTP. Does network I/O; imports requests.

MSAL takes any object with ``get``, ``post`` and ``close``. Handing it this one, and not its own
session, settles what its defaults leave open ([O] graph.md section 9): a time limit on every request,
no redirect followed, secrets to known origins alone, a retry *below* MSAL's own throttle (which would
answer the repeat from memory), and failures that name the host and say what to do.
"""

from __future__ import annotations

import email.utils
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import requests

from reconciler.graph.clouds import CA_VARIABLES, MICROSOFT_LOGIN_HOSTS, is_loopback, origin
from reconciler.model.errors import DeadlineError
from reconciler.model.ports import Clock

ATTEMPTS: Final = 3
CONNECT_SECONDS: Final = 10.0
READ_SECONDS: Final = 30.0
LONGEST_WAIT: Final = 60.0


class SigninFailure(requests.RequestException):
    """No usable answer came; the text says from where, and what to do.

    It is one of requests' own kind because MSAL then still hands out a cached token that is merely
    ageing, where it has one. ``detail`` is what the server said of it, untouched.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


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
            found = json.loads(self.text)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Wire:
    """What every request of the sign-in shares. ``remaining`` is how many seconds the run has left."""

    clock: Clock
    remaining: Callable[[], float]
    ca_bundle: str | None = None


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
        self._origin = origin(base) if base else None
        self._retried = retried
        self._connect_seconds = connect_seconds
        self._direct = _session(use_proxies=False)
        self._session = _session(use_proxies=True) if use_proxies else self._direct

    def get(self, url: str, **options: Any) -> SignInResponse:
        """GET, as MSAL calls it."""
        answer = self._send("GET", url, options)
        return self._lifted(answer) if url.endswith("/openid-configuration") else answer

    def post(self, url: str, **options: Any) -> SignInResponse:
        """POST, as MSAL calls it."""
        return self._send("POST", url, options)

    def close(self) -> None:
        """Drop the connections."""
        self._session.close()
        self._direct.close()

    def _send(self, method: str, url: str, options: Mapping[str, Any]) -> SignInResponse:
        url = self._lowered(url)
        for attempt in range(1, ATTEMPTS + 1):
            last_try = attempt == ATTEMPTS
            try:
                answer = self._once(method, url, options)
            except SigninFailure as failure:
                if last_try or not isinstance(failure, _Passing):
                    raise
                self._wait(attempt, None)
                continue
            self.last = answer
            if answer.status_code < 500 and answer.status_code not in self._retried:
                return answer
            if last_try:
                break
            self._wait(attempt, answer)
        if answer.status_code < 500 and answer.status_code != 429:
            return answer
        detail = answer.parsed().get("error_description")
        raise SigninFailure(
            f"{urlsplit(url).netloc} answered HTTP {answer.status_code} {ATTEMPTS} times; "
            f"try again later",
            detail if isinstance(detail, str) else "",
        )

    def _once(self, method: str, url: str, options: Mapping[str, Any]) -> SignInResponse:
        left = self._seconds_left()
        host = urlsplit(url).netloc
        # A proxy would get what is meant for this machine, and in the clear where that is http.
        session = self._direct if is_loopback(urlsplit(url).hostname) else self._session
        try:
            response = session.request(
                method,
                url,
                params=options.get("params"),
                data=options.get("data"),
                headers=options.get("headers"),
                timeout=(min(self._connect_seconds, left), min(READ_SECONDS, left)),
                allow_redirects=False,
                verify=self._wire.ca_bundle or True,
            )
        except OSError as error:
            # `from None`: requests' own texts may quote a proxy's password.
            raise _explained(error, host, self._wire.ca_bundle) from None
        if 300 <= response.status_code < 400:
            raise SigninFailure(
                f"{host} answered with a redirect, which is not followed with credentials in hand: "
                f"is a proxy or a captive portal in the way?"
            )
        # Not `.text`: without a charset, requests would guess one from the bytes.
        text = response.content.decode("utf-8", "replace")
        return SignInResponse(response.status_code, text, dict(response.headers))

    def _seconds_left(self) -> float:
        left = self._wire.remaining()
        if left <= 0:
            raise DeadlineError(
                "the time given by --timeout ran out during sign-in: run again with a longer one"
            )
        return left

    def _wait(self, attempt: int, answer: SignInResponse | None) -> None:
        asked = _retry_after(answer, self._wire.clock.now()) if answer else None
        seconds = float(2 ** (attempt - 1)) if asked is None else min(asked, LONGEST_WAIT)
        self._wire.clock.sleep(min(seconds, self._seconds_left()))

    def _lowered(self, url: str) -> str:
        """Check where a request goes; MSAL's https back to http where the origin is plain loopback."""
        if self._origin is None:
            return url
        parts = urlsplit(url)
        scheme, host, port = self._origin
        if scheme == "http" and parts.scheme == "https" and origin(url)[1:] == (host, port):
            parts = parts._replace(scheme="http")
        target = parts.geturl()
        known = parts.scheme == "https" and parts.hostname in MICROSOFT_LOGIN_HOSTS
        if origin(target) != self._origin and not known:
            raise SigninFailure(
                f"{host} wants the sign-in to continue at {parts.netloc}, which is another host: "
                f"no credentials are sent there"
            )
        return target

    def _lifted(self, answer: SignInResponse) -> SignInResponse:
        """MSAL refuses endpoints that are not https, on loopback too: show it https."""
        if self._origin is None or self._origin[0] != "http":
            return answer
        host = self._origin[1]
        shown = f"[{host}]" if ":" in host else host
        text = answer.text.replace(f"http://{shown}:", f"https://{shown}:")
        return SignInResponse(answer.status_code, text, answer.headers)


class _Passing(SigninFailure):
    """A failure that the next attempt may well not meet."""


def _session(*, use_proxies: bool) -> requests.Session:
    session = requests.Session()
    session.trust_env = use_proxies
    # Else requests puts a ~/.netrc entry for the host in place of our Authorization header.
    session.auth = _as_it_stands
    return session


def _as_it_stands(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _explained(error: OSError, host: str, ca_bundle: str | None) -> SigninFailure:
    # Order matters: requests' ProxyError and SSLError are ConnectionErrors too.
    match error:
        case requests.exceptions.ProxyError():
            return SigninFailure(
                f"cannot reach {host}: the proxy does not let the request through; "
                f"check HTTPS_PROXY and NO_PROXY"
            )
        case requests.exceptions.SSLError():
            judge = f"by {_named(ca_bundle)}" if ca_bundle else "here"
            return SigninFailure(
                f"cannot reach {host}: its certificate is not trusted {judge}; where a proxy "
                f"inspects traffic, set SSL_CERT_FILE (or REQUESTS_CA_BUNDLE) to its authority's"
            )
        case requests.exceptions.Timeout():
            return _Passing(
                f"cannot reach {host}: no answer in time; check the network and HTTPS_PROXY"
            )
        case requests.exceptions.ConnectionError():
            return _Passing(
                f"cannot reach {host}: no connection; check the network, DNS and HTTPS_PROXY"
            )
        case requests.exceptions.RequestException():
            return SigninFailure(
                f"cannot reach {host}: {type(error).__name__}; check HTTPS_PROXY and the address"
            )
    where = _named(ca_bundle) if ca_bundle else "the certificate store"
    return SigninFailure(f"cannot reach {host}: {where} cannot be read as trusted certificates")


def _named(ca_bundle: str) -> str:
    return f"{ca_bundle!r} (named by one of {', '.join(CA_VARIABLES)})"


def _retry_after(answer: SignInResponse, now: datetime) -> float | None:
    value = next(
        (v for k, v in answer.headers.items() if k.casefold() == "retry-after"), ""
    ).strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds())
