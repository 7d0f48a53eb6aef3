"""A small GitHub on loopback: comments, pull requests, issues, labels, GraphQL. Serves a socket.

Comments: https://docs.github.com/rest/issues/comments, statuses (which nobody can edit):
https://docs.github.com/rest/commits/statuses, pull requests: https://docs.github.com/rest/pulls/pulls,
commits: https://docs.github.com/rest/commits/commits, labels: https://docs.github.com/rest/issues/labels,
who edited a comment: https://docs.github.com/graphql/reference/objects#issuecomment.
It lies at ``/api/v3`` as GitHub Enterprise Server does, pages its lists with ``Link``, knows whose
token is whose and what it may do, lets people with write access edit the comments of others (as
GitHub does), and can be told to fail, to cut the line before or after a request took effect, to lag
behind in its lists, and to let somebody else act between two requests. The server shares nothing with
``reconciler``; the fixture ``connect`` makes the product's client of it, with a clock that never waits.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import socket
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from reconciler.github.api import GitHubApi
from reconciler.runtime.deadline import Deadline
from reconciler.runtime.retry import Backoff

PREFIX = "/api/v3"
REPOSITORY = "contoso/intune"
BODY_LIMIT = 65_536
ACTIONS_TOKEN = "ghs_Canary0fTheJobsOwnToken"
FORK_TOKEN = "ghs_Canary0fAForksReadOnlyToken"
PERSON_TOKEN = "ghp_Canary0fAPersonsToken"


@dataclass(frozen=True)
class Account:
    login: str
    id: int
    type: str = "User"

    @property
    def rest(self) -> dict[str, Any]:
        return {"login": self.login, "id": self.id, "type": self.type}

    @property
    def graphql(self) -> dict[str, Any]:
        return {"login": self.login.removesuffix("[bot]"), "databaseId": self.id}


BOT = Account("github-actions[bot]", 41898282, "Bot")
ADELE = Account("adele", 1001)
MALLORY = Account("mallory", 1002)


@dataclass(frozen=True)
class Token:
    account: Account
    can_write: bool = True
    is_installation: bool = False


@dataclass(frozen=True)
class Fault:
    """An answer in place of the real one; ``drop`` cuts the line ``before`` or ``after`` it acts."""

    status: int = 0
    message: str = "planned fault"
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: str = ""
    raw: str | None = None
    acts: bool = False


@dataclass
class Plan:
    method: str
    path: re.Pattern[str]
    happening: Fault | Callable[[], None]
    times: int


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


class RefusedError(Exception):
    def __init__(self, status: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {
            "message": message,
            "documentation_url": "https://docs.github.com/rest",
            **more,
        }


class GitHubServer:
    def __init__(self) -> None:
        self.tokens = {
            ACTIONS_TOKEN: Token(BOT, is_installation=True),
            FORK_TOKEN: Token(BOT, can_write=False, is_installation=True),
            PERSON_TOKEN: Token(ADELE),
        }
        self.pulls: dict[int, dict[str, Any]] = {}
        self.commits: dict[int, list[str]] = {}
        self.comments: list[dict[str, Any]] = []
        self.issues: list[dict[str, Any]] = []
        self.labels: set[str] = set()
        self.labelled: dict[int, list[str]] = {}
        self.statuses: list[dict[str, Any]] = []
        self.history: list[str] = []
        self.time: datetime | None = None
        self.editors: dict[int, Account | None] = {}
        self.seen: list[Seen] = []
        self.page_limit = 100
        self.hidden_from_lists: set[int] = set()
        self.graphql_works = True
        self._ids = itertools.count(5001)
        self._numbers = itertools.count(900)
        self._plans: list[Plan] = []
        self._lock = threading.RLock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.github = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    # What a test arranges

    def start(self) -> GitHubServer:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def api_url(self) -> str:
        return self.root + PREFIX

    def plan(
        self, method: str, path: str, happening: Fault | Callable[[], None], *, times: int = 1
    ) -> None:
        """For the next ``times`` requests that fit: fail so, or let this happen just before."""
        self._plans.append(Plan(method, re.compile(path), happening, times))

    def add_pull(
        self,
        number: int,
        commits: list[str],
        *,
        base: str = "main",
        merge_commit: str | None = None,
        is_merged: bool = False,
        from_fork: bool = False,
    ) -> None:
        self.commits[number] = list(commits)
        self.pulls[number] = {
            "number": number,
            "head": {"sha": commits[-1], "repo": {"id": 2 if from_fork else 1}},
            "base": {"ref": base, "repo": {"id": 1}},
            "merge_commit_sha": merge_commit,
            "state": "closed" if is_merged else "open",
            "merged_at": self.now() if is_merged else None,
            "html_url": f"{self.root}/{REPOSITORY}/pull/{number}",
        }

    def now(self) -> str:
        """The time that GitHub writes: whole seconds; a test may set it."""
        return (self.time or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def add_status(
        self, commit: str, context: str, description: str, *, by: Account = BOT, run: str = "1"
    ) -> dict[str, Any]:
        with self._lock:
            status = {
                "id": next(self._ids),
                "sha": commit,
                "state": "success",
                "context": context,
                "description": description,
                "target_url": f"{self.root}/{REPOSITORY}/actions/runs/{run}",
                "creator": by.rest,
                "created_at": self.now(),
            }
            self.statuses.append(status)
            return status

    def push(self, number: int, commit: str) -> None:
        self.commits[number].append(commit)
        self.pulls[number]["head"]["sha"] = commit

    def add_comment(self, number: int, body: str, *, by: Account = BOT) -> dict[str, Any]:
        with self._lock:
            id = next(self._ids)
            comment = {
                "id": id,
                "node_id": f"IC_{id}",
                "issue": number,
                "body": body,
                "user": by.rest,
                "created_at": self.now(),
                "html_url": f"{self.root}/{REPOSITORY}/pull/{number}#issuecomment-{id}",
            }
            self.comments.append(comment)
            return comment

    def edit_comment(self, id: int, body: str, *, by: Account | None = BOT) -> None:
        with self._lock:
            found = next(comment for comment in self.comments if comment["id"] == id)
            found["body"] = body
            found["edited_at"] = self.now()
            self.editors[id] = by

    def add_issue(
        self,
        title: str,
        body: str,
        *,
        by: Account = BOT,
        labels: tuple[str, ...] = (),
        state: str = "open",
        is_pull: bool = False,
    ) -> dict[str, Any]:
        with self._lock:
            number = next(self._numbers)
            issue = {
                "number": number,
                "title": title,
                "body": body,
                "user": by.rest,
                "labels": [{"name": name} for name in labels],
                "state": state,
                "html_url": f"{self.root}/{REPOSITORY}/issues/{number}",
                **({"pull_request": {}} if is_pull else {}),
            }
            self.issues.append(issue)
            return issue

    def bodies(self, number: int) -> list[str]:
        return [comment["body"] for comment in self.comments if comment["issue"] == number]

    def sent(self, *methods: str) -> list[tuple[str, str]]:
        """Which requests came, without the repository's path."""
        return [
            (seen.method, seen.path.removeprefix(f"{PREFIX}/repos/{REPOSITORY}"))
            for seen in self.seen
            if seen.method in (methods or ("GET", "POST", "PATCH")) and "graphql" not in seen.path
        ]

    # What a request meets

    def happening(self, method: str, path: str) -> Fault | None:
        with self._lock:
            due = next(
                (
                    plan
                    for plan in self._plans
                    if plan.times > 0 and plan.method == method and plan.path.search(path)
                ),
                None,
            )
            if due is None:
                return None
            due.times -= 1
        if isinstance(due.happening, Fault):
            return due.happening
        due.happening()
        return None

    def answer(self, seen: Seen) -> tuple[int, Any]:
        with self._lock:
            token = self._token(seen)
            if seen.path == "/api/graphql":
                return 200, self._graphql(token, seen.body)
            if not seen.path.startswith(PREFIX + "/"):
                raise RefusedError(404, "Not Found")
            path = seen.path.removeprefix(PREFIX)
            if path == "/user":
                if token.is_installation:
                    raise RefusedError(403, "Resource not accessible by integration")
                return 200, token.account.rest
            here = f"/repos/{REPOSITORY}"
            if not path.startswith(here + "/"):
                raise RefusedError(404, "Not Found")
            if seen.method != "GET" and not token.can_write:
                raise RefusedError(403, "Resource not accessible by integration")
            return self._route(seen, path.removeprefix(here), token)

    def _token(self, seen: Seen) -> Token:
        for name, value in {
            "accept": "application/vnd.github+json",
            "x-github-api-version": "2022-11-28",
        }.items():
            if seen.headers.get(name) != value:
                raise RefusedError(400, f"bad {name}")
        if not seen.headers.get("user-agent"):
            raise RefusedError(403, "Request forbidden by administrative rules: no User-Agent")
        found = self.tokens.get(seen.headers.get("authorization", "").removeprefix("Bearer "))
        if found is None:
            raise RefusedError(401, "Bad credentials")
        return found

    def _graphql(self, token: Token, body: Any) -> Any:
        if not self.graphql_works:
            return {"data": None, "errors": [{"type": "FORBIDDEN", "message": "no GraphQL here"}]}
        if "viewer" in body["query"]:
            # The viewer's own login, unlike an actor's, does hold [bot].
            return {"data": {"viewer": {**token.account.graphql, "login": token.account.login}}}
        node_id = re.fullmatch(r"IC_(\d+)", body["variables"]["id"], re.ASCII)
        if node_id is None:
            error = {"type": "NOT_FOUND", "message": "Could not resolve to a node"}
            return {"data": {"node": None}, "errors": [error]}
        id = int(node_id[1])
        comment = self._find_comment(id)
        node: dict[str, Any] = {"createdAt": comment["created_at"]}
        if id not in self.editors:
            return {"data": {"node": {**node, "lastEditedAt": None, "editor": None}}}
        editor = self.editors[id]
        shown = editor.graphql if editor else None
        node |= {"lastEditedAt": comment.get("edited_at", comment["created_at"]), "editor": shown}
        return {"data": {"node": node}}

    def _route(self, seen: Seen, path: str, token: Token) -> tuple[int, Any]:
        table: list[tuple[str, str, Callable[..., tuple[int, Any]]]] = [
            ("GET", r"/pulls/(\d+)", self._get_pull),
            ("GET", r"/pulls", self._get_pulls),
            ("GET", r"/commits", self._get_commits),
            ("GET", r"/commits/([0-9a-f]+)/pulls", self._get_pulls_of),
            ("GET", r"/commits/([0-9a-f]+)/statuses", self._get_statuses),
            ("POST", r"/statuses/([0-9a-f]+)", self._post_status),
            ("GET", r"/issues/(\d+)/labels", self._get_labels_of),
            ("POST", r"/issues/(\d+)/labels", self._post_labels_of),
            ("DELETE", r"/issues/(\d+)/labels/([^/]+)", self._delete_label_of),
            ("GET", r"/issues/(\d+)/comments", self._get_comments),
            ("POST", r"/issues/(\d+)/comments", self._post_comment),
            ("GET", r"/issues/comments/(\d+)", self._get_comment),
            ("PATCH", r"/issues/comments/(\d+)", self._patch_comment),
            ("GET", r"/issues", self._get_issues),
            ("POST", r"/issues", self._post_issue),
            ("PATCH", r"/issues/(\d+)", self._patch_issue),
            ("GET", r"/labels/([^/]+)", self._get_label),
            ("POST", r"/labels", self._post_label),
        ]
        for method, pattern, serve in table:
            match = re.fullmatch(pattern, path)
            if match and method == seen.method:
                return serve(seen, token, *match.groups())
        raise RefusedError(404, "Not Found")

    def _get_pull(self, seen, token, number):
        if int(number) not in self.pulls:
            raise RefusedError(404, "Not Found")
        return 200, self.pulls[int(number)]

    def _get_pulls_of(self, seen, token, commit):
        return 200, [
            pull
            for number, pull in self.pulls.items()
            if commit in (*self.commits[number], pull["merge_commit_sha"])
        ]

    def _get_pulls(self, seen, token):
        query = {"state": "closed", "sort": "updated", "direction": "desc"}
        if any(seen.query.get(name) != value for name, value in query.items()):
            raise RefusedError(422, "this GitHub lists closed pull requests alone")
        return 200, [
            pull
            for pull in reversed(self.pulls.values())
            if pull["state"] == "closed" and pull["base"]["ref"] == seen.query.get("base")
        ]

    def _get_commits(self, seen, token):
        if seen.query.get("sha") not in self.history:
            raise RefusedError(404, "Not Found")
        last = len(self.history) - 1 - self.history[::-1].index(seen.query["sha"])
        return 200, [{"sha": commit} for commit in reversed(self.history[: last + 1])]

    def _get_statuses(self, seen, token, commit):
        return 200, [status for status in reversed(self.statuses) if status["sha"] == commit]

    def _post_status(self, seen, token, commit):
        body = seen.body
        if body["state"] not in ("success", "failure", "pending", "error"):
            raise RefusedError(422, "Validation Failed")
        if len(body["description"]) > 140:
            message = "description is too long (maximum is 140 characters)"
            raise RefusedError(422, "Validation Failed", errors=[{"message": message}])
        status = self.add_status(commit, body["context"], body["description"], by=token.account)
        status |= {"state": body["state"], "target_url": body.get("target_url")}
        return 201, status

    def _get_labels_of(self, seen, token, number):
        return 200, [{"name": name} for name in self.labelled.get(int(number), [])]

    def _post_labels_of(self, seen, token, number):
        there = self.labelled.setdefault(int(number), [])
        there += [name for name in seen.body["labels"] if name not in there]
        self.labels.update(seen.body["labels"])
        return 200, [{"name": name} for name in there]

    def _delete_label_of(self, seen, token, number, name):
        there = self.labelled.get(int(number), [])
        if urllib.parse.unquote(name) not in there:
            raise RefusedError(404, "Label does not exist")
        there.remove(urllib.parse.unquote(name))
        return 200, [{"name": each} for each in there]

    def _get_comments(self, seen, token, number):
        return 200, [
            comment
            for comment in self.comments
            if comment["issue"] == int(number) and comment["id"] not in self.hidden_from_lists
        ]

    def _post_comment(self, seen, token, number):
        if int(number) not in self.pulls and int(number) not in [i["number"] for i in self.issues]:
            raise RefusedError(404, "Not Found")
        return 201, self.add_comment(int(number), self._text(seen), by=token.account)

    def _find_comment(self, id):
        for comment in self.comments:
            if comment["id"] == int(id):
                return comment
        raise RefusedError(404, "Not Found")

    def _get_comment(self, seen, token, id):
        return 200, self._find_comment(id)

    def _patch_comment(self, seen, token, id):
        comment = self._find_comment(id)
        self.edit_comment(int(id), self._text(seen), by=token.account)
        return 200, comment

    def _get_issues(self, seen, token):
        state = seen.query.get("state", "open")
        return 200, [
            issue
            for issue in reversed(self.issues)
            if state in ("all", issue["state"])
            if seen.query.get("labels") in [None, *(label["name"] for label in issue["labels"])]
        ]

    def _post_issue(self, seen, token):
        body = self._text(seen)
        self.labels.update(seen.body["labels"])
        return 201, self.add_issue(
            seen.body["title"], body, by=token.account, labels=tuple(seen.body["labels"])
        )

    def _patch_issue(self, seen, token, number):
        for issue in self.issues:
            if issue["number"] == int(number):
                issue.update(seen.body)
                return 200, issue
        raise RefusedError(404, "Not Found")

    def _get_label(self, seen, token, name):
        if urllib.parse.unquote(name) not in self.labels:
            raise RefusedError(404, "Not Found")
        return 200, {"name": name}

    def _post_label(self, seen, token):
        if seen.body["name"] in self.labels:
            errors = [{"resource": "Label", "code": "already_exists", "field": "name"}]
            raise RefusedError(422, "Validation Failed", errors=errors)
        self.labels.add(seen.body["name"])
        return 201, {"name": seen.body["name"]}

    def _text(self, seen: Seen) -> str:
        body = seen.body["body"]
        if len(body) > BODY_LIMIT:
            message = f"Body is too long (maximum is {BODY_LIMIT} characters)"
            raise RefusedError(
                422, "Validation Failed", errors=[{"field": "data", "message": message}]
            )
        return body


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    github: GitHubServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body leave in two packets: 40 ms each otherwise
    server: _Server

    def log_message(self, *_arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def do_PATCH(self) -> None:
        self._serve()

    def _serve(self) -> None:
        github = self.server.github
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length)
        parts = urllib.parse.urlsplit(self.path)
        seen = Seen(
            self.command,
            parts.path,
            dict(urllib.parse.parse_qsl(parts.query)),
            {name.lower(): value for name, value in self.headers.items()},
            json.loads(content) if content else None,
        )
        github.seen.append(seen)
        fault = github.happening(seen.method, seen.path)
        if fault is not None and fault.drop == "before":
            return self._hang_up()
        if fault is not None and not fault.drop and not fault.acts:
            return self._refuse(fault)
        try:
            status, body = github.answer(seen)
        except RefusedError as refused:
            return self._send(refused.status, refused.body, {})
        if fault is not None and fault.drop:
            return self._hang_up()
        if fault is not None:
            return self._refuse(fault)
        if isinstance(body, list):
            return self._send_page(seen, body)
        return self._send(status, body, {})

    def _send_page(self, seen: Seen, entries: list[Any]) -> None:
        size = min(int(seen.query.get("per_page", 30)), self.server.github.page_limit)
        number = int(seen.query.get("page", 1))
        headers = {}
        if number * size < len(entries):
            query = urllib.parse.urlencode({**seen.query, "page": number + 1})
            headers["Link"] = (
                f'<{self.server.github.root}{seen.path}?page=1>; rel="first", '
                f'<{self.server.github.root}{seen.path}?{query}>; rel="next"'
            )
        self._send(200, entries[(number - 1) * size : number * size], headers)

    def _refuse(self, fault: Fault) -> None:
        if fault.raw is not None:
            return self._write(fault.status, fault.raw.encode(), fault.headers)
        return self._send(fault.status, {"message": fault.message}, fault.headers)

    def _send(self, status: int, body: Any, headers: Mapping[str, str]) -> None:
        self._write(status, json.dumps(body).encode(), headers)

    def _write(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        self.send_response_only(status)  # without a Date, as the tests' clock is not the machine's
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-GitHub-Request-Id", "ABCD:1234:5678")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def github_server() -> Iterator[GitHubServer]:
    server = GitHubServer().start()
    yield server
    server.stop()


@dataclass
class StillClock:
    """A clock that moves when somebody sleeps, and remembers for how long."""

    slept: list[float] = field(default_factory=list)
    start: datetime = datetime(2026, 11, 23, 10, tzinfo=UTC)

    def now(self) -> datetime:
        return self.start + timedelta(seconds=sum(self.slept))

    def monotonic(self) -> float:
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def connect(github_server: GitHubServer, clock: StillClock) -> Iterator[Callable[..., GitHubApi]]:
    """Make a client, by default with the token of a GitHub Actions job."""
    with httpx.Client(trust_env=False) as http:

        def connect(token: str = ACTIONS_TOKEN, *, seconds: float = 600.0) -> GitHubApi:
            return GitHubApi(
                http=http,
                api_url=github_server.api_url,
                repository=REPOSITORY,
                token=token,
                clock=clock,
                deadline=Deadline(clock, seconds),
                backoff=Backoff(random.Random(7)),
            )

        yield connect
