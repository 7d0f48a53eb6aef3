"""A source of tokens over one of MSAL's flows: one request at a time, and every failure a sentence."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Protocol

from reconciler.graph.auth.msal_library import quiet_msal
from reconciler.graph.auth.sign_in_errors import first_line, refused
from reconciler.graph.auth.sign_in_http import SigninFailure, SigninHttp, SignInResponse
from reconciler.graph.auth.token_claims import TokenClaims
from reconciler.model.errors import AuthError
from reconciler.runtime.addresses import is_one_word
from reconciler.runtime.known_secrets import KNOWN, strike

# Besides its own errors, MSAL raises whatever an unexpected response causes in it: JSON errors,
# missing keys of the discovery document, attribute errors on a list, failed assertions, time-outs.
_LEAKED = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    RuntimeError,
    OSError,
)


class Flow(Protocol):
    """One way to get a token out of MSAL; called under a lock, so never twice at once."""

    http: SigninHttp
    advice: str

    def describe(self) -> str:
        """Name the credential."""
        ...

    def acquire(self, *, fresh: bool) -> Mapping[str, object]:
        """MSAL's result: a token or an error. Raises whatever MSAL raises."""
        ...

    def assertion(self) -> TokenClaims | None:
        """What the last federated token says of itself."""
        ...


class MsalSource:
    """A `TokenSource` over a flow: one request at a time, and one for all who ask together."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._lock = threading.Lock()
        self._token = ""
        self._renewals = 0
        self._failure = ""
        self._failures = 0

    def __repr__(self) -> str:
        return f"MsalSource({self._flow.describe()})"

    def describe(self) -> str:
        """Name the credential."""
        return self._flow.describe()

    def token(self, *, fresh: bool = False) -> str:
        """A valid token; ``fresh`` goes past MSAL's cache."""
        renewals, failures = self._renewals, self._failures
        with self._lock:
            # A thread that waited here while another one got a token or an error takes that result:
            # eight readers that meet a 401 together ask for one new token, and wait for one time-out.
            if self._failures != failures:
                raise AuthError(self._failure)
            if fresh and self._renewals != renewals:
                return self._token
            try:
                token = self._ask(fresh=fresh)
            except AuthError as failure:
                self._failure = str(failure)
                self._failures += 1
                raise
            if token != self._token:
                self._token = token
                self._renewals += 1
            return token

    def _ask(self, *, fresh: bool) -> str:
        flow = self._flow
        flow.http.last = None
        try:
            result = flow.acquire(fresh=fresh)
        except SigninFailure as failure:
            raise self._failed(str(failure), failure.detail) from None
        except (*_LEAKED, quiet_msal().exceptions.MsalError) as error:
            raise self._leaked(error) from None
        token = result.get("access_token")
        if isinstance(token, str) and is_one_word(token):
            KNOWN.learn(token)
            return token
        if "error" in result or "error_description" in result:
            raise self._refused(result)
        raise self._failed("the response holds no token that can be used")

    def _leaked(self, error: Exception) -> AuthError:
        # For an unknown tenant, MSAL drops the body that says so and raises a bare ValueError.
        last = self._flow.http.last
        if last is not None and "error" in (body := last.parsed()):
            return self._refused(body)
        return self._failed(_unreadable(last, error))

    def _refused(self, result: Mapping[str, object]) -> AuthError:
        flow = self._flow
        return refused(
            result,
            credential=flow.describe(),
            now=flow.http.now(),
            assertion=flow.assertion(),
            otherwise=flow.advice,
        )

    def _failed(self, why: str, detail: str = "") -> AuthError:
        # Struck before anything is cut short: half a secret might not be recognised.
        text = f"sign-in with the {self._flow.describe()} failed: {why}"
        if detail:
            text = f"{text}\nThe service wrote: {first_line(strike(detail))}"
        if self._flow.advice:
            text = f"{text}\nWhat to do: {self._flow.advice}."
        return AuthError(strike(text))


def _unreadable(last: SignInResponse | None, error: Exception) -> str:
    if last is None:
        return f"MSAL gave up before any response ({type(error).__name__})"
    return (
        f"the response (HTTP {last.status_code}) is not one of Microsoft's sign-in service: "
        f"is a proxy or a captive portal in the way, or AZURE_AUTHORITY_HOST wrong?"
    )
