"""Get tokens through MSAL: for an app, a managed identity or a person. Does network I/O.

MSAL is given these options, each for a reason found in its source (graph.md section 9):
``instance_discovery=False``, or it follows an error with one more request, whose own failure replaces
the error; ``azure_region=False``, or ``MSAL_FORCE_REGION`` moves the sign-in to a host that was
not named; an ``http_client``, as its own has no time limit. Its loggers are off, as they print whole
responses of the token endpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.graph.auth.account_cache import account_cache
from reconciler.graph.auth.app_credentials import AppCredential
from reconciler.graph.auth.msal_library import authority_url, quiet_msal, result_of
from reconciler.graph.auth.msal_source import MsalSource
from reconciler.graph.auth.person_flow import PersonFlow, browser, device_code
from reconciler.graph.auth.sign_in_http import SigninHttp, Wire
from reconciler.graph.auth.token_claims import TokenClaims
from reconciler.graph.clouds import CloudEndpoints

_IMDS_RETRIED = frozenset({404, 410, 429})
"""Microsoft asks callers to retry these too, as an identity may just be arriving on the machine."""


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

    def assertion(self) -> TokenClaims | None:
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

    def assertion(self) -> TokenClaims | None:
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


def person_source(
    client_id: str,
    tenant: str,
    endpoints: CloudEndpoints,
    wire: Wire,
    note: Callable[[str], None],
    *,
    kind: str,
) -> MsalSource:
    """A source of tokens for a person; ``kind`` is ``device code`` or ``browser``."""
    return MsalSource(
        PersonFlow(
            client_id,
            tenant,
            endpoints,
            kind=kind,
            prompt=browser(wire, note) if kind == "browser" else device_code(wire, note),
            note=note,
            http=SigninHttp(wire, endpoints.login),
            cache=lambda name: account_cache(name, note),
        )
    )
