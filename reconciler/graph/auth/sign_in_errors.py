"""Turn Microsoft's refusal of a sign-in into a sentence that says what to do. Pure: no I/O.

Where Microsoft names a code that is not in the table, its own words stand alone: advice that guesses
sends people to the wrong place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from reconciler.graph.auth.token_claims import TokenClaims
from reconciler.model.errors import AuthError
from reconciler.model.text import visible
from reconciler.runtime.known_secrets import strike

_LONGEST = 400
_CODE = re.compile(r"AADSTS(\d{4,8})")
_TRAILER = re.compile(r"\s*(?:Trace ID|Correlation ID|Timestamp):.*", re.DOTALL)

# Codes: learn.microsoft.com/entra/identity-platform/reference-error-codes.
_ADVICE: Mapping[int, str] = {
    7000215: "the client secret is wrong: put the secret's Value (not its Secret ID) into AZURE_CLIENT_SECRET",
    7000222: "the client secret has expired: create a new one under Certificates & secrets, or use a federated credential, which never expires",
    7000218: "the app is not a public client: allow public client flows under its Authentication page",
    7000112: "the app is disabled in this tenant: enable its enterprise application",
    700016: "the app does not exist in this tenant: check AZURE_CLIENT_ID and AZURE_TENANT_ID, and that the app has been consented to there",
    700027: "the certificate is not registered on the app: upload its public part under Certificates & secrets",
    700025: "the app is a public client, which has no secret: sign in with RECONCILER_AUTH=device-code, or use another app",
    700030: "the certificate's subject name is not registered on the app: upload the certificate under Certificates & secrets",
    70021: "no federated credential of the app matches: add one with exactly this issuer, subject and audience",
    700211: "no federated credential of the app has this issuer: add a federated credential that matches the token",
    700212: "no federated credential of the app has this audience: add a federated credential that matches the token",
    700213: "no federated credential of the app has this subject: add a federated credential with exactly this issuer and subject",
    7002137: "no federated credential of the app has this subject: add a federated credential with exactly this issuer and subject",
    7002138: "a federated credential of the app differs from this subject in letter case alone: write it with exactly these letters (large and small letters count)",
    70043: "the sign-in has expired by policy: sign in again",
    70020: "the code has expired: run again and enter the new one",
    90002: "the tenant does not exist in this cloud: check the tenant id or domain, and `cloud` in tenant.yaml",
    900023: "the tenant is neither an id nor a domain that Microsoft knows: check it, and `cloud` in tenant.yaml",
    900382: "the tenant lives in another cloud: set `cloud` in tenant.yaml",
    900432: "the tenant lives in another cloud: set `cloud` in tenant.yaml",
    50034: "the account does not exist in this tenant: sign in with one that does",
    50053: "the account is locked: wait, or ask an administrator",
    50057: "the account is disabled: ask an administrator",
    50072: "multi-factor authentication must be set up first: sign in to the portal once",
    50074: "multi-factor authentication is required: sign in again with RECONCILER_AUTH=interactive",
    50076: "multi-factor authentication is required: sign in again with RECONCILER_AUTH=interactive",
    50079: "multi-factor authentication must be set up first: sign in to the portal once",
    50128: "the tenant is neither an id nor a domain that Microsoft knows: check it, and `cloud` in tenant.yaml",
    50173: "the sign-in was revoked: sign in again",
    50105: "the account is not assigned to the app: assign it under Users and groups of the enterprise application",
    50011: "the app lacks the redirect address http://localhost: add it under Authentication, as a mobile and desktop application",
    65001: "the app has no consent for these permissions: an administrator must grant it under API permissions",
    65004: "consent was declined: an administrator must grant it under API permissions",
    53000: "Conditional Access wants a compliant device",
    53001: "Conditional Access wants a device that is joined to the domain",
    53003: "Conditional Access blocks this sign-in: ask an administrator which policy does",
    500011: "the tenant does not know this Microsoft Graph: check `cloud` in tenant.yaml",
    500014: "Microsoft Graph's service principal is disabled in this tenant",
    7000229: "the app has no service principal in this tenant: an administrator must consent to it there",
}

_OUT_OF_TIME = frozenset({700024, 500133})
_APP_UNKNOWN = 700016
_FEDERATED = "70021"
"""What the codes about federated credentials begin with: 70021, 700211 to 700213, 7002137, 7002138."""

_OAUTH_ADVICE: Mapping[str, str] = {
    "authorization_declined": "the sign-in was declined",
    "access_denied": "the sign-in was declined, or the app has no consent",
    "expired_token": "the code has expired: run again and enter the new one",
    "invalid_client": "the credential is wrong, or does not belong to this app",
    "unauthorized_client": "the app may not sign in this way: check its Authentication page",
    "invalid_tenant": "the tenant does not exist in this cloud",
    "abort": "the sign-in was abandoned in the browser",
}


def refused(
    result: Mapping[str, object],
    *,
    credential: str,
    now: datetime,
    assertion: TokenClaims | None = None,
    otherwise: str = "",
) -> AuthError:
    """The error for an OAuth error response.

    ``assertion`` is what our federated token says of itself; ``otherwise`` is the advice where the
    response names no code at all.
    """
    error = str(result.get("error") or "")
    # Struck before anything is cut short: half a secret might not be recognised.
    text = strike(str(result.get("error_description") or error or "no reason given"))
    codes = _codes(result, text)
    parts = [f"sign-in with the {credential} was refused: {first_line(text)}"]
    advice = _advice(codes, text, assertion, now)
    if not codes and not advice:
        advice = _OAUTH_ADVICE.get(error, otherwise)
    if advice:
        parts.append(f"What to do: {advice}.")
    if assertion and (not codes or _is_about_assertion(codes, text)):
        parts.append(_shown(assertion))
    if trace := _trace(result, text):
        parts.append(trace)
    return AuthError(strike("\n".join(parts)))


def _advice(codes: tuple[int, ...], text: str, assertion: TokenClaims | None, now: datetime) -> str:
    if _OUT_OF_TIME.intersection(codes):
        return _advice_on_time(assertion, now)
    known = next((_ADVICE[code] for code in codes if code in _ADVICE), "")
    return known or (_ADVICE[70021] if assertion and _is_federated(codes, text) else "")


def _advice_on_time(assertion: TokenClaims | None, now: datetime) -> str:
    """Tell an old federated token from a wrong clock; without one, this machine made the assertion."""
    ends = assertion.expires_at if assertion else None
    begins = assertion.begins_at if assertion else None
    if ends and ends <= now:
        return (
            f"the federated token expired at {ends:%Y-%m-%d %H:%M} UTC: get a new one directly "
            f"before the sign-in (GitHub's live five minutes); if it is new, check this "
            f"machine's clock, which says {now:%H:%M} UTC"
        )
    if begins and begins > now:
        return (
            f"the federated token is valid only from {begins:%Y-%m-%d %H:%M} UTC: check this "
            f"machine's clock, which says {now:%H:%M} UTC"
        )
    valid = f" (the token is valid until {ends:%Y-%m-%d %H:%M} UTC)" if ends else ""
    return f"check this machine's clock, which says {now:%Y-%m-%d %H:%M} UTC{valid}"


def _is_federated(codes: tuple[int, ...], text: str) -> bool:
    by_code = any(str(code).startswith(_FEDERATED) for code in codes)
    return by_code or "federated identity" in text.casefold()


def _is_about_assertion(codes: tuple[int, ...], text: str) -> bool:
    return bool(_OUT_OF_TIME.union({_APP_UNKNOWN}).intersection(codes)) or _is_federated(
        codes, text
    )


def first_line(text: str) -> str:
    """The first line of a server's text, printable and of bounded length, without trace ids."""
    line = next(iter(_TRAILER.sub("", text).strip().splitlines()), "no reason given")
    printable = visible(" ".join(line.split()))
    return printable if len(printable) <= _LONGEST else printable[:_LONGEST] + "…"


def _codes(result: Mapping[str, object], text: str) -> tuple[int, ...]:
    listed = result.get("error_codes")
    numbers = [code for code in listed if isinstance(code, int)] if isinstance(listed, list) else []
    return tuple(dict.fromkeys([*numbers, *(int(code) for code in _CODE.findall(text))]))


def _shown(assertion: TokenClaims) -> str:
    ends = assertion.expires_at
    pairs = (
        ("issuer", assertion.issuer),
        ("subject", assertion.subject),
        ("audience", assertion.audience),
        ("end", f"{ends:%Y-%m-%d %H:%M} UTC" if ends else None),
    )
    shown = ", ".join(f'{name} "{value}"' for name, value in pairs if value)
    return (
        f"The token presented has {shown}." if shown else "The token presented is no readable JWT."
    )


def _trace(result: Mapping[str, object], text: str) -> str:
    named = {"trace_id": "Trace ID", "correlation_id": "Correlation ID", "timestamp": "Timestamp"}
    parts = []
    for key, title in named.items():
        value = result.get(key)
        if not isinstance(value, str):
            spelled = re.search(
                rf"{title}: ([0-9A-Za-z:. -]+?)(?=\s*(?:[A-Z]\w+ ID:|Timestamp:|$))",
                text,
                re.MULTILINE,
            )
            value = spelled.group(1) if spelled else ""
        if value:
            parts.append(f"{title} {first_line(value)}")
    return f"({', '.join(parts)})" if parts else ""
