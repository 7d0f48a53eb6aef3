"""Where each Microsoft cloud signs in and answers, with the environment's overrides. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, urlsplit

from reconciler.model.errors import UsageError
from reconciler.model.state import Cloud
from reconciler.runtime.addresses import address_fault

AUTHORITY_VARIABLE = "AZURE_AUTHORITY_HOST"
GRAPH_VARIABLE = "RECONCILER_GRAPH_URL"

MICROSOFT_LOGIN_HOSTS = frozenset(
    {
        "login.microsoftonline.com",
        "login.microsoft.com",
        "login.windows.net",
        "login.microsoftonline.us",
        "login.chinacloudapi.cn",
        "login.partner.microsoftonline.cn",
    }
)
"""Hosts that a discovery document may point to whatever host served it ([O] graph.md section 8)."""


@dataclass(frozen=True, slots=True)
class CloudEndpoints:
    """The addresses of one cloud.

    ``login`` and ``graph`` have no trailing slash. ``scope`` names the Graph that Microsoft Entra
    knows, so an override of ``graph`` (a gateway, a fake) does not change it: Entra would refuse a
    resource that it has never heard of. ``oidc_audience`` is what a federated token must be made
    out to.
    """

    login: str
    graph: str
    scope: str
    oidc_audience: str

    @property
    def resource(self) -> str:
        """The scope as managed identities want it: MSAL does not strip ``/.default`` there."""
        return self.scope.removesuffix("/.default")


# Hosts and scopes: [D]/[O] graph.md section 8. Audiences: [D] for global and China, [I] for US Gov.
_CLOUDS = {
    Cloud.GLOBAL: CloudEndpoints(
        login="https://login.microsoftonline.com",
        graph="https://graph.microsoft.com",
        scope="https://graph.microsoft.com/.default",
        oidc_audience="api://AzureADTokenExchange",
    ),
    Cloud.US_GOV_L4: CloudEndpoints(
        login="https://login.microsoftonline.us",
        graph="https://graph.microsoft.us",
        scope="https://graph.microsoft.us/.default",
        oidc_audience="api://AzureADTokenExchangeUSGov",
    ),
    Cloud.US_GOV_L5: CloudEndpoints(
        login="https://login.microsoftonline.us",
        graph="https://dod-graph.microsoft.us",
        scope="https://dod-graph.microsoft.us/.default",
        oidc_audience="api://AzureADTokenExchangeUSGov",
    ),
    Cloud.CHINA: CloudEndpoints(
        login="https://login.chinacloudapi.cn",
        graph="https://microsoftgraph.chinacloudapi.cn",
        scope="https://microsoftgraph.chinacloudapi.cn/.default",
        oidc_audience="api://AzureADTokenExchangeChina",
    ),
}


def endpoints(cloud: Cloud, environ: Mapping[str, str]) -> CloudEndpoints:
    """The cloud's addresses, with ``AZURE_AUTHORITY_HOST`` and ``RECONCILER_GRAPH_URL`` applied."""
    known = _CLOUDS[cloud]
    if authority := environ.get(AUTHORITY_VARIABLE, "").strip():
        known = replace(known, login=_authority(authority))
    if graph := environ.get(GRAPH_VARIABLE, "").strip():
        known = replace(known, graph=_graph(graph))
    return known


def _authority(value: str) -> str:
    # Azure's own tools accept the bare host here, so configurations with one exist.
    parts = _checked(AUTHORITY_VARIABLE, value if "://" in value else f"https://{value}")
    if parts.path.strip("/"):
        message = (
            f"{AUTHORITY_VARIABLE} must be a host alone, such as https://login.microsoftonline.us: "
            f"the tenant is added from AZURE_TENANT_ID or tenant.yaml"
        )
        raise UsageError(message)
    return f"{parts.scheme}://{parts.netloc}"


def _graph(value: str) -> str:
    parts = _checked(GRAPH_VARIABLE, value)
    path = parts.path.rstrip("/")
    if path.rpartition("/")[2] in {"v1.0", "beta"}:
        message = f"{GRAPH_VARIABLE} must not end in a version: leave /v1.0 or /beta off"
        raise UsageError(message)
    return f"{parts.scheme}://{parts.netloc}{path}"


def _checked(variable: str, value: str) -> SplitResult:
    fault = address_fault(value)
    if fault is not None:
        message = f"{variable} {fault}"
        raise UsageError(message)
    return urlsplit(value)
