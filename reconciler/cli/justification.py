"""The reason that Multi Admin Approval is given for a write."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.model.errors import UsageError

MAX_BYTES = 1024
"""Graph refuses a longer justification ([O] graph.md section 10)."""


def justification(given: str | None, environ: Mapping[str, str]) -> str | None:
    """Take the given text, else name the commit and the run in GitHub Actions, else nothing.

    Raises `UsageError` for one that Graph would refuse. The text must be the same for every run of
    one commit, so neither a time nor a run's number is in it.
    """
    if given is not None:
        if not given.strip() or len(given.encode()) > MAX_BYTES:
            raise UsageError(f"--justification takes 1 to {MAX_BYTES} bytes of text")
        return given
    if environ.get("GITHUB_ACTIONS") != "true":
        return None
    repository = environ.get("GITHUB_REPOSITORY", "")
    commit = environ.get("GITHUB_SHA", "")[:12]
    event = environ.get("GITHUB_EVENT_NAME", "")
    text = f"reconciler apply: {repository} commit {commit} ({event})"
    return text.encode()[:MAX_BYTES].decode(errors="ignore")
