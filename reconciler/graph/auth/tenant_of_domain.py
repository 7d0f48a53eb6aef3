"""Look up which tenant owns a domain, at the sign-in service's public document. Does network I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reconciler.graph.clouds import CloudEndpoints
from reconciler.model.errors import AuthError
from reconciler.model.identifiers import is_guid
from reconciler.model.ports import Clock
from reconciler.runtime.addresses import is_domain_name


def is_tenant_name(text: str) -> bool:
    """Whether a text can be the id or a domain of a tenant, and so a part of an address."""
    return is_guid(text) or is_domain_name(text)


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
    if is_guid(domain):
        return domain.lower()
    if not is_tenant_name(domain):
        return None
    # It brings requests, which is slow to import: only where a domain must be looked up.
    from reconciler.graph.auth.sign_in_http import SigninFailure, SigninHttp, Wire  # noqa: PLC0415

    http = SigninHttp(Wire(clock, remaining, environ), endpoints.login)
    try:
        response = http.get(f"{endpoints.login}/{domain}/v2.0/.well-known/openid-configuration")
    except SigninFailure as failure:
        raise AuthError(f"cannot look up the tenant of {domain}: {failure}") from None
    finally:
        http.close()
    issuer = response.parsed().get("issuer")
    if response.status_code != 200 or not isinstance(issuer, str):
        return None
    return next((part.lower() for part in issuer.split("/") if is_guid(part)), None)
