"""What a token says about itself, for messages only: nothing is verified. Pure: no I/O."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from reconciler.model.text import visible

_JWT_PARTS = 3


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """The claims worth showing to a person; empty for opaque tokens, which Microsoft may issue."""

    tenant_id: str | None = None
    app_id: str | None = None
    app_name: str | None = None
    user: str | None = None
    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    begins_at: datetime | None = None
    expires_at: datetime | None = None
    issuer: str | None = None
    subject: str | None = None
    audience: str | None = None

    @property
    def permissions(self) -> tuple[str, ...]:
        """Granted permissions, whichever claim carries them: app-only ``roles``, delegated ``scp``."""
        return self.roles or self.scopes


def read_claims(token: str) -> TokenClaims:
    """Read a JWT's payload without verifying it; anything that is not a JWT gives empty claims."""
    payload = _payload(token)
    audience = payload.get("aud")
    if isinstance(audience, list) and len(audience) == 1:  # RFC 7519 section 4.1.3 allows a list
        payload = {**payload, "aud": audience[0]}
    return TokenClaims(
        tenant_id=_text(payload, "tid"),
        app_id=_text(payload, "appid") or _text(payload, "azp"),
        app_name=_text(payload, "app_displayname"),
        user=_text(payload, "upn") or _text(payload, "preferred_username"),
        roles=_words(payload.get("roles")),
        scopes=_words(payload.get("scp")),
        begins_at=_instant(payload.get("nbf")),
        expires_at=_instant(payload.get("exp")),
        issuer=_text(payload, "iss"),
        subject=_text(payload, "sub"),
        audience=_text(payload, "aud"),
    )


def _payload(token: str) -> Mapping[str, object]:
    parts = token.split(".")
    if len(parts) != _JWT_PARTS:
        return {}
    padded = parts[1] + "=" * (-len(parts[1]) % 4)
    try:
        payload = json.loads(base64.urlsafe_b64decode(padded))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return payload if isinstance(payload, dict) else {}


def _text(payload: Mapping[str, object], name: str) -> str | None:
    value = payload.get(name)
    if not isinstance(value, str) or not value:
        return None
    return visible(value)


def _words(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.split())
    if isinstance(value, list):
        return tuple(word for word in value if isinstance(word, str))
    return ()


def _instant(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
