"""What proves an app's identity: a secret, a certificate, a token from elsewhere. Reads files; asks GitHub.

Each kind keeps its secrets out of its ``repr`` and names itself for messages. Nothing is read before
`AppCredential.for_msal` or the assertion that it hands to MSAL is called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit

from reconciler.graph.auth.claims import Claims, claims
from reconciler.graph.auth.sign_in_errors import hidden
from reconciler.graph.clouds import is_loopback
from reconciler.model.errors import AuthError

if TYPE_CHECKING:
    from reconciler.graph.auth.sign_in_http import Wire

LARGEST_TOKEN_FILE = 64 * 1024
GITHUB_PERMISSION = "give the job the permission `id-token: write` (GitHub withholds it from pull requests of forks)"

MsalCredential = str | dict[str, str] | dict[str, Callable[[], str]]


class AppCredential(Protocol):
    """One way for an app to prove who it is."""

    def describe(self) -> str:
        """Name the kind of credential, without any secret."""
        ...

    def for_msal(self) -> MsalCredential:
        """The ``client_credential`` that MSAL takes."""
        ...

    def secrets(self) -> tuple[str, ...]:
        """Values that must not show in any message."""
        ...

    def assertion(self) -> Claims | None:
        """What the last federated token said of itself, None for other kinds."""
        ...


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A password of the app."""

    value: str = field(repr=False)

    def describe(self) -> str:
        """Name the kind."""
        return "client secret"

    def for_msal(self) -> MsalCredential:
        """The secret itself."""
        return self.value

    def secrets(self) -> tuple[str, ...]:
        """The secret."""
        return (self.value,)

    def assertion(self) -> Claims | None:
        """A secret asserts nothing."""
        return None


@dataclass(slots=True)
class FederatedTokenFile:
    """A token in a file that something else keeps fresh (AKS, for one): read anew for each request."""

    path: Path
    _last: str = field(default="", repr=False)

    def describe(self) -> str:
        """Name the kind and the file."""
        return f"federated token in {self.path}"

    def for_msal(self) -> MsalCredential:
        """A callable: MSAL calls it only when a token request really goes out ([O] graph.md 9)."""
        return {"client_assertion": self._read}

    def secrets(self) -> tuple[str, ...]:
        """The token read last."""
        return (self._last,) if self._last else ()

    def assertion(self) -> Claims | None:
        """The claims of the token read last."""
        return claims(self._last) if self._last else None

    def _read(self) -> str:
        # The path is shown, the content never: a mistake may well have put a secret there.
        try:
            with self.path.open("rb") as file:
                content = file.read(LARGEST_TOKEN_FILE + 1)
        except OSError as error:
            raise AuthError(
                f"cannot read the federated token: AZURE_FEDERATED_TOKEN_FILE names {self.path}: "
                f"{error.strerror or type(error).__name__}"
            ) from None
        text = content.decode("ascii", "replace").strip()
        if len(content) > LARGEST_TOKEN_FILE or not text or not _is_one_word(text):
            raise AuthError(f"{self.path} (AZURE_FEDERATED_TOKEN_FILE) does not hold one token")
        self._last = text
        return text


@dataclass(slots=True)
class GitHubOidc:
    """The identity of a GitHub Actions job: GitHub signs a fresh token for each request."""

    url: str = field(repr=False)
    request_token: str = field(repr=False)
    audience: str
    wire: Wire = field(repr=False)
    _last: str = field(default="", repr=False)

    def describe(self) -> str:
        """Name the kind."""
        return "GitHub Actions identity (OIDC)"

    def for_msal(self) -> MsalCredential:
        """A callable: a job's token lives minutes, an apply may run longer."""
        return {"client_assertion": self._fetch}

    def secrets(self) -> tuple[str, ...]:
        """The bearer for GitHub, and the token that GitHub gave last."""
        return (self.request_token, self._last) if self._last else (self.request_token,)

    def assertion(self) -> Claims | None:
        """The claims of the token that GitHub gave last."""
        return claims(self._last) if self._last else None

    def _fetch(self) -> str:
        from reconciler.graph.auth.sign_in_http import SigninFailure, SigninHttp  # noqa: PLC0415 - requests is slow to import

        parts = urlsplit(self.url)
        secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))
        if not secure or not parts.hostname or "@" in parts.netloc:
            raise AuthError("ACTIONS_ID_TOKEN_REQUEST_URL is not an https address")
        # The address already has a query ([D] graph.md section 9).
        query = [pair for pair in parse_qsl(parts.query) if pair[0] != "audience"]
        url = parts._replace(query=urlencode([*query, ("audience", self.audience)])).geturl()
        http = SigninHttp(self.wire, self.url)
        try:
            answer = http.get(url, headers={"Authorization": f"Bearer {self.request_token}"})
        except SigninFailure as failure:
            raise AuthError(
                hidden(f"no identity token from GitHub: {failure}", self.secrets())
            ) from None
        finally:
            http.close()
        if answer.status_code != 200:
            raise AuthError(
                f"no identity token from GitHub: HTTP {answer.status_code}; {GITHUB_PERMISSION}, "
                f"and ask while the job runs: its request token ends with it"
            )
        value = answer.parsed().get("value")
        if not isinstance(value, str) or not _is_one_word(value):
            raise AuthError("no identity token from GitHub: its answer holds no token")
        self._last = value
        return value


def _is_one_word(text: str) -> bool:
    return bool(text) and text.isascii() and all("!" <= character <= "~" for character in text)
