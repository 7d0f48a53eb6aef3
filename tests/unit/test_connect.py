"""The way to a tenant: the real one, or the embedded one that keeps what is written."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace

import pytest

from reconciler.model.errors import ConfigError
from reconciler.model.requests import AssignRequest, DeleteRequest
from reconciler.model.state import Cloud, Policy
from reconciler.operations.connect import SandboxAccess, connect, kept_file
from reconciler.runtime.http_client import NoResponseError, open_client
from reconciler.sandbox import SandboxApp, SandboxServer, SandboxState
from tests.support.clocks import FakeClock
from tests.support.in_process import session
from tests.support.tenants import TENANT, group, policy_id, target, tenant

ONE = Policy(policy_id(1), "Policy 1", "classic")


@pytest.fixture
def access(tmp_path):
    file = tmp_path / "sandbox.json"
    file.write_text(json.dumps(tenant({1: [target("group", group(1))]})))
    return SandboxAccess(file, tmp_path / ".reconciler", "production", reset=False)


def opened(access, **options):
    return connect(
        session(FakeClock(), sandbox=access, **options), cloud=Cloud.GLOBAL, tenant=TENANT
    )


def write(tenant, request):
    tenant.send(tenant.encode(request, reproducible=False))


def count(access):
    with opened(access) as way:
        return len(way.tenant.read_policy(ONE).assignments)


def test_the_embedded_graph_needs_no_sign_in(access):
    with opened(access) as way:
        assert way.tenant.identify().id == TENANT
        assert "without sign-in" in way.tokens.describe()


def test_reading_keeps_nothing(access):
    count(access)

    assert not access.state_folder.exists()


def test_what_is_written_is_there_for_the_next_run_and_the_file_stays(access):
    before = access.file.read_bytes()
    with opened(access) as way:
        write(way.tenant, AssignRequest(ONE, ()))

    assert count(access) == 0
    assert access.file.read_bytes() == before


def test_a_reset_starts_over(access):
    with opened(access) as way:
        write(way.tenant, AssignRequest(ONE, ()))

    fresh = SandboxAccess(access.file, access.state_folder, access.mode, reset=True)

    assert count(fresh) == 1
    assert count(access) == 1


def test_an_edited_tenant_file_starts_over_by_itself(access):
    with opened(access) as way:
        write(way.tenant, AssignRequest(ONE, ()))
    first = kept_file(access)
    access.file.write_text(access.file.read_text() + "\n")

    assert kept_file(access) != first
    assert count(access) == 1
    assert first.exists()


def test_the_first_write_after_an_edit_removes_what_was_kept_before_it(access):
    other = replace(access, file=access.file.with_name("other.json"))
    other.file.write_bytes(access.file.read_bytes())
    for one in (access, other):
        with opened(one) as way:
            write(way.tenant, AssignRequest(ONE, ()))
    old = kept_file(access)
    access.file.write_text(access.file.read_text() + "\n")
    with opened(access) as way:
        write(way.tenant, AssignRequest(ONE, ()))

    assert not old.exists()
    assert {file.name for file in access.state_folder.glob("sandbox-*")} == {
        kept_file(access).name,
        kept_file(other).name,
    }


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps no such modes")
def test_only_the_owner_can_read_what_is_kept(access):
    with opened(access) as way:
        write(way.tenant, AssignRequest(ONE, ()))

    assert stat.S_IMODE(kept_file(access).stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [None, "{", "[]", '{"organization": {}}'])
def test_a_tenant_file_that_cannot_be_used_is_named(access, content):
    access.file.unlink()
    if content is not None:
        access.file.write_text(content)

    with pytest.raises(ConfigError, match="sandbox"), opened(access):
        raise AssertionError("must not be reached")


def test_the_sandbox_behaves_as_asked(access):
    documented = SandboxAccess(access.file, access.state_folder, "documented", reset=False)
    with opened(documented) as way:
        (live,) = way.tenant.read_policy(ONE).assignments
        write(way.tenant, DeleteRequest(ONE, live))

    assert count(documented) == 0


def test_certificates_that_cannot_be_read_are_named(tmp_path):
    bundle = tmp_path / "ca.pem"
    bundle.write_text("no certificate")
    environ = {"RECONCILER_ACCESS_TOKEN": "any", "SSL_CERT_FILE": str(bundle)}

    with (
        pytest.raises(ConfigError, match="SSL_CERT_FILE"),
        connect(session(FakeClock(), environ=environ), cloud=Cloud.GLOBAL, tenant=TENANT),
    ):
        raise AssertionError("must not be reached")


def test_connecting_sends_nothing():
    environ = {"RECONCILER_ACCESS_TOKEN": "any", "RECONCILER_GRAPH_URL": "http://127.0.0.1:1"}
    run = session(FakeClock(), environ=environ)

    with connect(run, cloud=Cloud.GLOBAL, tenant=TENANT) as way:
        assert way.client.transport.graph == "http://127.0.0.1:1"


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
def test_a_token_for_this_machine_goes_through_no_proxy(access, variable):
    state = SandboxState.load(access.file)
    with SandboxServer(SandboxApp(state)) as server:
        environ = {
            "RECONCILER_ACCESS_TOKEN": "any",
            "RECONCILER_GRAPH_URL": server.url,
            variable: "http://127.0.0.1:9",  # nothing listens there
        }
        run = session(FakeClock(), environ=environ)
        with connect(run, cloud=Cloud.GLOBAL, tenant=TENANT) as way:
            assert way.tenant.identify().id == TENANT


def test_a_token_for_another_machine_goes_through_the_proxy():
    environ = {"HTTPS_PROXY": "http://127.0.0.1:9"}
    with (
        open_client("https://graph.invalid", environ, connections=2) as http,
        pytest.raises(NoResponseError, match="the proxy that HTTPS_PROXY names cannot be reached"),
    ):
        http.get("https://graph.invalid")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_certificates_that_cannot_be_read_are_named_for_this_machine_too(tmp_path, host):
    environ = {"SSL_CERT_FILE": str(tmp_path / "none.pem")}
    with pytest.raises(ConfigError, match="SSL_CERT_FILE"):
        open_client(f"https://{host}", environ, connections=2)
