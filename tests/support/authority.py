"""A small sign-in service on loopback, for MSAL itself to talk to. Opens no socket.

It is as strict as Microsoft Entra where a mistake of ours would show: it checks secrets, verifies the
signature and audience of certificate assertions, matches federated tokens with the registered
subjects, checks PKCE, and answers errors in Entra's form. Beside the tenant's endpoints it plays
GitHub's OIDC endpoint and a machine's identity endpoint (IMDS). Nothing of ``reconciler`` is imported.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt

from tests.support.certificates import AppCertificate

TENANT = "7d2f9a54-51d8-4c0e-9b57-0c1f5d6c7a11"
DOMAIN = "contoso.example"
CLIENT = "11111111-2222-4333-8444-555555555555"
SECRET = "Canary-Secret~8Q.of~the+app"
SCOPE = "https://graph.microsoft.com/.default"
OIDC_AUDIENCE = "api://AzureADTokenExchange"
GITHUB_ISSUER = "https://token.actions.githubusercontent.com"
GITHUB_SUBJECT = "repo:contoso/intune:ref:refs/heads/main"
GITHUB_BEARER = "Canary-GitHub-request-token"
KEY = "a key of thirty-two bytes or more, for the fake alone"
USER = "adele@contoso.example"
Form = Mapping[str, str]
Reply = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True)
class Seen:
    """One request, as it arrived."""

    method: str
    path: str
    query: Form
    form: Form
    headers: Mapping[str, str]


@dataclass
class Planned:
    """Answers to give instead of the right one, for the next ``times`` requests to a path."""

    path: str
    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int = 1


class Authority:
    """The service's state; one server serves it, every test starts it over."""

    def __init__(self, ca_file: Path) -> None:
        self.ca_file = str(ca_file)
        self.port = 0
        self.scheme = "https"
        self.lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        self.seen: list[Seen] = []
        self.planned: list[Planned] = []
        self.secrets = {SECRET}
        self.certificates: list[AppCertificate] = []
        self.federated = {(GITHUB_ISSUER, GITHUB_SUBJECT, OIDC_AUDIENCE)}
        self.scopes = {SCOPE}
        self.roles = ["DeviceManagementConfiguration.ReadWrite.All", "GroupMember.Read.All"]
        self.github_subject = GITHUB_SUBJECT
        self.github_audience: str | None = None
        self.identities: set[str | None] = {None}
        self.pending_polls = 0
        self.device_error = ""
        self.codes: dict[str, Form] = {}
        self.refresh_tokens: set[str] = set()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def github_url(self) -> str:
        return f"{self.url}/github/oidc?api-version=2.0"

    def environ(self, **more: str) -> dict[str, str]:
        """The variables of a program that signs in here as the app; credentials come from ``more``."""
        return {
            "AZURE_AUTHORITY_HOST": self.url,
            "SSL_CERT_FILE": self.ca_file,
            "AZURE_CLIENT_ID": CLIENT,
            "AZURE_TENANT_ID": TENANT,
            **more,
        }

    def plan(
        self,
        path: str,
        status: int,
        body: str = "",
        *,
        times: int = 1,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer the next ``times`` requests whose path ends in ``path`` with this."""
        self.planned.append(Planned(path, status, body, headers or {}, times))

    def count(self, path: str) -> int:
        """How many requests have come for a path with this end."""
        return sum(seen.path.endswith(path) for seen in self.seen)

    def form(self, path: str = "/oauth2/v2.0/token") -> Form:
        """The form of the last request for a path with this end."""
        return [seen for seen in self.seen if seen.path.endswith(path)][-1].form

    # What follows answers one request.

    def answer(self, seen: Seen) -> Reply:
        with self.lock:
            self.seen.append(seen)
            for planned in self.planned:
                if planned.times and seen.path.endswith(planned.path):
                    planned.times -= 1
                    kind = "application/json" if planned.body.startswith("{") else "text/html"
                    headers = {"Content-Type": kind, **planned.headers}
                    return planned.status, headers, planned.body.encode()
            return self._route(seen)

    def _route(self, seen: Seen) -> Reply:
        if seen.path == "/common/discovery/instance":
            return _json({"error": "server_error"}, 404)  # MSAL must not have asked
        if seen.path == "/github/oidc":
            return self._github(seen)
        if seen.path == "/metadata/identity/oauth2/token":
            return self._imds(seen)
        tenant, _, rest = seen.path.lstrip("/").partition("/")
        if tenant.casefold() not in {TENANT, DOMAIN}:
            return entra(90002, "invalid_tenant", f"Tenant '{tenant}' not found.")
        match rest:
            case "v2.0/.well-known/openid-configuration":
                base = f"{self.url}/{TENANT}"
                return _json(
                    {
                        "issuer": f"https://login.microsoftonline.com/{TENANT}/v2.0",
                        "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                        "token_endpoint": f"{base}/oauth2/v2.0/token",
                        "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
                    }
                )
            case "oauth2/v2.0/token":
                return self._token(seen.form)
            case "oauth2/v2.0/devicecode":
                return self._device_code(seen.form)
            case "oauth2/v2.0/authorize":
                return self._authorize(seen.query)
        return 404, {"Content-Type": "text/html"}, b"<html>no such page</html>"

    def _token(self, form: Form) -> Reply:
        if form.get("client_id") != CLIENT:
            return entra(700016, "unauthorized_client", "Application was not found.")
        match form.get("grant_type"):
            case "client_credentials":
                return self._client_credentials(form)
            case "urn:ietf:params:oauth:grant-type:device_code":
                if self.device_error:
                    return entra(70020, self.device_error, "The code has expired.")
                if self.pending_polls:
                    self.pending_polls -= 1
                    return entra(70016, "authorization_pending", "Still waiting for the user.")
                return self._user_token(form, nonce=None)
            case "authorization_code":
                asked = self.codes.pop(form.get("code", ""), None)
                if asked is None or not _pkce(asked, form):
                    return entra(54005, "invalid_grant", "The code is not valid.")
                return self._user_token(form, nonce=asked.get("nonce"))
            case "refresh_token":
                if form.get("refresh_token") not in self.refresh_tokens:
                    return entra(700082, "invalid_grant", "The refresh token has expired.")
                return self._user_token(form, nonce=None)
        return entra(70003, "unsupported_grant_type", "No such grant.")

    def _client_credentials(self, form: Form) -> Reply:
        if "client_assertion" in form:
            fault = self._assertion_fault(form["client_assertion"])
        elif form.get("client_secret") in self.secrets:
            fault = None
        else:
            fault = entra(7000215, "invalid_client", "Invalid client secret provided.", 401)
        if fault:
            return fault
        if form.get("scope") not in self.scopes:
            return entra(500011, "invalid_resource", "The resource principal was not found.")
        return _json({"token_type": "Bearer", "expires_in": 3599, "access_token": self.token()})

    def _assertion_fault(self, assertion: str) -> Reply | None:
        header = jwt.get_unverified_header(assertion)
        if "x5t#S256" not in header:
            claims = jwt.decode(assertion, options={"verify_signature": False})
            if (claims.get("iss"), claims.get("sub"), claims.get("aud")) in self.federated:
                return None
            text = "No matching federated identity record found for presented assertion subject."
            return entra(700213, "invalid_client", text, 401)
        for own in self.certificates:
            if own.thumbprint == header["x5t#S256"].rstrip("="):
                try:
                    jwt.decode(
                        assertion,
                        own.key.public_key(),
                        algorithms=["PS256"],
                        audience=f"{self.url}/{TENANT}/oauth2/v2.0/token",
                        issuer=CLIENT,
                    )
                except jwt.InvalidTokenError as error:
                    return entra(700027, "invalid_client", f"Signature: {error}", 401)
                return None
        return entra(700027, "invalid_client", "The certificate is not registered.", 401)

    def _device_code(self, form: Form) -> Reply:
        if form.get("client_id") != CLIENT:
            return entra(700016, "unauthorized_client", "Application was not found.")
        return _json(
            {
                "user_code": "ABC123",
                "device_code": "Canary-device-code",
                "verification_uri": "https://microsoft.example/devicelogin",
                "expires_in": 900,
                "interval": 5,
            }
        )

    def _authorize(self, query: Form) -> Reply:
        code = f"Canary-code-{uuid.uuid4()}"
        self.codes[code] = query
        page = {"redirect_uri": query["redirect_uri"], "code": code, "state": query["state"]}
        return _json(page)  # Entra answers a page that posts this; the test's browser posts it

    def _user_token(self, form: Form, nonce: str | None) -> Reply:
        refresh = f"Canary-refresh-{uuid.uuid4()}"
        self.refresh_tokens.add(refresh)
        now = int(time.time())
        identity = {
            "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0",
            "sub": "subject",
            "aud": CLIENT,
            "exp": now + 3600,
            "iat": now,
            "tid": TENANT,
            "preferred_username": USER,
            **({"nonce": nonce} if nonce else {}),
        }
        client_info = json.dumps({"uid": "uid", "utid": TENANT}).encode()
        return _json(
            {
                "token_type": "Bearer",
                "scope": form.get("scope", SCOPE).replace("/.default", "/User.Read") + f" {SCOPE}",
                "expires_in": 3599,
                "access_token": self.token(roles=None, scp="User.Read", upn=USER),
                "refresh_token": refresh,
                "id_token": jwt.encode(identity, KEY),
                "client_info": base64.urlsafe_b64encode(client_info).decode().rstrip("="),
            }
        )

    def _github(self, seen: Seen) -> Reply:
        if seen.headers.get("authorization") != f"Bearer {GITHUB_BEARER}":
            return _json({"message": f"bad bearer {seen.headers.get('authorization')}"}, 401)
        claims = {
            "iss": GITHUB_ISSUER,
            "sub": self.github_subject,
            "aud": self.github_audience or seen.query.get("audience", "https://github.com/contoso"),
            "exp": int(time.time()) + 300,
            "jti": str(uuid.uuid4()),
        }
        return _json({"count": 1, "value": jwt.encode(claims, KEY)})

    def _imds(self, seen: Seen) -> Reply:
        if seen.headers.get("metadata") != "true":
            return _json({"error": "bad_request_102"}, 400)
        if seen.query.get("resource", "").endswith("/.default"):
            return _json(
                {"error": "invalid_resource", "error_description": "no such resource"}, 400
            )
        if seen.query.get("client_id") not in self.identities:
            text = "Identity not found"
            return _json({"error": "invalid_request", "error_description": text}, 400)
        token = {"access_token": self.token(), "expires_in": "3599", "token_type": "Bearer"}
        return _json({**token, "resource": seen.query["resource"]})

    def token(self, *, lasts: int = 3599, **more: Any) -> str:
        """A Graph token as Entra would make it; no two are the same."""
        claims = {
            "aud": "https://graph.microsoft.com",
            "iss": f"https://sts.windows.net/{TENANT}/",
            "tid": TENANT,
            "appid": CLIENT,
            "app_displayname": "reconciler",
            "exp": int(time.time()) + lasts,
            "roles": self.roles,
            "uti": str(uuid.uuid4()),
            **more,
        }
        return jwt.encode({key: value for key, value in claims.items() if value is not None}, KEY)


def entra(code: int, error: str, text: str, status: int = 400) -> Reply:
    """An error answer in Entra's form."""
    stamp, trace, correlation = "2026-11-23 10:00:00Z", str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
    trailer = f"Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}"
    return _json(
        {
            "error": error,
            "error_description": f"AADSTS{code}: {text} {trailer}",
            "error_codes": [code],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
        },
        status,
    )


def _json(body: Mapping[str, Any], status: int = 200) -> Reply:
    return status, {"Content-Type": "application/json; charset=utf-8"}, json.dumps(body).encode()


def _pkce(asked: Form, form: Form) -> bool:
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    return asked.get("code_challenge") == base64.urlsafe_b64encode(digest).decode().rstrip("=")
