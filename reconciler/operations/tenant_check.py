"""Prove that the signed-in tenant is the one that the files are for, before anything else."""

from __future__ import annotations

from reconciler.graph.auth.tenant_of_domain import tenant_id_of_domain
from reconciler.graph.auth.token_claims import read_claims
from reconciler.graph.auth.token_source import TokenSource
from reconciler.graph.clouds import endpoints
from reconciler.model.errors import AuthError, GraphError
from reconciler.model.identifiers import is_guid
from reconciler.model.ports import Reader
from reconciler.model.state import Cloud, TenantIdentity
from reconciler.operations.connect import Session


def check_tenant(declared: str, actual: TenantIdentity, *, declared_in: str) -> None:
    """Raise `AuthError` unless the tenant's id or one of its verified domains is the declared one."""
    wanted = declared.strip().lower()
    if wanted == actual.id or wanted in actual.domains:
        return
    known = f'"{actual.display_name}" ({actual.id})' if actual.display_name else actual.id
    raise AuthError(
        f"signed in to the tenant {known}, but {declared_in} is for {declared}; nothing was read "
        "or written. Sign in to that tenant, or correct it there"
    )


def identify(
    session: Session, tenant: Reader, tokens: TokenSource, *, declared: str, cloud: Cloud
) -> TenantIdentity:
    """Ask Graph which tenant this is; where the app may not ask, read it in its own token.

    An app without Organization.Read.All is refused /organization. Graph itself has accepted the
    token for that request, so its ``tid`` claim names the tenant; a declared domain is looked up
    at the sign-in service.
    """
    try:
        return tenant.identify()
    except GraphError as refused:
        if refused.status != 403:
            raise
        tenant_id = read_claims(tokens.token()).tenant_id
        if tenant_id is None:
            raise
    domains: tuple[str, ...] = ()
    if not is_guid(declared):
        owner = tenant_id_of_domain(
            declared,
            endpoints(cloud, session.environ),
            environ=session.environ,
            clock=session.clock,
            remaining=session.deadline.remaining,
        )
        domains = (declared.lower(),) if owner == tenant_id.lower() else ()
    return TenantIdentity(tenant_id.lower(), None, domains)
