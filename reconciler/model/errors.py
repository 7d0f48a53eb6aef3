"""The exception tree: each kind means one next step for the user, and has its exit code. Pure.

ReconcilerError                   1   something failed
├── ConfigError                   1   fix the files (its message names them)
├── UsageError                   64   fix the command line
├── AuthError                     1   fix the credentials or the permissions
├── PlanFileError                 1   make a new plan file: this one cannot be used
├── StalePlanError                3   plan again: the tenant or the plan has changed
├── GuardrailError                5   a limit stopped the run: someone must consent
├── DeadlineError                 1   run again with a longer ``--timeout``
├── Interrupted                 130   the user asked to stop
└── GraphError                    1   Microsoft Graph refused or failed (status, code, request-id)
    ├── RouteMissingError             this tenant's service does not have the documented route
    ├── NotFoundError                 the object does not exist any more
    ├── ThrottledError                not executed; wait ``retry_after`` seconds
    ├── NotExecutedError              not executed; the cause is fixed. Retry after a new read
    ├── OutcomeUnknownError           a write may or may not have happened: read first
    └── MultiAdminApprovalError       Multi Admin Approval holds the request back
"""

from __future__ import annotations

from enum import IntEnum, StrEnum

from reconciler.model.text import visible


class ExitCode(IntEnum):
    """Exit codes of the command line (published: see the README)."""

    OK = 0
    ERROR = 1
    CHANGES = 2
    STALE = 3
    PENDING_APPROVAL = 4
    GUARDRAIL = 5
    USAGE = 64
    INTERRUPTED = 130


class ReconcilerError(Exception):
    """Base of every failure that a user may see; ``str()`` is a complete sentence for a person."""

    exit_code = ExitCode.ERROR


class ConfigError(ReconcilerError):
    """The desired state cannot be read at all (errors inside it are diagnostics, not exceptions)."""


class UsageError(ReconcilerError):
    """The command line asks for something that does not fit together."""

    exit_code = ExitCode.USAGE


class AuthError(ReconcilerError):
    """No token could be had, or the one presented does not belong to the declared tenant."""


class PlanFileError(ReconcilerError):
    """A file that should hold a plan does not hold one that can be used."""


class StalePlanError(ReconcilerError):
    """What was approved no longer matches what would be done."""

    exit_code = ExitCode.STALE


class GuardrailError(ReconcilerError):
    """A limit stopped the run before its first write."""

    exit_code = ExitCode.GUARDRAIL


class DeadlineError(ReconcilerError):
    """The time given by ``--timeout`` ran out."""


class Interrupted(ReconcilerError):  # noqa: N818 - it names a request of the user, not a fault
    """The user (Ctrl-C) or the machine (SIGTERM) asked the run to stop."""

    exit_code = ExitCode.INTERRUPTED


class GraphError(ReconcilerError):
    """Microsoft Graph responded with an error, or could not be reached.

    ``status`` is the HTTP status, 0 where there was no response. ``code`` is Graph's error code and the
    thing to branch on; ``request_id`` is what Microsoft's support asks for.
    """

    def __init__(
        self,
        message: str,
        *,
        attempted: str,
        status: int = 0,
        code: str = "",
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        """Keep the parts; the sentence is composed in ``__str__``."""
        super().__init__(message)
        self.message = message
        self.attempted = visible(attempted)
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after

    def __str__(self) -> str:
        """Say what was attempted, what came back, and the id to quote to Microsoft's support."""
        status = f"{self.status} {self.code}".strip() if self.status else self.code or "no response"
        request = f" (request-id {self.request_id})" if self.request_id else ""
        return f"{self.attempted}: {status}: {self.message}{request}"


class RouteMissingError(GraphError):
    """Graph says that no route matches, as real tenants do for POST .../assignments."""


class NotFoundError(GraphError):
    """The object asked for does not exist (any more), or this identity may not see it."""


class ThrottledError(GraphError):
    """429: the request was rejected before it had any effect."""


class NotExecutedError(GraphError):
    """Graph refused a write before it had any effect, for a reason that has been dealt with.

    The write may be made again, on a reading of its own.
    """


class OutcomeUnknownError(GraphError):
    """A write got no clear response (time-out, reset, 5xx): it may have happened."""


class MultiAdminApprovalStatus(StrEnum):
    """Where a write stands with Multi Admin Approval."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    COMPLETED = "completed"
    BLOCKED = "blocked"


class MultiAdminApprovalError(GraphError):
    """Multi Admin Approval took the write: it is queued (or refused), and never counts as applied.

    ``approval_code`` is the id of the request, None where Graph did not name it.
    """

    def __init__(
        self,
        message: str,
        *,
        attempted: str,
        approval_code: str | None,
        approval_status: MultiAdminApprovalStatus = MultiAdminApprovalStatus.PENDING,
        status: int = 0,
        code: str = "",
        request_id: str | None = None,
    ) -> None:
        """Keep the approval's parts beside those of every Graph error."""
        super().__init__(
            message, attempted=attempted, status=status, code=code, request_id=request_id
        )
        self.approval_code = approval_code
        self.approval_status = approval_status
