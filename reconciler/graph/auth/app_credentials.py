"""What proves an app's identity: a secret, or a token from elsewhere. Reads files; asks GitHub.

Each kind keeps its secrets out of its ``repr`` and names itself for messages by the variable that it
comes from: never by the variable's value, as people put the secret itself where a path belongs.
Nothing is read before `AppCredential.for_msal` or the assertion that it hands to MSAL is called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit

from reconciler.graph.auth.token_claims import TokenClaims, read_claims
from reconciler.model.errors import AuthError
from reconciler.runtime.addresses import is_loopback, is_one_word
from reconciler.runtime.certificates import path_mistake
from reconciler.runtime.known_secrets import KNOWN, strike

if TYPE_CHECKING:
    from reconciler.graph.auth.sign_in_http import Wire

LARGEST_TOKEN_FILE = 64 * 1024
TOKEN_FILE_VARIABLE = "AZURE_FEDERATED_TOKEN_FILE"  # noqa: S105 - its name, not its value
GITHUB_PERMISSION = "give the job the permission `id-token: write` (GitHub withholds it from pull requests of forks)"

MsalCredential = str | dict[str, str] | dict[str, Callable[[], str]]


class AppCredential(Protocol):
    """One way for an app to prove who it is."""

    def describe(self) -> str:
        """Name the kind of credential, without any value from the environment."""
        ...

    def for_msal(self) -> MsalCredential:
        """The ``client_credential`` that MSAL takes."""
        ...

    def assertion(self) -> TokenClaims | None:
        """What the last federated token says of itself, None for other kinds."""
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

    def assertion(self) -> TokenClaims | None:
        """A secret asserts nothing."""
        return None


@dataclass(slots=True)
class FederatedTokenFile:
    """A token in a file that something else keeps fresh (AKS, for one): read anew for each request."""

    path: Path = field(repr=False)
    _last: str = field(default="", repr=False)

    def describe(self) -> str:
        """Name the kind and the variable."""
        return f"federated token ({TOKEN_FILE_VARIABLE})"

    def for_msal(self) -> MsalCredential:
        """A callable: MSAL calls it only when a token request really goes out (graph.md section 9)."""
        return {"client_assertion": self._read}

    def assertion(self) -> TokenClaims | None:
        """The claims of the token read last."""
        return read_claims(self._last) if self._last else None

    def _read(self) -> str:
        try:
            with self.path.open("rb") as file:
                content = file.read(LARGEST_TOKEN_FILE + 1)
        except (OSError, ValueError) as error:
            raise AuthError(
                f"cannot read the federated token: {TOKEN_FILE_VARIABLE} "
                f"{path_fault(self.path, error)}"
            ) from None
        text = content.decode("ascii", "replace").strip()
        if len(content) > LARGEST_TOKEN_FILE or not is_one_word(text):
            raise AuthError(
                f"cannot read the federated token: the file that {TOKEN_FILE_VARIABLE} names does "
                f"not hold one token"
            )
        KNOWN.learn(text)
        self._last = text
        return text


def path_fault(path: Path, error: OSError | ValueError) -> str:
    """Say why a path cannot be read, without the path: it may be a secret in the wrong place."""
    mistake = path_mistake(str(path))
    if mistake is not None:
        return mistake
    reason = error.strerror if isinstance(error, OSError) else None
    return f"names a file that cannot be read: {reason or type(error).__name__}"


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

    def assertion(self) -> TokenClaims | None:
        """The claims of the token that GitHub gave last."""
        return read_claims(self._last) if self._last else None

    def _fetch(self) -> str:
        from reconciler.graph.auth.sign_in_http import SigninFailure, SigninHttp  # noqa: PLC0415 - requests is slow to import

        url = self._address()
        if not is_one_word(self.request_token):
            raise AuthError("ACTIONS_ID_TOKEN_REQUEST_TOKEN does not hold one token")
        http = SigninHttp(self.wire, self.url)
        try:
            response = http.get(url, headers={"Authorization": f"Bearer {self.request_token}"})
        except SigninFailure as failure:
            raise AuthError(strike(f"no identity token from GitHub: {failure}")) from None
        finally:
            http.close()
        if response.status_code != 200:
            raise AuthError(
                f"no identity token from GitHub: HTTP {response.status_code}; {GITHUB_PERMISSION}, "
                f"and ask while the job runs: its request token ends with it"
            )
        value = response.parsed().get("value")
        if not isinstance(value, str) or not is_one_word(value):
            raise AuthError("no identity token from GitHub: its response holds no token")
        KNOWN.learn(value)
        self._last = value
        return value

    def _address(self) -> str:
        """The job's address with our audience in its query, which is there already (graph.md section 9)."""
        try:
            parts = urlsplit(self.url)
            _ = parts.port  # raises where the port is no number
        except ValueError:
            parts = urlsplit("")
        secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))
        if not secure or not parts.hostname or "@" in parts.netloc:
            raise AuthError("ACTIONS_ID_TOKEN_REQUEST_URL is not an https address")
        query = [pair for pair in parse_qsl(parts.query) if pair[0] != "audience"]
        return parts._replace(query=urlencode([*query, ("audience", self.audience)])).geturl()
