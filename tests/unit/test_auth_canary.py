"""No secret shows: not in an exception, its traceback or its causes, not in a repr, not in a log."""

from __future__ import annotations

import logging
import traceback
from datetime import UTC, datetime, timedelta
from urllib.parse import quote_plus

import jwt
import pytest

from reconciler.graph.auth.sign_in import choose
from reconciler.graph.clouds import endpoints
from reconciler.model.errors import ReconcilerError
from reconciler.model.state import Cloud
from tests.support.authority import CLIENT, GITHUB_BEARER, KEY, OIDC_AUDIENCE, TENANT
from tests.support.certificates import make_certificate

TOKEN = "/oauth2/v2.0/token"
DISCOVERY = "/openid-configuration"
ASSERTION = jwt.encode({"iss": "i", "sub": "s", "aud": OIDC_AUDIENCE}, KEY)
SECRET = "Canary+secret/with~all%kinds"


class Clock:
    """Stands still."""

    def now(self):
        return datetime.now(UTC)

    def monotonic(self):
        return 0.0

    def sleep(self, seconds):
        """Not at all."""


def echo(secret):
    """An answer of a broken proxy that sends back what it was sent."""
    return f"<html>you sent {secret} and {quote_plus(secret)}</html>"


FAULTS: dict[str, list[tuple[str, int, str, dict[str, str]]]] = {
    "refused": [],
    "echo in an error": [
        (TOKEN, 400, '{"error": "x", "error_description": "AADSTS1: SECRET QUOTED no"}', {})
    ],
    "echo in HTML": [(TOKEN, 200, echo("SECRET"), {})],
    "echo in HTML, refused": [(TOKEN, 403, echo("SECRET"), {})],
    "echo in a 503": [(TOKEN, 503, '{"error_description": "SECRET QUOTED"}', {})],
    "echo in a list": [(TOKEN, 200, '{"a": ["SECRET"]}', {})],
    "echo at the cut": [
        (TOKEN, 400, f'{{"error": "x", "error_description": "{"." * 380}SECRET"}}', {})
    ],
    "redirect": [(TOKEN, 302, "SECRET", {"Location": "https://SECRET.example/SECRET"})],
    "discovery in HTML": [(DISCOVERY, 200, echo("SECRET"), {})],
    "discovery refused": [
        (DISCOVERY, 400, '{"error": "x", "error_description": "AADSTS90002: SECRET"}', {})
    ],
    "discovery elsewhere": [
        (
            DISCOVERY,
            200,
            '{"authorization_endpoint": "https://h/SECRET", "token_endpoint": "https://h/SECRET"}',
            {},
        )
    ],
    "github in HTML": [("/github/oidc", 200, echo("SECRET"), {})],
    "github refused": [("/github/oidc", 401, '{"message": "SECRET"}', {})],
    "github in trouble": [("/github/oidc", 500, '{"error_description": "SECRET"}', {})],
}


@pytest.fixture
def planted(authority, tmp_path, rsa_key):
    """For each way to sign in, its variables, and the values in them that must not show."""
    token_file = tmp_path / "token"
    token_file.write_text(ASSERTION, "ascii")
    pfx = tmp_path / "app.pfx"
    pfx.write_bytes(make_certificate(rsa_key).pfx("Canary-password"))
    late = make_certificate(rsa_key, begins=datetime.now(UTC) - timedelta(days=60))
    pem = tmp_path / "late.pem"
    pem.write_bytes(late.key_pem() + late.certificate_pem())
    github = {
        "ACTIONS_ID_TOKEN_REQUEST_URL": authority.github_url,
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": GITHUB_BEARER,
    }
    path, password = "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_CLIENT_CERTIFICATE_PASSWORD"
    ready = authority.token(lasts=-5)
    return {
        "client-secret": ({"AZURE_CLIENT_SECRET": SECRET}, SECRET),
        "federated-token-file": ({"AZURE_FEDERATED_TOKEN_FILE": str(token_file)}, ASSERTION),
        "github-oidc": (github, GITHUB_BEARER),
        "certificate": ({path: str(pfx), password: "Canary-password"}, "Canary-password"),
        "certificate, wrong": ({path: str(pfx), password: "Canary-wrong"}, "Canary-wrong"),
        "certificate, late": ({path: str(pem), password: "Canary-needless"}, "Canary-needless"),
        "access-token": ({"RECONCILER_ACCESS_TOKEN": ready}, ready),
    }


def everything_said(error):
    """An exception as any reporter may show it, with what it was raised from."""
    told = [str(error), repr(error), *traceback.format_exception(error)]
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return told + (everything_said(cause) if cause else [])


def choose_and_ask(environ, heard):
    source = choose(
        environ,
        endpoints=endpoints(Cloud.GLOBAL, environ),
        tenant=TENANT,
        interactive=False,
        note=heard.append,
        clock=Clock(),
        remaining=lambda: 30.0,
    )
    heard += [repr(source), source.describe(), repr(getattr(source, "_flow", None))]
    return source, source.token()


@pytest.mark.parametrize("fault", FAULTS)
def test_no_secret_shows_whatever_goes_wrong(authority, planted, fault, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    # Every way has its own secret to hide, with all the others in the environment too.
    everything = {name: value for given, _ in planted.values() for name, value in given.items()}
    heard = []
    for method, (given, secret) in planted.items():
        authority.reset()
        authority.secrets.clear()
        authority.federated.clear()
        for path, status, body, headers in FAULTS[fault]:
            text, places = (
                part.replace("SECRET", secret).replace("QUOTED", quote_plus(secret))
                for part in (body, "\n".join(f"{k}: {v}" for k, v in headers.items()))
            )
            sent = dict(line.split(": ", 1) for line in places.splitlines())
            authority.plan(path, status, text, times=9, headers=sent)
        environ = authority.environ(**(everything | given))
        environ["RECONCILER_AUTH"] = method.partition(",")[0]
        if fault == "discovery refused" and method == "federated-token-file":
            continue  # nobody can echo what has not been read yet

        with pytest.raises(ReconcilerError) as caught:
            choose_and_ask(environ, heard)
        said = "\n".join([*everything_said(caught.value), *heard, caplog.text, *capfd.readouterr()])
        secrets = [secret, quote_plus(secret), ASSERTION, GITHUB_BEARER, "Canary"]
        assert [found for found in secrets if found in said] == [], (method, said)
        assert CLIENT in said or method == "access-token" or "certificate" in method


def test_a_sign_in_that_works_logs_no_token(authority, caplog):
    caplog.set_level(logging.DEBUG)
    authority.secrets = {SECRET}
    environ = authority.environ(AZURE_CLIENT_SECRET=SECRET)

    source, token = choose_and_ask(environ, [])

    assert token not in caplog.text
    assert SECRET not in caplog.text
    assert token not in repr(source) + repr(source._flow)
