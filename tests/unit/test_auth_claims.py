"""What a token says of itself, for display."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest

from reconciler.graph.auth.token_claims import TokenClaims, read_claims


def token(payload):
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return f"e30.{base64.urlsafe_b64encode(body).decode().rstrip('=')}.signature"


def test_an_app_token_shows_its_roles():
    found = read_claims(
        token(
            {"tid": "t", "appid": "a", "app_displayname": "n", "roles": ["R1", "R2"], "exp": 86400}
        )
    )

    assert found == TokenClaims(
        tenant_id="t",
        app_id="a",
        app_name="n",
        roles=("R1", "R2"),
        expires_at=datetime(1970, 1, 2, tzinfo=UTC),
    )
    assert found.permissions == ("R1", "R2")


def test_a_persons_token_shows_its_scopes():
    found = read_claims(token({"azp": "a", "upn": "x@y", "scp": "S1 S2"}))

    assert (found.app_id, found.user, found.permissions) == ("a", "x@y", ("S1", "S2"))


@pytest.mark.parametrize(
    "opaque",
    [
        "",
        "opaque",
        "a.b",
        "a.b.c",
        "a.\N{SNOWMAN}.c",
        token(b"\xff\xfe"),
        token(b"[1]"),
        token(b"[" * 100_000),
        token({"exp": 1e300, "roles": 7, "tid": 7, "scp": None}),
        token({"exp": True, "roles": [1], "tid": ""}),
    ],
)
def test_anything_else_gives_empty_claims(opaque):
    assert read_claims(opaque) == TokenClaims()


def test_control_characters_of_a_token_do_not_reach_a_terminal():
    assert (
        read_claims(token({"app_displayname": "a\x1b[31m\n"})).app_name == "a<U+001B>[31m<U+000A>"
    )
