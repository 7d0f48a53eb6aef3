"""Nothing is read or written before the tenant is known to be the declared one."""

from __future__ import annotations

import base64
import json

import pytest

from reconciler.model.errors import AuthError, GraphError
from reconciler.model.state import Cloud, TenantIdentity
from reconciler.operations.tenant_check import check_tenant, identify
from reconciler.sandbox import Fault
from tests.support.clocks import FakeClock
from tests.support.in_process import Run, Tokens, app_on, session, tenant_on
from tests.support.tenants import TENANT, declare, guid, tenant

CONTOSO = TenantIdentity(TENANT, "Contoso", ("contoso.example",))


def jwt(**said):
    part = base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
    return f"e30.{part}.sig"


class Presenting(Tokens):
    """A token with these claims."""

    def __init__(self, **said):
        super().__init__()
        self.said = said

    def token(self, *, fresh=False):
        return jwt(**self.said)


@pytest.mark.parametrize(
    "declared", [TENANT, TENANT.upper(), "contoso.example", "Contoso.Example", f" {TENANT} "]
)
def test_the_tenants_id_or_a_verified_domain_is_enough(declared):
    check_tenant(declared, CONTOSO, declared_in="tenant.yaml")


@pytest.mark.parametrize("declared", [guid(8), "fabrikam.example", "example", "Contoso"])
def test_anything_else_is_refused_and_both_are_named(declared):
    with pytest.raises(AuthError) as caught:
        check_tenant(declared, CONTOSO, declared_in="tenant.yaml")

    assert f'"Contoso" ({TENANT})' in str(caught.value)
    assert f"tenant.yaml is for {declared}" in str(caught.value)


@pytest.mark.parametrize("domain", [guid(8), "fabrikam.example"])
def test_another_tenant_is_found_out_by_the_first_request(tmp_path, domain):
    app = app_on(tenant({1: []}), clock := FakeClock())
    root = declare(tmp_path, {"Policy 1": ["group: Group 1"]}, domain=domain)

    with pytest.raises(AuthError, match="nothing was read or written"):
        Run(app, root, clock=clock).plan()

    assert [path.split("?")[0] for _, path, _ in app.requests] == ["/v1.0/organization"]


def refused(status, tokens, declared=TENANT, environ=None):
    clock = FakeClock()
    app = app_on(tenant({}), clock, faults=[Fault("status", code=status)])
    reader = tenant_on(app, clock)
    run = session(clock, environ=environ)
    return identify(run, reader, tokens, declared=declared, cloud=Cloud.GLOBAL)


def test_an_app_that_may_not_read_the_organization_is_known_by_its_token():
    assert refused(403, Presenting(tid=TENANT.upper())) == TenantIdentity(TENANT, None, ())


def test_a_token_that_cannot_be_read_leaves_the_refusal():
    with pytest.raises(GraphError) as caught:
        refused(403, Tokens())

    assert caught.value.status == 403


def test_any_other_refusal_is_not_papered_over_by_the_token():
    with pytest.raises(GraphError) as caught:
        refused(400, Presenting(tid=TENANT))

    assert caught.value.status == 400


def test_a_token_for_another_tenant_does_not_pass():
    found = refused(403, Presenting(tid=guid(8)))

    with pytest.raises(AuthError):
        check_tenant(TENANT, found, declared_in="tenant.yaml")
