"""Who the token is, so that nobody else's words are ever edited or trusted. Does I/O.

``GET /user`` refuses the token of a GitHub Actions job (an app's installation token) with 403;
GraphQL's ``viewer`` answers for every kind of token, and its ``databaseId`` is REST's ``user.id``:
41898282 and ``github-actions[bot]`` for such a job. The id decides where it is known: logins can
be renamed and taken by others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.github.api import GitHubApi
from reconciler.github.errors import GitHubError, MissingError, PermissionDenied
from reconciler.model.errors import ConfigError

ACTIONS_BOT = "github-actions[bot]"


@dataclass(frozen=True, slots=True)
class Author:
    """An account; ``id`` is None where only the login is known."""

    login: str
    id: int | None = None

    def wrote(self, post: Mapping[str, Any]) -> bool:
        """Whether a comment or an issue, as REST tells of it, is this account's own."""
        user = post.get("user")
        if not isinstance(user, dict):  # the account was deleted
            return False
        if self.id is not None:
            return bool(user.get("id") == self.id)
        login = str(user.get("login", ""))
        # A person may not pass for a bot: no person's login holds brackets, and GitHub says Bot.
        if self.login.endswith("[bot]") and user.get("type") != "Bot":
            return False
        return login.casefold() == self.login.casefold()

    def is_editor(self, editor: Mapping[str, Any]) -> bool:
        """Whether an account, as GraphQL tells of it, is this one (bots stand there without [bot])."""
        if self.id is not None:
            return bool(editor.get("databaseId") == self.id)
        login = str(editor.get("login", "")).casefold().removesuffix("[bot]")
        return login == self.login.casefold().removesuffix("[bot]")


def identify(api: GitHubApi, *, login: str | None = None, in_actions: bool = False) -> Author:
    """Find out whose token it is; ``login`` is the user's own word for it, and asks nobody.

    Inside GitHub Actions the job's bot is assumed where GitHub will not tell: with another app's
    token that finds no comment, and so edits none.
    """
    if login is not None:
        if not login.strip():
            raise ConfigError("the author's login is empty; give the account that writes comments")
        return Author(login.strip())
    attempted = "finding out who the GitHub token belongs to"
    try:
        viewer = api.ask("query { viewer { login databaseId } }", {}, attempted=attempted)
        return _author(viewer.get("viewer"), "databaseId", attempted)
    except GitHubError as refused:
        if refused.status == 401:
            raise
    try:
        return _author(api.get("/user", attempted=attempted), "id", attempted)
    except (PermissionDenied, MissingError) as refused:
        if refused.status == 401 or not in_actions:
            raise
        return Author(ACTIONS_BOT)


def _author(account: object, id_field: str, attempted: str) -> Author:
    if isinstance(account, dict):
        login, number = account.get("login"), account.get(id_field)
        if isinstance(login, str) and login and isinstance(number, int):
            return Author(login, number)
    raise GitHubError("the response names no account", attempted=attempted)
