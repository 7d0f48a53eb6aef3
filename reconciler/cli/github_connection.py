"""Open GitHub with the token, the addresses and the certificates of the environment."""

from __future__ import annotations

import random
from collections.abc import Mapping

from reconciler.github.api import GitHubApi
from reconciler.github.environment import GitHubEnvironment
from reconciler.model.ports import Clock
from reconciler.runtime.deadline import Deadline
from reconciler.runtime.http_client import open_client
from reconciler.runtime.retry import Backoff

_CONNECTIONS = 2
"""GitHub is asked one thing after the other."""


def open_github(
    environment: GitHubEnvironment,
    environ: Mapping[str, str],
    *,
    clock: Clock,
    deadline: Deadline,
) -> GitHubApi:
    """Make the client; nothing is sent yet. Raises where the token or the repository is missing."""
    return GitHubApi(
        http=open_client(environment.api_url, environ, connections=_CONNECTIONS),
        api_url=environment.api_url,
        repository=environment.need_repository(),
        token=environment.need_token(),
        clock=clock,
        deadline=deadline,
        backoff=Backoff(random.Random()),
    )
