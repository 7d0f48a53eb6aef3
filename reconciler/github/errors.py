"""What can go wrong with GitHub, as exceptions that say what to do next. Pure.

GitHubError               1   GitHub refused or failed (status, request id)
├── PermissionDenied      1   this token may not do it: another token or more permissions are needed
├── MissingError          1   it does not exist, or this token may not know that it does
└── GitHubOutcomeUnknownError   1   something may or may not have been created: look before repeating
"""

from __future__ import annotations

from reconciler.model.errors import ReconcilerError


class GitHubError(ReconcilerError):
    """GitHub answered with an error, or could not be reached; ``status`` is 0 where no response came.

    ``documentation`` is GitHub's own link about the request, ``request_id`` what its support asks for.
    """

    def __init__(
        self,
        message: str,
        *,
        attempted: str,
        status: int = 0,
        request_id: str | None = None,
        documentation: str | None = None,
    ) -> None:
        """Keep the parts; the sentence is composed in ``__str__``."""
        super().__init__(message)
        self.message = message
        self.attempted = attempted
        self.status = status
        self.request_id = request_id
        self.documentation = documentation

    def __str__(self) -> str:
        """Say what was attempted, what came back, and where to read or ask further."""
        response = f"GitHub answered {self.status}" if self.status else "no response from GitHub"
        details = [
            *([f"request-id {self.request_id}"] if self.request_id else []),
            *([f"see {self.documentation}"] if self.documentation else []),
        ]
        return f"{self.attempted}: {response}: {self.message}" + (
            f" ({'; '.join(details)})" if details else ""
        )


class PermissionDenied(GitHubError):  # noqa: N818 - it names a state of affairs, not a fault
    """The token may not do this, as with the read-only token of a pull request from a fork."""


class MissingError(GitHubError):
    """What was asked for does not exist, or is hidden from this token."""


class GitHubOutcomeUnknownError(GitHubError):
    """A creation got no trustworthy response: it may have happened."""
