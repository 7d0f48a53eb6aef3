"""Choose how to sign in, from the environment, in the published order. Sends nothing by choosing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.graph.auth.app_credentials import (
    AppCredential,
    ClientSecret,
    FederatedTokenFile,
    GitHubOidc,
)
from reconciler.graph.auth.sign_in_methods import SignInMethod, chosen_method
from reconciler.graph.auth.tenant_of_domain import is_tenant_name
from reconciler.graph.auth.token_claims import read_claims
from reconciler.graph.auth.token_source import (
    TOKEN_VARIABLE,
    ReadyToken,
    TokenSource,
    wrong_audience,
)
from reconciler.graph.clouds import CloudEndpoints
from reconciler.model.errors import AuthError, UsageError
from reconciler.model.identifiers import is_guid
from reconciler.model.ports import Clock
from reconciler.runtime.known_secrets import KNOWN

if TYPE_CHECKING:
    from reconciler.graph.auth.sign_in_http import Wire

_NO_TENANT = frozenset({"common", "organizations", "consumers"})


def choose(
    environ: Mapping[str, str],
    *,
    endpoints: CloudEndpoints,
    tenant: str,
    interactive: bool,
    note: Callable[[str], None],
    clock: Clock,
    remaining: Callable[[], float],
) -> TokenSource:
    """Pick the first complete way to sign in, or the one that ``RECONCILER_AUTH`` names.

    ``tenant`` is that of ``tenant.yaml``: people sign in there, apps at ``AZURE_TENANT_ID``.
    ``interactive`` says whether a person is at a terminal, ``note`` tells them something (on stderr),
    ``remaining`` is how many seconds the run has left.
    """
    KNOWN.learn_environment(environ)
    given = {name: value.strip() for name, value in environ.items() if value.strip()}
    method = chosen_method(given, interactive=interactive, note=note)
    if method is SignInMethod.ACCESS_TOKEN:
        return _ready_token(given, endpoints, clock, note)

    # From here on MSAL will be needed, and it brings requests: late, for `--help` and `validate`.
    from reconciler.graph.auth import msal_flows  # noqa: PLC0415
    from reconciler.graph.auth.sign_in_http import Wire  # noqa: PLC0415

    wire = Wire(clock, remaining, environ)
    if method is SignInMethod.MANAGED_IDENTITY:
        user_assigned = _client_id(given) if "AZURE_CLIENT_ID" in given else None
        return msal_flows.managed_identity_source(user_assigned, endpoints, wire)
    client_id = _client_id(given)
    if method in {SignInMethod.DEVICE_CODE, SignInMethod.INTERACTIVE}:
        kind = "browser" if method is SignInMethod.INTERACTIVE else "device code"
        return msal_flows.person_source(client_id, tenant, endpoints, wire, note, kind=kind)
    credential = _credential(method, environ, given, endpoints, wire)
    return msal_flows.app_source(client_id, _app_tenant(given), endpoints, credential, wire)


def asks_a_person(environ: Mapping[str, str], *, interactive: bool) -> bool:
    """Whether `choose` would pick a way to sign in that needs a person at the terminal."""
    given = {name: value.strip() for name, value in environ.items() if value.strip()}
    try:
        method = chosen_method(given, interactive=interactive, note=lambda _message: None)
    except (AuthError, UsageError):
        return False
    return method in {SignInMethod.DEVICE_CODE, SignInMethod.INTERACTIVE}


def _ready_token(
    given: Mapping[str, str],
    endpoints: CloudEndpoints,
    clock: Clock,
    note: Callable[[str], None],
) -> ReadyToken:
    token = ReadyToken.of(given[TOKEN_VARIABLE], clock)
    audience = wrong_audience(read_claims(token.value), endpoints)
    if audience is not None:
        note(
            f"the token in {TOKEN_VARIABLE} is made out to {audience}, not to "
            f"{endpoints.resource}: Graph may refuse it; get one for {endpoints.resource}"
        )
    return token


def _credential(
    method: SignInMethod,
    environ: Mapping[str, str],
    given: Mapping[str, str],
    endpoints: CloudEndpoints,
    wire: Wire,
) -> AppCredential:
    if method is SignInMethod.FEDERATED_TOKEN_FILE:
        return FederatedTokenFile(Path(given["AZURE_FEDERATED_TOKEN_FILE"]))
    if method is SignInMethod.GITHUB_OIDC:
        return GitHubOidc(
            url=given["ACTIONS_ID_TOKEN_REQUEST_URL"],
            request_token=given["ACTIONS_ID_TOKEN_REQUEST_TOKEN"],
            audience=endpoints.oidc_audience,
            wire=wire,
        )
    if method is SignInMethod.CERTIFICATE:
        from reconciler.graph.auth.client_certificate import ClientCertificate  # noqa: PLC0415 - cryptography

        return ClientCertificate(
            path=Path(given["AZURE_CLIENT_CERTIFICATE_PATH"]),
            clock=wire.clock,
            # Not from `given`: blanks at its ends may belong to a password.
            password=environ.get("AZURE_CLIENT_CERTIFICATE_PASSWORD") or None,
        )
    return ClientSecret(given["AZURE_CLIENT_SECRET"])


def _client_id(given: Mapping[str, str]) -> str:
    value = given["AZURE_CLIENT_ID"]
    if not is_guid(value):
        raise AuthError(
            "AZURE_CLIENT_ID is not the id of an app: it is the GUID that the app's overview calls "
            "Application (client) ID"
        )
    return value


def _app_tenant(given: Mapping[str, str]) -> str:
    value = given["AZURE_TENANT_ID"]
    if not is_tenant_name(value) or value.casefold() in _NO_TENANT:
        raise AuthError("AZURE_TENANT_ID must be the id of one tenant, or a domain of it")
    return value
