"""Look at everything a run depends on, and say what is missing or more than needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from reconciler.graph.auth.token_claims import TokenClaims, read_claims
from reconciler.graph.clouds import endpoints
from reconciler.graph.probes import ENDPOINTS, create_route_exists, refusal_of
from reconciler.model.errors import AuthError, GraphError, ReconcilerError
from reconciler.model.state import TenantConfig
from reconciler.operations.connect import Connection, Session
from reconciler.operations.tenant_check import check_tenant, identify

READ = "DeviceManagementConfiguration.Read.All"
WRITE = "DeviceManagementConfiguration.ReadWrite.All"


class Health(StrEnum):
    """How a check came out; only ``missing`` makes the doctor fail."""

    OK = "ok"
    NOTE = "note"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at."""

    title: str
    health: Health
    detail: str


@dataclass(frozen=True, slots=True)
class Need:
    """A permission that a feature needs: any of ``any_of`` will do, the first asks for the least."""

    feature: str
    any_of: tuple[str, ...]
    is_needed: bool


NEEDS = (
    Need("plan: policies, assignments, filters", (READ, WRITE), is_needed=True),
    Need(
        "plan: groups by name",
        ("GroupMember.Read.All", "Group.Read.All", "Directory.Read.All"),
        is_needed=True,
    ),
    Need("apply: writing assignments", (WRITE,), is_needed=False),
    Need(
        "tenant check by name and domain",
        ("Organization.Read.All", "Directory.Read.All"),
        is_needed=False,
    ),
    Need(
        "Multi Admin Approval: status of requests",
        ("DeviceManagementRBAC.Read.All", "DeviceManagementRBAC.ReadWrite.All"),
        is_needed=False,
    ),
)
"""https://learn.microsoft.com/graph/permissions-reference; the last row is observed ([O])."""

_HARMLESS = frozenset({"openid", "profile", "email", "offline_access", "User.Read"})


def examine(config: TenantConfig, session: Session, connection: Connection) -> tuple[Check, ...]:
    """Run every check. What one of them finds does not keep the others from running."""
    return tuple(_checks(config, session, connection))


def _checks(config: TenantConfig, session: Session, connection: Connection) -> Iterator[Check]:
    yield Check("credential", Health.OK, connection.tokens.describe())
    if session.sandbox is None:
        yield Check(
            "cloud", Health.OK, f"{config.cloud}, {endpoints(config.cloud, session.environ).graph}"
        )
    try:
        token = connection.tokens.token()
    except ReconcilerError as refused:
        yield Check("sign-in", Health.MISSING, str(refused))
        return
    said = read_claims(token)
    yield Check("sign-in", Health.OK, _account(said))
    yield _tenant(config, session, connection)
    if said.permissions:
        yield from permissions(said.permissions)
    else:
        yield Check("permissions", Health.NOTE, "the token does not name any; see the endpoints")
    yield from _endpoints(connection)
    yield _create_route(connection, said.permissions)


def _account(said: TokenClaims) -> str:
    if said.user:
        return f"user {said.user}"
    name = f"{said.app_name} " if said.app_name else ""
    return f"app {name}{said.app_id}" if said.app_id else "the token does not say who it is for"


def _tenant(config: TenantConfig, session: Session, connection: Connection) -> Check:
    try:
        found = identify(
            session,
            connection.tenant,
            connection.tokens,
            declared=config.tenant,
            cloud=config.cloud,
        )
        check_tenant(config.tenant, found, declared_in=config.location.file)
    except (AuthError, GraphError) as refused:
        return Check("tenant", Health.MISSING, str(refused))
    name = f"{found.display_name} " if found.display_name else ""
    return Check("tenant", Health.OK, f"{name}{found.id}")


def permissions(granted: Sequence[str]) -> Iterator[Check]:
    """Compare the granted permissions with what each feature needs, and name the surplus."""
    wanted = {need.any_of[0] for need in NEEDS}
    has_write = WRITE in granted
    for need in NEEDS:
        held = [permission for permission in need.any_of if permission in granted]
        if held:
            yield Check(need.feature, Health.OK, ", ".join(held))
        elif need.is_needed:
            yield Check(need.feature, Health.MISSING, f"grant {need.any_of[0]}")
        else:
            yield Check(need.feature, Health.NOTE, f"not granted: {need.any_of[0]}")
    spare = [
        permission
        for permission in granted
        if permission not in wanted | _HARMLESS or (permission == READ and has_write)
    ]
    if spare:
        yield Check("more than needed", Health.NOTE, ", ".join(sorted(spare)))


def _endpoints(connection: Connection) -> Iterator[Check]:
    for endpoint in ENDPOINTS:
        refused = refusal_of(connection.client, endpoint)
        title = f"read {endpoint.title}"
        if refused is None:
            yield Check(title, Health.OK, f"{endpoint.version} answers")
        else:
            health = Health.MISSING if endpoint.is_needed else Health.NOTE
            yield Check(title, health, str(refused))


def _create_route(connection: Connection, granted: Sequence[str]) -> Check:
    title = "create call (POST .../assignments)"
    if granted and WRITE not in granted:
        return Check(title, Health.NOTE, f"not looked at: that takes {WRITE}")
    try:
        exists = create_route_exists(connection.client)
    except AuthError as refused:
        return Check(title, Health.NOTE, str(refused))
    if exists is None:
        return Check(title, Health.NOTE, "Graph does not let on whether it exists")
    detail = (
        "exists" if exists else "has no route here, as usual; writes: auto takes assign instead"
    )
    return Check(title, Health.OK, detail)
