"""What GitHub Actions tells a job through its environment. Pure: reads the mapping it is given.

Outside of Actions the same variables work when set by hand. Nothing is required here: what an
operation cannot do without it asks for with one of the ``need_`` methods, which say what to set.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.model.errors import AuthError, ConfigError
from reconciler.runtime.addresses import address_fault, is_one_word

DEFAULT_API = "https://api.github.com"
DEFAULT_SERVER = "https://github.com"

_OWNER = re.compile(r"[0-9A-Za-z](?:[0-9A-Za-z_-]{0,98}[0-9A-Za-z])?")
_NAME = re.compile(r"(?!\.{1,2}\Z)[0-9A-Za-z._-]{1,100}")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_RUN_ID = re.compile(r"[0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class GitHubEnvironment:
    """The variables that matter, checked; None where one is not set. No ``repr`` shows the token.

    ``sha`` is the commit of the run: for a pull request GitHub's trial merge, not the head.
    """

    in_actions: bool
    api_url: str
    token: str | None = field(default=None, repr=False)
    repository: str | None = None
    run_url: str | None = None
    sha: str | None = None
    ref_name: str | None = None
    event_name: str | None = None
    event_path: Path | None = None

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> GitHubEnvironment:
        """Read and check the variables. Raises `ConfigError`, and `AuthError` for a garbled token."""
        server = _address(
            "GITHUB_SERVER_URL", _text(environ, "GITHUB_SERVER_URL") or DEFAULT_SERVER
        )
        repository = _repository(_text(environ, "GITHUB_REPOSITORY"))
        sha = _text(environ, "GITHUB_SHA")
        return cls(
            in_actions=_text(environ, "GITHUB_ACTIONS") == "true",
            api_url=_address("GITHUB_API_URL", _text(environ, "GITHUB_API_URL") or DEFAULT_API),
            token=_token(_text(environ, "GITHUB_TOKEN")),
            repository=repository,
            run_url=_run_url(server, repository, _text(environ, "GITHUB_RUN_ID")),
            sha=sha if sha and _COMMIT.fullmatch(sha) else None,
            ref_name=_text(environ, "GITHUB_REF_NAME"),
            event_name=_text(environ, "GITHUB_EVENT_NAME"),
            event_path=_path(environ, "GITHUB_EVENT_PATH"),
        )

    def need_token(self) -> str:
        """The token, or an error that says where to get one."""
        if self.token is None:
            raise AuthError(
                "GITHUB_TOKEN is not set; in a workflow, give the step "
                "`env: GITHUB_TOKEN: ${{ github.token }}`"
            )
        return self.token

    def need_repository(self) -> str:
        """The repository as ``owner/name``, or an error that says how to name it."""
        if self.repository is None:
            raise ConfigError("GITHUB_REPOSITORY is not set; set it to owner/name")
        return self.repository


def _text(environ: Mapping[str, str], name: str) -> str | None:
    return environ.get(name, "").strip() or None


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    value = _text(environ, name)
    return Path(value) if value else None


def _token(value: str | None) -> str | None:
    # Quoted nowhere: what stands in the wrong form here may still be a secret.
    if value is not None and not is_one_word(value):
        raise AuthError("GITHUB_TOKEN holds blanks or odd characters; it is no GitHub token")
    return value


def _repository(value: str | None) -> str | None:
    if value is None:
        return None
    owner, slash, name = value.partition("/")
    if not slash or not _OWNER.fullmatch(owner) or not _NAME.fullmatch(name):
        raise ConfigError("GITHUB_REPOSITORY must be owner/name")
    return value


def _run_url(server: str, repository: str | None, run_id: str | None) -> str | None:
    if repository is None or run_id is None or not _RUN_ID.fullmatch(run_id):
        return None
    return f"{server}/{repository}/actions/runs/{run_id}"


def _address(variable: str, value: str) -> str:
    # GitHub Enterprise Server may have a name without a dot.
    fault = address_fault(value, takes_bare_names=True)
    if fault is not None:
        raise ConfigError(f"{variable} {fault}")
    return value.rstrip("/")
