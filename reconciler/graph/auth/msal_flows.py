"""Get tokens through MSAL: for an app, a managed identity or a person. Does network I/O.

What MSAL needs to be told, each learnt from its source or a probe ([O] graph.md section 9):
``instance_discovery=False``, or an error answer is followed by a request whose own failure replaces
the error; ``azure_region=False``, or ``MSAL_FORCE_REGION`` moves the sign-in to a host that nobody
named; an ``http_client``, as its own has no time limit; and its loggers quiet, as they print whole
answers of the token endpoint.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from reconciler.graph.auth.account_cache import account_cache
from reconciler.graph.auth.claims import Claims
from reconciler.graph.auth.credentials import AppCredential
from reconciler.graph.auth.msal_library import authority_url, quiet_msal, result_of
from reconciler.graph.auth.sign_in_errors import first_line, hidden, refused
from reconciler.graph.auth.sign_in_http import SigninFailure, SigninHttp, SignInResponse, Wire
from reconciler.graph.auth.user_flow import UserFlow, browser, device_code
from reconciler.graph.clouds import CloudEndpoints
from reconciler.model.errors import AuthError

# Beside its own errors MSAL lets out whatever an unexpected answer trips in it: JSON errors, missing
# keys of the discovery document, attribute errors on a list, failed assertions, its time-out.
_LEAKED = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    RuntimeError,
    OSError,
)

_IMDS_RETRIED = frozenset({404, 410, 429})
"""Microsoft asks callers to retry these too, as an identity may just be arriving on the machine."""


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

    def secrets(self) -> tuple[str, ...]:
        """Values that must not show in any message."""
        ...

    def assertion(self) -> Claims | None:
        """What the last federated token said of itself."""
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
            # Whoever waited here while another thread was answered shares that answer: eight readers
            # that meet a 401 together ask for one new token, and wait for one time-out.
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
        if isinstance(token, str) and token:
            return token
        if "error" in result or "error_description" in result:
            raise self._refused(result)
        raise self._failed("the answer holds no token")

    def _leaked(self, error: Exception) -> AuthError:
        # For an unknown tenant, MSAL drops the body that says so and raises a bare ValueError.
        last = self._flow.http.last
        if last is not None and "error" in (answer := last.parsed()):
            return self._refused(answer)
        return self._failed(_unreadable(last, error))

    def _refused(self, result: Mapping[str, object]) -> AuthError:
        flow = self._flow
        return refused(
            result,
            credential=flow.describe(),
            secrets=flow.secrets(),
            assertion=flow.assertion(),
            otherwise=flow.advice,
        )

    def _failed(self, why: str, detail: str = "") -> AuthError:
        secrets = self._flow.secrets()
        text = f"sign-in with the {self._flow.describe()} failed: {why}"
        if detail:
            text = f"{text}\nIt said: {first_line(hidden(detail, secrets))}"
        if self._flow.advice:
            text = f"{text}\nWhat to do: {self._flow.advice}."
        return AuthError(hidden(text, secrets))


@dataclass(slots=True)
class AppFlow:
    """An app signs in as itself (client credentials)."""

    client_id: str
    tenant: str
    endpoints: CloudEndpoints
    credential: AppCredential
    http: SigninHttp = field(repr=False)
    advice: str = ""
    _app: Any = field(default=None, repr=False)

    def describe(self) -> str:
        """Name credential and app."""
        return f"{self.credential.describe()} of app {self.client_id}"

    def acquire(self, *, fresh: bool) -> Mapping[str, object]:
        """From MSAL's cache, or from the tenant's token endpoint."""
        if self._app is None:
            self._app = quiet_msal().ConfidentialClientApplication(
                self.client_id,
                client_credential=self.credential.for_msal(),
                authority=authority_url(self.endpoints, self.tenant),
                instance_discovery=False,
                azure_region=False,
                http_client=self.http,
            )
        elif fresh:
            self._app.remove_tokens_for_client()
        return result_of(self._app.acquire_token_for_client(scopes=[self.endpoints.scope]))

    def secrets(self) -> tuple[str, ...]:
        """The credential's."""
        return self.credential.secrets()

    def assertion(self) -> Claims | None:
        """The credential's."""
        return self.credential.assertion()


@dataclass(slots=True)
class ManagedIdentityFlow:
    """The machine signs in by the identity that Azure gave it."""

    client_id: str | None
    endpoints: CloudEndpoints
    http: SigninHttp = field(repr=False)
    advice: str = (
        "check that this machine has a managed identity, and set AZURE_CLIENT_ID to the client id "
        "of a user-assigned one"
    )
    _client: Any = field(default=None, repr=False)

    def describe(self) -> str:
        """Name the identity."""
        return f"managed identity {self.client_id}" if self.client_id else "managed identity"

    def acquire(self, *, fresh: bool) -> Mapping[str, object]:
        """From MSAL's cache, or from the machine's identity endpoint (which has a cache of its own)."""
        if self._client is None or fresh:
            msal = quiet_msal()
            identity = (
                msal.UserAssignedManagedIdentity(client_id=self.client_id)
                if self.client_id
                else msal.SystemAssignedManagedIdentity()
            )
            self._client = msal.ManagedIdentityClient(identity, http_client=self.http)
        return result_of(self._client.acquire_token_for_client(resource=self.endpoints.resource))

    def secrets(self) -> tuple[str, ...]:
        """None of ours: MSAL reads the endpoint's header from the environment by itself."""
        return ()

    def assertion(self) -> Claims | None:
        """None is presented."""
        return None


def app_source(
    client_id: str, tenant: str, endpoints: CloudEndpoints, credential: AppCredential, wire: Wire
) -> MsalSource:
    """A source of tokens for an app with this credential."""
    http = SigninHttp(wire, endpoints.login)
    return MsalSource(AppFlow(client_id, tenant, endpoints, credential, http))


def managed_identity_source(
    client_id: str | None, endpoints: CloudEndpoints, wire: Wire
) -> MsalSource:
    """A source of tokens for this machine's identity."""
    # The endpoint is on the machine or its link: a proxy could only be in the way.
    http = SigninHttp(wire, None, retried=_IMDS_RETRIED, use_proxies=False, connect_seconds=3.0)
    return MsalSource(ManagedIdentityFlow(client_id, endpoints, http))


def user_source(
    client_id: str,
    tenant: str,
    endpoints: CloudEndpoints,
    wire: Wire,
    say: Callable[[str], None],
    *,
    kind: str,
) -> MsalSource:
    """A source of tokens for a person; ``kind`` is ``device code`` or ``browser``."""
    return MsalSource(
        UserFlow(
            client_id,
            tenant,
            endpoints,
            kind=kind,
            prompt=browser(wire, say) if kind == "browser" else device_code(wire, say),
            say=say,
            http=SigninHttp(wire, endpoints.login),
            cache=lambda name: account_cache(name, say),
        )
    )


def _unreadable(last: SignInResponse | None, error: Exception) -> str:
    if last is None:
        return f"MSAL gave up before any answer ({type(error).__name__})"
    return (
        f"the answer (HTTP {last.status_code}) is not one of Microsoft's sign-in service: "
        f"is a proxy or a captive portal in the way, or AZURE_AUTHORITY_HOST wrong?"
    )
