"""Choose how to sign in, from the environment, in the published order. Sends nothing by choosing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from reconciler.graph.auth.claims import Claims, claims
from reconciler.graph.auth.credentials import (
    AppCredential,
    ClientSecret,
    FederatedTokenFile,
    GitHubOidc,
)
from reconciler.graph.auth.methods import SignInMethod, chosen_method
from reconciler.graph.clouds import CloudEndpoints, ca_bundle
from reconciler.model.errors import AuthError
from reconciler.model.ports import Clock

if TYPE_CHECKING:
    from reconciler.graph.auth.sign_in_http import Wire

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TENANT = re.compile(r"[0-9a-z](?:[0-9a-z.-]*[0-9a-z])?", re.IGNORECASE)
_NO_TENANT = frozenset({"common", "organizations", "consumers"})
_GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"


class TokenSource(Protocol):
    """Something that hands out bearer tokens for Graph; safe to ask from many threads."""

    def token(self, *, fresh: bool = False) -> str:
        """A valid token; ``fresh`` goes past every cache, for use after a 401."""
        ...

    def describe(self) -> str:
        """Name the credential for a message, without any secret."""
        ...


@dataclass(frozen=True, slots=True)
class ReadyToken:
    """A token made elsewhere: used as it is, never renewed."""

    value: str = field(repr=False)
    clock: Clock = field(repr=False)

    def describe(self) -> str:
        """Name the variable that it came from."""
        return "token in RECONCILER_ACCESS_TOKEN"

    def token(self, *, fresh: bool = False) -> str:
        """The token, unless it says that it has expired, or Graph has just rejected it."""
        if fresh:
            raise AuthError("the token in RECONCILER_ACCESS_TOKEN was rejected: get a new one")
        ends = claims(self.value).expires_at
        if ends is not None and ends <= self.clock.now():
            raise AuthError(
                f"the token in RECONCILER_ACCESS_TOKEN expired at {ends:%Y-%m-%d %H:%M} UTC: "
                f"get a new one"
            )
        return self.value


def choose(
    environ: Mapping[str, str],
    *,
    endpoints: CloudEndpoints,
    tenant: str,
    interactive: bool,
    say: Callable[[str], None],
    clock: Clock,
    remaining: Callable[[], float],
) -> TokenSource:
    """Pick the first complete way to sign in, or the one that ``RECONCILER_AUTH`` names.

    ``tenant`` is that of ``tenant.yaml``: people sign in there, apps at ``AZURE_TENANT_ID``.
    ``interactive`` says whether a person is at a terminal, ``say`` tells them something (on stderr),
    ``remaining`` is how many seconds the run has left.
    """
    given = {name: value.strip() for name, value in environ.items() if value.strip()}
    method = chosen_method(given, interactive=interactive, say=say)
    if method is SignInMethod.ACCESS_TOKEN:
        return _ready_token(given, endpoints, clock, say)

    # From here on MSAL will be needed, and it brings requests: late, for `--help` and `validate`.
    from reconciler.graph.auth import msal_flows  # noqa: PLC0415
    from reconciler.graph.auth.sign_in_http import Wire  # noqa: PLC0415

    wire = Wire(clock, remaining, ca_bundle(environ))
    if method is SignInMethod.MANAGED_IDENTITY:
        user_assigned = _client_id(given) if "AZURE_CLIENT_ID" in given else None
        return msal_flows.managed_identity_source(user_assigned, endpoints, wire)
    client_id = _client_id(given)
    if method in {SignInMethod.DEVICE_CODE, SignInMethod.INTERACTIVE}:
        kind = "browser" if method is SignInMethod.INTERACTIVE else "device code"
        return msal_flows.user_source(client_id, tenant, endpoints, wire, say, kind=kind)
    credential = _credential(method, environ, given, endpoints, wire)
    return msal_flows.app_source(client_id, _app_tenant(given), endpoints, credential, wire)


def tenant_id_of_domain(
    domain: str,
    endpoints: CloudEndpoints,
    *,
    environ: Mapping[str, str],
    clock: Clock,
    remaining: Callable[[], float],
) -> str | None:
    """The id of the tenant that owns a domain, from the sign-in service's public document.

    None where no tenant of this cloud does. No credentials are sent.
    """
    if _GUID.fullmatch(domain):
        return domain.lower()
    if not _TENANT.fullmatch(domain):
        return None
    from reconciler.graph.auth.sign_in_http import SigninFailure, SigninHttp, Wire  # noqa: PLC0415

    http = SigninHttp(Wire(clock, remaining, ca_bundle(environ)), endpoints.login)
    try:
        answer = http.get(f"{endpoints.login}/{domain}/v2.0/.well-known/openid-configuration")
    except SigninFailure as failure:
        raise AuthError(f"cannot look up the tenant of {domain}: {failure}") from None
    finally:
        http.close()
    issuer = answer.parsed().get("issuer")
    found = _GUID.search(issuer) if answer.status_code == 200 and isinstance(issuer, str) else None
    return found.group().lower() if found else None


def _ready_token(
    given: Mapping[str, str],
    endpoints: CloudEndpoints,
    clock: Clock,
    say: Callable[[str], None],
) -> ReadyToken:
    value = re.sub(r"\Abearer\s+", "", given["RECONCILER_ACCESS_TOKEN"], flags=re.IGNORECASE)
    command = (
        f"`az account get-access-token --resource {endpoints.resource} "
        f"--query accessToken --output tsv`"
    )
    if (
        not value.isascii()
        or not all("!" <= character <= "~" for character in value)
        or "{" in value
    ):
        raise AuthError(f"RECONCILER_ACCESS_TOKEN does not hold one token, as {command} prints it")
    said = claims(value)
    if said.audience and not _is_for_graph(said, endpoints):
        say(
            f"the token in RECONCILER_ACCESS_TOKEN is made out to {said.audience}, not to "
            f"{endpoints.resource}: Graph may refuse it; {command} prints a fitting one"
        )
    return ReadyToken(value, clock)


def _is_for_graph(said: Claims, endpoints: CloudEndpoints) -> bool:
    audience = (said.audience or "").rstrip("/").casefold()
    return audience in {endpoints.resource, endpoints.graph, _GRAPH_APP_ID}


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
        from reconciler.graph.auth.certificates import ClientCertificate  # noqa: PLC0415

        return ClientCertificate(
            path=Path(given["AZURE_CLIENT_CERTIFICATE_PATH"]),
            clock=wire.clock,
            # Not from `given`: blanks at its ends may belong to a password.
            password=environ.get("AZURE_CLIENT_CERTIFICATE_PASSWORD") or None,
        )
    return ClientSecret(given["AZURE_CLIENT_SECRET"])


def _client_id(given: Mapping[str, str]) -> str:
    value = given["AZURE_CLIENT_ID"]
    if not _GUID.fullmatch(value):
        raise AuthError(
            "AZURE_CLIENT_ID is not the id of an app: it is the GUID that the app's overview calls "
            "Application (client) ID"
        )
    return value


def _app_tenant(given: Mapping[str, str]) -> str:
    value = given["AZURE_TENANT_ID"]
    if not _TENANT.fullmatch(value) or value.casefold() in _NO_TENANT:
        raise AuthError("AZURE_TENANT_ID must be the id of one tenant, or a domain of it")
    return value
