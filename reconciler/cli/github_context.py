"""What GitHub Actions says of the run, for the Markdown views."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.views.markdown_context import Context


def context(
    environ: Mapping[str, str], *, kind: str, root: str, commit: str | None = None
) -> Context:
    """Name the commit and the run where the environment knows them."""
    server = environ.get("GITHUB_SERVER_URL")
    repository = environ.get("GITHUB_REPOSITORY")
    run = environ.get("GITHUB_RUN_ID")
    in_actions = environ.get("GITHUB_ACTIONS") == "true" and server and repository
    page = f"{server}/{repository}" if in_actions else None
    return Context(
        kind=kind,
        commit=commit or environ.get("GITHUB_SHA") or None,
        run_url=f"{page}/actions/runs/{run}" if page and run else None,
        run_number=environ.get("GITHUB_RUN_NUMBER") or None,
        repository_url=page,
        root=root,
    )
