"""Read Graph's responses: errors, waits, approvals. No I/O.

Graph's envelope is ``{"error": {"code", "message", "innerError": {...}}}``, and Intune wraps JSON
of its own in the message. Code branches on status and ``code``; the message is for people.
Sources: https://learn.microsoft.com/graph/errors, graph.md sections 7 and 10.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from reconciler.graph import exact_json
from reconciler.model.errors import (
    AuthError,
    GraphError,
    MultiAdminApprovalError,
    MultiAdminApprovalStatus,
    NotFoundError,
    ReconcilerError,
    RouteMissingError,
    ThrottledError,
)
from reconciler.model.identifiers import is_guid
from reconciler.model.state import Moment
from reconciler.runtime.known_secrets import strike
from reconciler.runtime.retry import retry_after_of

APPROVAL_CODE_HEADER = "x-msft-approval-code"
JUSTIFICATION_HEADER = "x-msft-approval-justification"

_ROUTE_MISSING = "no method match route template"
_OPERATION_ID = re.compile(r"\s*-\s*Operation ID \(for customer support\).*", re.DOTALL)
_ACTIVITY_ID = re.compile(r"Activity ID:\s*([0-9a-fA-F-]{36})")
_REQUEST_ID = re.compile(r"[0-9A-Za-z._:|-]+")
_CUT_JSON = "holds JSON that cannot be read (it seems to be cut off)"
_ODD_JSON = "holds JSON that cannot be read (nested too deeply, or with a number that is none)"
_MAX_MESSAGE = 500


@dataclass(frozen=True, slots=True)
class GraphResponse:
    """One HTTP response, or one entry of a ``$batch``.

    ``body`` is the parsed JSON, None where there was none. ``fault`` says why the response is not one
    of Graph's, "" where it may be: something between here and Graph answered in its place, or the
    body cannot be read. ``host`` is where it came from, "" inside a ``$batch``. ``sent_at`` is the
    moment directly before its request went out, None inside a ``$batch``.
    """

    status: int
    headers: Mapping[str, str]
    body: Any
    fault: str = ""
    host: str = ""
    sent_at: Moment | None = None

    @classmethod
    def of(cls, response: httpx.Response) -> GraphResponse:
        """Read an HTTP response."""
        headers = {name.lower(): value for name, value in response.headers.items()}
        host = _host_of(response)
        content = response.content.strip()
        if not content:
            return cls(response.status_code, headers, None, host=host)
        try:
            body = exact_json.loads(content)
        except json.JSONDecodeError:
            fault = _CUT_JSON if content[:1] in (b"{", b"[") else "is not JSON"
            return cls(response.status_code, headers, None, fault, host)
        except ValueError:
            return cls(response.status_code, headers, None, _ODD_JSON, host)
        return cls(response.status_code, headers, body, host=host)

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def is_foreign(self) -> bool:
        """Whether the response is not one of Graph's, or cannot be read."""
        return bool(self.fault) or (
            self.status >= 400 and self.body is not None and not self._error and not self.request_id
        )

    @property
    def is_lasting(self) -> bool:
        """Whether the same response would come again: Graph's own JSON, whole, and of no use."""
        return self.fault == _ODD_JSON

    @property
    def is_token_refused(self) -> bool:
        """Whether Graph itself refused the token."""
        return self.status == 401 and not self.is_foreign

    @property
    def _error(self) -> Mapping[str, Any]:
        error = self.body.get("error") if isinstance(self.body, dict) else None
        return error if isinstance(error, dict) else {}

    @property
    def code(self) -> str:
        """Graph's error code, "" where there is none."""
        return _harmless(self._error.get("code"))[:100]

    @property
    def request_id(self) -> str | None:
        """The id that Microsoft's support asks for."""
        inner = self._error.get("innerError") or self._error.get("innererror")
        from_body = inner.get("request-id") if isinstance(inner, dict) else None
        request_id = str(self.headers.get("request-id") or from_body or "")[:100]
        return request_id if _REQUEST_ID.fullmatch(request_id) else None

    @property
    def message(self) -> str:
        """What went wrong in one line, unwrapped from Intune's JSON in a string."""
        if self.is_foreign:
            return _foreign_message(self.host, self.fault)
        message = _harmless(self._error.get("message")).strip()
        return plain_message(message) or f"Graph gave no reason (HTTP {self.status})"


def _foreign_message(host: str, fault: str) -> str:
    source = f"the response of {host}" if host else "the response"
    if fault in (_CUT_JSON, _ODD_JSON):
        return f"{source} {fault}; nothing was concluded from it"
    return (
        f"{source} {fault or 'does not have the form that Graph documents'}, so something other "
        "than Microsoft Graph gave it (a proxy, a gateway or a sign-in page)"
    )


def _host_of(response: httpx.Response) -> str:
    try:
        return response.request.url.host
    except RuntimeError:  # a response that was made by hand
        return ""


def _harmless(value: object) -> str:
    """Foreign text for a message: without this run's secrets and without half surrogate pairs."""
    text = "" if value is None else str(value)
    return strike(text).encode("utf-8", "replace").decode()


def plain_message(message: str) -> str:
    """Unwrap Intune's stringified JSON, and cut internal addresses off; keep the activity id."""
    if message.startswith("{"):
        try:
            wrapped = json.loads(message)
        except (ValueError, RecursionError):
            wrapped = None
        if isinstance(wrapped, dict):
            message = _harmless(wrapped.get("Message") or wrapped.get("message") or message)
    activity = _ACTIVITY_ID.search(message)
    text = " ".join(_OPERATION_ID.sub("", message).split())[:_MAX_MESSAGE]
    return f"{text} (activity id {activity.group(1)})" if activity else text


def is_throttled(response: GraphResponse) -> bool:
    """Whether Graph asks to slow down; one part of Intune does so with a 500 (graph.md section 7)."""
    if response.status in (429, 503):
        return True
    return response.status == 500 and "rate limit" in response.message.casefold()


def refusal(response: GraphResponse, attempted: str, *, now: datetime) -> ReconcilerError:
    """Choose the exception for a response that is a definite refusal."""
    approval = _approval(response, attempted)
    if approval is not None:
        return approval
    if response.is_token_refused:
        return token_refused(response, attempted)
    kind: type[GraphError] = GraphError
    if response.code.casefold() == _ROUTE_MISSING:
        kind = RouteMissingError
    elif response.status == 404 or response.code.casefold() in (
        "resourcenotfound",
        "request_resourcenotfound",
    ):
        kind = NotFoundError
    elif response.status == 429:
        kind = ThrottledError
    return kind(
        response.message + _hint(response),
        attempted=attempted,
        status=response.status,
        code=response.code,
        request_id=response.request_id,
        retry_after=retry_after_of(response.headers, now),
    )


def token_refused(
    response: GraphResponse,
    attempted: str,
    advice: str = "sign in again, and check that the token was issued for this cloud's Graph",
) -> AuthError:
    """The error for a 401: Graph's own reason and request-id first, then what to do."""
    status = f"{response.status} {response.code}".strip()
    request = f" (request-id {response.request_id})" if response.request_id else ""
    return AuthError(
        f"{attempted}: Microsoft Graph refused the token ({status}: {response.message}){request}; "
        f"{advice}"
    )


_NO_LICENCE = "request not applicable to target tenant"
"""How Graph says that a tenant has no Intune licence (graph.md section 7)."""


def _hint(response: GraphResponse) -> str:
    if response.is_foreign:
        return "; check HTTPS_PROXY and NO_PROXY" * (response.fault not in (_CUT_JSON, _ODD_JSON))
    if _NO_LICENCE in response.message.casefold():
        return "; this tenant has no active Intune licence"
    if response.status == 403:
        return (
            "; an app permission may be missing, or an Intune licence, or an Intune role "
            "(`reconciler doctor` tells which)"
        )
    if 300 <= response.status < 400:
        return (
            "; redirects are not followed: check RECONCILER_GRAPH_URL, and whether a proxy wants "
            "a sign-in"
        )
    return ""


def _approval(response: GraphResponse, attempted: str) -> MultiAdminApprovalError | None:
    """Recognise Multi Admin Approval in each form that was documented or observed."""
    code = response.headers.get(APPROVAL_CODE_HEADER, "").strip()
    text = response.message.casefold()
    if JUSTIFICATION_HEADER in text and ("required" in text or "exceed" in text):
        status, message = (
            MultiAdminApprovalStatus.BLOCKED,
            f"{response.message}; give it with --justification",
        )
    elif code or response.code.casefold() == "approvalrequired":
        status, message = (
            MultiAdminApprovalStatus.PENDING,
            "a second administrator must approve this write",
        )
    elif "active approval request already exists" in text:
        status, message = (
            MultiAdminApprovalStatus.PENDING,
            "an approval request for this policy is open",
        )
    else:
        return None
    return MultiAdminApprovalError(
        message,
        attempted=attempted,
        approval_code=code.casefold() if is_guid(code) else None,
        approval_status=status,
        status=response.status,
        code=response.code,
        request_id=response.request_id,
    )
