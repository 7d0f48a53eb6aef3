"""Turn Microsoft's refusal of a sign-in into a sentence that says what to do. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from urllib.parse import quote, quote_plus

from reconciler.graph.auth.claims import Claims
from reconciler.model.errors import AuthError

_LONGEST = 400
_SHORTEST_SECRET = 4
_CODE = re.compile(r"AADSTS(\d{4,7})")
_TRAILER = re.compile(r"\s*(?:Trace ID|Correlation ID|Timestamp):.*", re.DOTALL)

# Codes: learn.microsoft.com/entra/identity-platform/reference-error-codes.
_ADVICE: Mapping[int, str] = {
    7000215: "the client secret is wrong: put the secret's Value (not its Secret ID) into AZURE_CLIENT_SECRET",
    7000222: "the client secret has expired: create a new one under Certificates & secrets, or use a federated credential, which never expires",
    7000218: "the app is not a public client: allow public client flows under its Authentication page",
    7000112: "the app is disabled in this tenant: enable its enterprise application",
    700016: "the app does not exist in this tenant: check AZURE_CLIENT_ID and AZURE_TENANT_ID, and that the app has been consented to there",
    700027: "the certificate is not registered on the app: upload its public part under Certificates & secrets",
    700024: "the assertion has expired or is not valid yet: check this machine's clock",
    700211: "no federated credential of the app has this issuer: add one that matches the token",
    700212: "no federated credential of the app has this audience: add one that matches the token",
    700213: "no federated credential of the app has this subject: add one with exactly this issuer and subject",
    70021: "no federated credential of the app matches: add one with exactly this issuer, subject and audience",
    70043: "the sign-in has expired by policy: sign in again",
    70020: "the code has expired: run again and enter the new one",
    90002: "the tenant does not exist in this cloud: check the tenant id or domain, and `cloud` in tenant.yaml",
    900023: "the tenant is neither an id nor a domain that Microsoft knows: check it, and `cloud` in tenant.yaml",
    900382: "the tenant lives in another cloud: set `cloud` in tenant.yaml",
    900432: "the tenant lives in another cloud: set `cloud` in tenant.yaml",
    50034: "the account does not exist in this tenant: sign in with one that does",
    50053: "the account is locked: wait, or ask an administrator",
    50057: "the account is disabled: ask an administrator",
    50076: "multi-factor authentication is required: sign in again with RECONCILER_AUTH=interactive",
    50079: "multi-factor authentication must be set up first: sign in to the portal once",
    50105: "the account is not assigned to the app: assign it, or lift the app's assignment requirement",
    50011: "the app lacks the redirect address http://localhost: add it under Authentication, as a mobile and desktop application",
    65001: "the app has no consent for these permissions: an administrator must grant it under API permissions",
    65004: "consent was declined: an administrator must grant it under API permissions",
    53000: "Conditional Access wants a compliant device",
    53003: "Conditional Access blocks this sign-in: ask for an exception for this app or place, or sign in another way",
    500011: "the tenant does not know this Microsoft Graph: check `cloud` in tenant.yaml",
    500014: "Microsoft Graph's service principal is disabled in this tenant",
    7000229: "the app has no service principal in this tenant: an administrator must consent to it there",
}

_ASSERTION_CODES = frozenset({70021, 700211, 700212, 700213, 700024, 700016})

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
    secrets: Collection[str],
    assertion: Claims | None = None,
    otherwise: str = "",
) -> AuthError:
    """The error for an OAuth error answer.

    ``assertion`` is what our federated token said of itself; ``otherwise`` is the advice where the
    answer names no known code.
    """
    code = str(result.get("error") or "")
    # Struck out before anything is cut short: half a secret would not be recognised.
    text = hidden(str(result.get("error_description") or code or "no reason given"), secrets)
    codes = _codes(result, text)
    parts = [f"sign-in with the {credential} was refused: {first_line(text)}"]
    if advice := next(
        (_ADVICE[number] for number in codes if number in _ADVICE),
        _OAUTH_ADVICE.get(code, otherwise),
    ):
        parts.append(f"What to do: {advice}.")
    if assertion and (_ASSERTION_CODES.intersection(codes) or not codes):
        parts.append(_shown(assertion))
    if trace := _trace(result, text):
        parts.append(trace)
    return AuthError(hidden("\n".join(parts), secrets))


def hidden(text: str, secrets: Collection[str]) -> str:
    """The text with every secret struck out, were a server or a proxy to send one back to us."""
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) < _SHORTEST_SECRET:
            continue  # striking those out would garble the text and protect nothing
        for spelling in (secret, quote(secret, safe=""), quote_plus(secret)):
            text = text.replace(spelling, "[hidden]")
    return text


def first_line(text: str) -> str:
    """The first line of what a server said, printable and of bounded length, without trace ids."""
    line = next(iter(_TRAILER.sub("", text).strip().splitlines()), "no reason given")
    printable = "".join(character if character.isprintable() else " " for character in line)
    return printable if len(printable) <= _LONGEST else printable[:_LONGEST] + "…"


def _codes(result: Mapping[str, object], text: str) -> tuple[int, ...]:
    listed = result.get("error_codes")
    numbers = [code for code in listed if isinstance(code, int)] if isinstance(listed, list) else []
    return tuple(dict.fromkeys([*numbers, *(int(found) for found in _CODE.findall(text))]))


def _shown(assertion: Claims) -> str:
    pairs = (
        ("issuer", assertion.issuer),
        ("subject", assertion.subject),
        ("audience", assertion.audience),
    )
    said = ", ".join(f'{name} "{value}"' for name, value in pairs if value)
    return f"The token presented has {said}." if said else "The token presented is no readable JWT."


def _trace(result: Mapping[str, object], text: str) -> str:
    named = {"trace_id": "Trace ID", "correlation_id": "Correlation ID", "timestamp": "Timestamp"}
    found = []
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
            found.append(f"{title} {first_line(value)}")
    return f"({', '.join(found)})" if found else ""
