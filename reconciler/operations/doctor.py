"""Check everything a run depends on, and report what is missing or more than needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from reconciler.graph.auth.token_claims import TokenClaims, read_claims
from reconciler.graph.auth.token_source import wrong_audience
from reconciler.graph.client import GraphClient
from reconciler.graph.clouds import endpoints
from reconciler.graph.probes import (
    ENDPOINTS,
    Endpoint,
    create_route_exists,
    demands_multi_admin_approval,
    pending_approval_requests,
    refusal_of,
)
from reconciler.model.errors import (
    AuthError,
    DeadlineError,
    GraphError,
    Interrupted,
    ReconcilerError,
)
from reconciler.model.state import TenantConfig
from reconciler.operations.connect import Connection, Session, connect
from reconciler.operations.health import Check, Health
from reconciler.operations.impact_checks import impact_checks
from reconciler.operations.tenant_check import check_tenant, identify

READ = "DeviceManagementConfiguration.Read.All"
WRITE = "DeviceManagementConfiguration.ReadWrite.All"
_MULTI_ADMIN_APPROVAL = "Multi Admin Approval"
_APPROVAL_REQUESTS = "read Multi Admin Approval requests"
_CREATE_CALL = "create call (POST .../assignments)"
_OTHER_CHECKS = "other checks"
_MOST_SHOWN = 10


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
        (
            "GroupMember.Read.All",
            "GroupMember.ReadWrite.All",
            "Group.Read.All",
            "Group.ReadWrite.All",
            "Directory.Read.All",
            "Directory.ReadWrite.All",
        ),
        is_needed=True,
    ),
    Need("apply: writing assignments", (WRITE,), is_needed=False),
    Need(
        "tenant check by name and domain",
        (
            "Organization.Read.All",
            "Organization.ReadWrite.All",
            "Directory.Read.All",
            "Directory.ReadWrite.All",
            "User.Read",
        ),
        is_needed=False,
    ),
    Need("impact: Conditional Access", ("Policy.Read.All",), is_needed=False),
    Need("impact: hidden members of groups", ("Member.Read.Hidden",), is_needed=False),
    Need(
        "Multi Admin Approval: status of requests",
        ("DeviceManagementRBAC.Read.All", "DeviceManagementRBAC.ReadWrite.All", READ, WRITE),
        is_needed=False,
    ),
)
"""The permission tables of each call's page: group-list, group-get, organization-list and
conditionalaccessroot-list-policies and
intune-rbac-operationapprovalrequest-list below https://learn.microsoft.com/graph/api/. The last
one's first permission is what was observed to be enough (graph.md section 10)."""

_HARMLESS = frozenset({"openid", "profile", "email", "offline_access", "User.Read"})


def examine(config: TenantConfig, session: Session) -> tuple[Check, ...]:
    """Run every check; what was found is in the result even where a later check fails.

    After a failure that every later check would meet too (no sign-in, no connection, no time left)
    the rest is not tried, and the last check says so. Raises `Interrupted` alone.
    """
    checks: list[Check] = []
    try:
        for check in _checks(config, session):
            checks.append(check)  # noqa: PERF402 - a failure must not lose those before it
    except Interrupted:
        raise
    except ReconcilerError as refused:
        checks.append(Check("credential", Health.MISSING, str(refused)))
    return tuple(checks)


def _checks(config: TenantConfig, session: Session) -> Iterator[Check]:
    if session.sandbox is None:
        graph = endpoints(config.cloud, session.environ).graph
        yield Check("cloud", Health.OK, f"{config.cloud}, {graph}")
    with connect(session, cloud=config.cloud, tenant=config.tenant) as connection:
        yield Check("credential", Health.OK, connection.tokens.describe())
        try:
            claims = read_claims(connection.tokens.token())
        except Interrupted:
            raise
        except ReconcilerError as refused:
            yield Check("sign-in", Health.MISSING, str(refused))
            return
        if session.sandbox is None:
            yield _account(claims)
            yield _audience(claims, config, session)
            yield from permissions(claims.permissions)
        is_over = False
        for check in _asked(_questions(config, session, connection, claims)):
            is_over = check.title == _OTHER_CHECKS
            yield check
        if not is_over:
            yield from impact_checks(connection.client, session.clock.now())


Question = tuple[str, Callable[[], Check]]
"""The title of a check, and what asks Graph for it."""


def _asked(questions: Sequence[Question]) -> Iterator[Check]:
    """Ask Graph, one question after the other, for as long as there is a point in it."""
    for title, ask in questions:
        try:
            yield ask()
        except Interrupted:
            raise
        except ReconcilerError as refused:
            yield Check(title, Health.MISSING, str(refused))
            if _is_general(refused):
                yield Check(_OTHER_CHECKS, Health.NOTE, "not made, for the same reason")
                return


def _is_general(fault: ReconcilerError) -> bool:
    """Whether every other question would fail in the same way."""
    no_response = isinstance(fault, GraphError) and not fault.status and not fault.code
    return no_response or isinstance(fault, AuthError | DeadlineError)


def _questions(
    config: TenantConfig, session: Session, connection: Connection, claims: TokenClaims
) -> list[Question]:
    client = connection.client
    return [
        ("tenant", partial(_tenant, config, session, connection)),
        *((f"read {each.title}", partial(_endpoint, client, each)) for each in ENDPOINTS),
        (_MULTI_ADMIN_APPROVAL, partial(_demand, client)),
        (_APPROVAL_REQUESTS, partial(_open_requests, client)),
        (_CREATE_CALL, partial(_create_route, client, claims.permissions)),
    ]


def _account(claims: TokenClaims) -> Check:
    if claims.user:
        return Check("sign-in", Health.OK, f"user {claims.user}")
    if claims.app_id:
        name = f"{claims.app_name} " if claims.app_name else ""
        return Check("sign-in", Health.OK, f"app {name}{claims.app_id}")
    return Check("sign-in", Health.NOTE, "there is a token, and it does not say whose it is")


def _audience(claims: TokenClaims, config: TenantConfig, session: Session) -> Check:
    title = "token's audience"
    at = endpoints(config.cloud, session.environ)
    if claims.audience is None:
        return Check(title, Health.NOTE, "the token does not say whom it is for")
    wrong = wrong_audience(claims, at)
    if wrong is not None:
        detail = f"the token is made out to {wrong}: get one for {at.resource}"
        return Check(title, Health.MISSING, detail)
    return Check(title, Health.OK, claims.audience)


def permissions(granted: Sequence[str]) -> Iterator[Check]:
    """Compare the granted permissions with what each feature needs, and name the surplus."""
    if not granted:
        detail = "the token does not name any; see below what can be read"
        yield Check("permissions", Health.NOTE, detail)
        return
    wanted = {need.any_of[0] for need in NEEDS}
    for need in NEEDS:
        held = [permission for permission in need.any_of if permission in granted]
        if held:
            yield Check(need.feature, Health.OK, ", ".join(held))
        elif need.is_needed:
            yield Check(need.feature, Health.MISSING, f"grant {need.any_of[0]}")
        else:
            yield Check(need.feature, Health.NOTE, f"not granted: {need.any_of[0]}")
    has_write = WRITE in granted
    spare = [
        permission
        for permission in granted
        if permission not in wanted | _HARMLESS or (permission == READ and has_write)
    ]
    if spare:
        yield Check("more than needed", Health.NOTE, ", ".join(sorted(spare)))


def _tenant(config: TenantConfig, session: Session, connection: Connection) -> Check:
    actual = identify(
        session,
        connection.tenant,
        connection.tokens,
        declared=config.tenant,
        cloud=config.cloud,
    )
    try:
        check_tenant(config.tenant, actual, declared_in=config.location.file)
    except AuthError as wrong:  # what it says about another tenant is still worth looking at
        return Check("tenant", Health.MISSING, str(wrong))
    name = f"{actual.display_name} " if actual.display_name else ""
    return Check("tenant", Health.OK, f"{name}{actual.id}")


def _endpoint(client: GraphClient, endpoint: Endpoint) -> Check:
    title = f"read {endpoint.title}"
    refused = refusal_of(client, endpoint)
    if refused is None:
        return Check(title, Health.OK, f"{endpoint.version} answers")
    if endpoint.is_needed or _is_general(refused):
        raise refused
    return Check(title, Health.NOTE, str(refused))


def _demand(client: GraphClient) -> Check:
    try:
        is_demanded = demands_multi_admin_approval(client)
    except GraphError as refused:
        return _undetermined(_MULTI_ADMIN_APPROVAL, refused)
    detail = (
        "a second administrator must approve writes to compliance policies: give apply a "
        "--justification, and run it again after the approval"
        if is_demanded
        else "not demanded for compliance policies"
    )
    return Check(_MULTI_ADMIN_APPROVAL, Health.NOTE if is_demanded else Health.OK, detail)


def _open_requests(client: GraphClient) -> Check:
    try:
        pending = pending_approval_requests(client)
    except GraphError as refused:
        return _undetermined(_APPROVAL_REQUESTS, refused)
    if not pending:
        return Check(_APPROVAL_REQUESTS, Health.OK, "none is open")
    shown = ", ".join(pending[:_MOST_SHOWN]) + ", ..." * (len(pending) > _MOST_SHOWN)
    return Check(_APPROVAL_REQUESTS, Health.NOTE, f"{len(pending)} open: {shown}")


def _undetermined(title: str, refused: GraphError) -> Check:
    if _is_general(refused):
        raise refused
    return Check(title, Health.NOTE, f"could not be determined: {refused}")


def _create_route(client: GraphClient, granted: Sequence[str]) -> Check:
    if granted and WRITE not in granted:
        return Check(_CREATE_CALL, Health.NOTE, f"not looked at: that takes {WRITE}")
    exists = create_route_exists(client)
    if exists is None:
        return Check(_CREATE_CALL, Health.NOTE, "could not be determined")
    detail = (
        "exists" if exists else "has no route here, as usual; writes: auto takes assign instead"
    )
    return Check(_CREATE_CALL, Health.OK, detail)
