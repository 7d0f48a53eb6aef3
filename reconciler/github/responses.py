"""Make sense of what GitHub answers: errors, rate limits, pages. No I/O.

GitHub limits requests with 403 as well as 429, and tells when to come back in one of three ways;
where it tells nothing, it asks for a minute at least, and for longer each time.
Source: https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from reconciler.github.errors import GitHubError, MissingError, PermissionDenied
from reconciler.model.text import visible
from reconciler.runtime.known_secrets import strike
from reconciler.runtime.retry import http_date, retry_after_of

_MAX_MESSAGE = 500
_LIMIT_WORDS = ("rate limit", "abuse detection")
_NOT_IN_AN_ID = re.compile(r"[^0-9A-Za-z:._-]")
_DOCUMENTATION = re.compile(r"https://[0-9A-Za-z./_~#?=&%-]{1,300}")


@dataclass(frozen=True, slots=True)
class GitHubResponse:
    """One HTTP response.

    ``body`` is the parsed JSON, None where there was none; ``next_url`` leads to the next page.
    ``is_foreign`` says that the body is not JSON although one was due: a proxy answered, or the
    response was cut off.
    """

    status: int
    headers: Mapping[str, str]
    body: Any
    next_url: str | None = None
    is_foreign: bool = False

    @classmethod
    def of(cls, response: httpx.Response, *, secret: str) -> GitHubResponse:
        """Read a response; ``secret`` is struck out of it first, so that no message can carry it."""
        headers = {
            name.lower(): value.replace(secret, "***") for name, value in response.headers.items()
        }
        next_url = response.links.get("next", {}).get("url")
        text = response.text.replace(secret, "***").strip()
        if not text:
            return cls(response.status_code, headers, None, next_url)
        try:
            return cls(response.status_code, headers, json.loads(text), next_url)
        except (ValueError, RecursionError):
            return cls(response.status_code, headers, None, next_url, is_foreign=True)

    @property
    def is_success(self) -> bool:
        """Whether the request was carried out."""
        return 200 <= self.status < 300

    @property
    def request_id(self) -> str | None:
        """The id that GitHub's support asks for."""
        return _NOT_IN_AN_ID.sub("", self.headers.get("x-github-request-id", ""))[:100] or None

    @property
    def documentation(self) -> str | None:
        """GitHub's link about this kind of request, where it is a plain address."""
        url = self.body.get("documentation_url") if isinstance(self.body, dict) else None
        return url if isinstance(url, str) and _DOCUMENTATION.fullmatch(url) else None

    @property
    def message(self) -> str:
        """What GitHub says of an error, on one line, with the validation errors spelt out."""
        if not isinstance(self.body, dict):
            return "the response is not GitHub's (is there a proxy in between?)"
        errors = self.body.get("errors")
        parts = [self.body.get("message"), *(errors if isinstance(errors, list) else [])]
        text = "; ".join(text for part in parts if (text := _text_of(part)))
        return on_one_line(text or "no reason given")


def on_one_line(text: str) -> str:
    """Foreign text for a message: no secrets, no control characters, and not endless."""
    clean = visible(" ".join(strike(text).split()))
    return clean if len(clean) <= _MAX_MESSAGE else clean[: _MAX_MESSAGE - 1] + "…"


def is_throttled(response: GitHubResponse) -> bool:
    """Whether GitHub turned the request away unseen because there were too many."""
    if response.status == 429:
        return True
    if response.status != 403:
        return False
    return (
        "retry-after" in response.headers
        or response.headers.get("x-ratelimit-remaining") == "0"
        or any(words in response.message.casefold() for words in _LIMIT_WORDS)
    )


def wait_asked_for(response: GitHubResponse, now: datetime) -> float | None:
    """Seconds until GitHub will listen again, None where it does not say.

    Moments are judged by the response's own ``Date``, not by this machine's clock.
    """
    if "retry-after" in response.headers:
        return retry_after_of(response.headers, now)
    if response.headers.get("x-ratelimit-remaining") != "0":
        return None
    try:
        reset = float(int(response.headers.get("x-ratelimit-reset", "")))
    except (ValueError, OverflowError):
        return None
    # One second more: the two clocks differ, and the reset is given in whole seconds.
    sent = http_date(response.headers.get("date", "")) or now
    return max(0.0, reset - sent.timestamp()) + 1.0


def refusal(response: GitHubResponse, attempted: str, *, is_write: bool) -> GitHubError:
    """Choose the exception for an response that is not a success."""
    kind = GitHubError
    # What a proxy says in GitHub's place tells nothing of the token.
    if response.is_foreign:
        pass
    # GitHub says 404, not 403, where a token may not know of what it tries to change.
    elif response.status in (401, 403) or (response.status == 404 and is_write):
        kind = PermissionDenied
    elif response.status == 404:
        kind = MissingError
    return kind(
        response.message + _hint(response, is_write=is_write),
        attempted=attempted,
        status=response.status,
        request_id=response.request_id,
        documentation=response.documentation,
    )


def _hint(response: GitHubResponse, *, is_write: bool) -> str:
    if response.is_foreign:
        return ""
    if response.status == 401:
        return "; the token is wrong or has expired, check GITHUB_TOKEN"
    if response.status == 403 and "resource not accessible" in response.message.casefold():
        if not is_write:
            return (
                "; the token lacks a permission: give the job `pull-requests: read` and "
                "`statuses: read`"
            )
        return (
            "; the token lacks a permission: give the job `pull-requests: write` and "
            "`statuses: write` (for the drift issue `issues: write`); a pull request from a fork "
            "only ever gets a read-only token"
        )
    if response.status == 404 and is_write:
        return "; it is gone, or the token may not write to this repository"
    if response.status == 404:
        return "; check the number and GITHUB_REPOSITORY, and that the token may read it"
    if 300 <= response.status < 400:
        return "; redirects to another host are not followed, check GITHUB_API_URL"
    return ""


def _text_of(part: object) -> str:
    if isinstance(part, dict):
        if part.get("message"):
            return str(part["message"])
        return " ".join(str(part[key]) for key in ("resource", "field", "code") if part.get(key))
    return str(part or "")
