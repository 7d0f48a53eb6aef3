"""What the tests of the sign-in share: a clock, a person, an environment, a choice. Sends nothing itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.graph.auth.sign_in import choose
from reconciler.graph.clouds import endpoints
from reconciler.model.errors import AuthError
from reconciler.model.state import Cloud
from tests.support.authority import TENANT

TOKEN = "/oauth2/v2.0/token"
DISCOVERY = "/openid-configuration"


@dataclass
class StillClock:
    """A clock that moves when somebody sleeps, and remembers for how long."""

    slept: list[float] = field(default_factory=list)
    start: datetime = field(default_factory=lambda: datetime.now(UTC))

    def now(self):
        return self.start + timedelta(seconds=sum(self.slept))

    def monotonic(self):
        return sum(self.slept)

    def sleep(self, seconds):
        self.slept.append(seconds)


@dataclass
class Person:
    """Somebody at a terminal, or nobody."""

    there: bool = False
    heard: list[str] = field(default_factory=list)


@pytest.fixture
def clock():
    return StillClock()


@pytest.fixture
def person():
    return Person()


@pytest.fixture
def bare_environment(monkeypatch, tmp_path):
    """Nothing of the machine's own environment reaches requests, MSAL or platformdirs."""
    names = """HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy
        REQUESTS_CA_BUNDLE CURL_CA_BUNDLE SSL_CERT_FILE MSAL_FORCE_REGION IDENTITY_ENDPOINT
        IDENTITY_HEADER MSI_ENDPOINT MSI_SECRET AZURE_POD_IDENTITY_AUTHORITY_HOST"""
    for name in names.split():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def pick(clock, person, bare_environment):
    """Choose a way to sign in, by environment."""

    def pick(environ, *, tenant=TENANT, remaining=lambda: 60.0, cloud=Cloud.GLOBAL):
        return choose(
            environ,
            endpoints=endpoints(cloud, environ),
            tenant=tenant,
            interactive=person.there,
            note=person.heard.append,
            clock=clock,
            remaining=remaining,
        )

    return pick


def refused(source, **options):
    with pytest.raises(AuthError) as caught:
        source.token(**options)
    return str(caught.value)


def not_chosen(pick, environ, kind=AuthError):
    with pytest.raises(kind) as caught:
        pick(environ)
    return str(caught.value)
