"""No value of a variable that belongs to the sign-in is ever shown, wherever it was put by mistake."""

from __future__ import annotations

import base64

import pytest

from tests.support.run_cli import run
from tests.support.tenants import TENANT, declare, guid

KEY = "-----BEGIN PRIVATE KEY-----\n" + "Canary7Qx" * 7 + "\n-----END PRIVATE KEY-----\n"
JWT = ".".join(
    base64.urlsafe_b64encode(part.encode()).decode().rstrip("=")
    for part in ('{"alg":"none"}', '{"Canary":"claims of a token"}', "Canary signature")
)
PFX = base64.b64encode(b"Canary" * 20).decode()
PLAIN = "Canary8Q~abcDEF.ghi_jklMNO"

APP = {
    "AZURE_TENANT_ID": TENANT,
    "AZURE_CLIENT_ID": guid(9),
    "RECONCILER_GRAPH_URL": "http://127.0.0.1:9",
    "AZURE_AUTHORITY_HOST": "http://127.0.0.1:9",
}
READY = {"RECONCILER_ACCESS_TOKEN": "ready", "RECONCILER_GRAPH_URL": "https://graph.invalid"}
WITH_SECRET = APP | {"AZURE_CLIENT_SECRET": PLAIN}
PLACES = {
    "AZURE_CLIENT_CERTIFICATE_PATH": APP,
    "AZURE_FEDERATED_TOKEN_FILE": APP,
    "AZURE_CLIENT_ID": WITH_SECRET,
    "AZURE_TENANT_ID": WITH_SECRET,
    "AZURE_AUTHORITY_HOST": WITH_SECRET,
    "RECONCILER_AUTH": WITH_SECRET,
    "RECONCILER_ACCESS_TOKEN": {"RECONCILER_GRAPH_URL": "http://127.0.0.1:9"},
    "RECONCILER_GRAPH_URL": READY,
    "SSL_CERT_FILE": READY,
    "SSL_CERT_DIR": READY,
    "REQUESTS_CA_BUNDLE": READY,
    "CURL_CA_BUNDLE": READY,
    "HTTPS_PROXY": READY,
    "ALL_PROXY": READY,
    "ACTIONS_ID_TOKEN_REQUEST_URL": APP | {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": PLAIN},
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": APP | {"ACTIONS_ID_TOKEN_REQUEST_URL": "http://127.0.0.1:9/"},
}


def pieces(secret):
    """What must not be there: each line and each part of the secret, in any letter case."""
    parts = secret.replace(".", "\n").replace("~", "\n").splitlines()
    return [part.casefold() for part in parts if len(part) >= 6 and "PRIVATE KEY" not in part]


@pytest.mark.parametrize("variable", PLACES)
def test_a_secret_in_any_variable_of_the_sign_in_is_not_shown(tmp_path, variable):
    root = declare(tmp_path / "root", {"Policy 1": ["group: Group 2"]})
    for secret in (PFX, JWT) if "PATH" in variable or "FILE" in variable else (KEY, PLAIN):
        done = run(
            "plan",
            root,
            "-vv",
            "--timeout",
            "1",
            cwd=tmp_path,
            env=PLACES[variable] | {variable: secret},
        )

        shown = (done.stdout + done.stderr).casefold()
        assert done.code in (1, 64), shown
        assert [piece for piece in pieces(secret) if piece in shown] == [], shown
        assert "internal error" not in shown
