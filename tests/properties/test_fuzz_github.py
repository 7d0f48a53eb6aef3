"""Broken responses of GitHub, and broken files that a workflow hands over: a result, or an error of our own.

As `test_fuzz`, for what `comment`, `apply --approved-by-pr` and the workflows read.
"""

from __future__ import annotations

import itertools
import json
import random
import tempfile
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.applier.pending import FilePendingApprovals
from reconciler.github.api import GitHubApi
from reconciler.github.author import identify
from reconciler.github.comments import upsert
from reconciler.github.event import head_repository_of_run, read_event
from reconciler.github.hidden_changes import read_changes, with_changes
from reconciler.github.issues import DRIFT_LABEL, upsert_issue
from reconciler.github.labels import NO_CHANGES, REMOVES, set_labels
from reconciler.github.pull_request_approval import PullRequestApproval, read_approval
from reconciler.github.pulls import closed_pulls, commits_until, pulls_of_commit, read_pull
from reconciler.github.statuses import Record, RecordKind, set_status
from reconciler.model.errors import ReconcilerError
from reconciler.runtime.deadline import Deadline
from reconciler.runtime.retry import Backoff
from tests.support.damage import DAMAGES, ODD, TEARS, damaged, torn
from tests.support.github_server import (
    ACTIONS_TOKEN,
    PERSON_TOKEN,
    PREFIX,
    REPOSITORY,
    GitHubServer,
    RefusedError,
    Seen,
    StillClock,
)
from tests.support.property_rounds import examples

OLD, HEAD, MERGE = "1" * 40, "2" * 40, "3" * 40
DIGEST = "sha256:" + "d" * 64
MARKER = "<!-- reconciler:plan tenant=prod "
SHOWN = f"{MARKER}digest={DIGEST} commit={HEAD} run=1 v=1 -->\n# Plan"
PLANNED = datetime(2026, 11, 20, 10, tzinfo=UTC)
MERGED = PLANNED + timedelta(hours=1)


def tried(count):
    return settings(examples(count), suppress_health_check=list(HealthCheck))


_header_values = st.sampled_from(
    [
        "",
        "0",
        "-1",
        "1e9",
        "9" * 20,
        "9" * 400,
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Fri, 31 Dec 2026 23:59:59 +99999999999999",
        "<x>; rel=next",
        "<https://[>; rel=next",
        "https://[",
    ]
)
RESPONSE_DAMAGES = st.dictionaries(
    st.integers(0, 15),
    st.one_of(
        st.tuples(st.just("json"), DAMAGES),
        st.tuples(st.just("bytes"), TEARS),
        st.tuples(
            st.just("status"),
            st.sampled_from([200, 204, 302, 401, 403, 404, 409, 422, 429, 500]),
        ),
        st.tuples(
            st.sampled_from(
                ["Retry-After", "Date", "Link", "Location", "X-RateLimit-Reset"]
            ),
            _header_values,
        ),
    ),
    min_size=1,
    max_size=4,
)  # fmt: skip


@contextmanager
def damaging(server, damages):
    """A client of this GitHub in process, some of whose responses are damaged, by their number."""
    numbers = itertools.count()

    def handle(request):
        content = json.loads(request.content) if request.content else None
        query, headers = dict(request.url.params), dict(request.headers)
        try:
            status, body = server.answer(
                Seen(request.method, request.url.path, query, headers, content)
            )
        except RefusedError as refused:
            status, body = refused.status, refused.body
        content, headers = json.dumps(body).encode(), {}
        match damages.get(next(numbers)):
            case "json", places:
                content = json.dumps(damaged(body, places)).encode()
            case "bytes", tears:
                content = torn(content, tears)
            case "status", int(code):
                status = code
            case "X-RateLimit-Reset", reset:
                status, headers = 403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
            case "Location", address:
                status, headers = 302, {"Location": address}
            case str(name), str(value):
                headers = {name: value}
        return httpx.Response(status, content=content, headers=headers)

    clock = StillClock(start=MERGED + timedelta(days=1))
    with httpx.Client(transport=httpx.MockTransport(handle)) as http:

        def connect(token=ACTIONS_TOKEN):
            return GitHubApi(
                http=http,
                api_url=f"https://github.test{PREFIX}",
                repository=REPOSITORY,
                token=token,
                clock=clock,
                deadline=Deadline(clock, 600),
                backoff=Backoff(random.Random(7)),
            )

        yield connect


@contextmanager
def a_github():
    """A repository with a merged pull request, its plan comment, its status and an issue."""
    server = GitHubServer()
    try:
        server.time = MERGED
        server.add_pull(7, [OLD, HEAD], merge_commit=MERGE, is_merged=True)
        server.history = [MERGE, HEAD, OLD]
        server.time = PLANNED
        server.add_status(HEAD, "reconciler/prod", f"3 to add [plan {DIGEST}]")
        comment = server.add_comment(7, with_changes(SHOWN, ["a", "b"], limit=9_999))
        server.edit_comment(comment["id"], comment["body"])
        server.add_issue("Drift", SHOWN, labels=(DRIFT_LABEL,))
        yield server
    finally:
        server._server.server_close()


def approval(api):
    author = identify(api, in_actions=True)
    return read_approval(
        api,
        author=author,
        pull=read_pull(api, 7),
        label="prod",
        marker_prefix=MARKER,
        now=MERGED + timedelta(days=1),
    )


def comment(api):
    upsert(
        api,
        author=identify(api, in_actions=True),
        pull_request=7,
        body=f"{SHOWN} anew",
        marker_prefix=MARKER,
        commit=HEAD,
    )


def issue(api):
    author = identify(api, in_actions=True)
    for is_open in (True, False):
        upsert_issue(
            api,
            author=author,
            title="Drift",
            body=f"{SHOWN} {is_open}",
            marker_prefix=MARKER,
            open=is_open,
        )


def status(api):
    set_status(
        api,
        commit=HEAD,
        label="prod",
        is_good=True,
        summary="1 to add",
        record=Record(RecordKind.PLAN, DIGEST),
        run_url=None,
    )


ACTS = [
    approval,
    comment,
    issue,
    status,
    identify,
    lambda api: set_labels(api, 7, {REMOVES: True, NO_CHANGES: False}),
    lambda api: pulls_of_commit(api, MERGE),
    lambda api: closed_pulls(api, "main"),
    lambda api: commits_until(api, MERGE),
]


@tried(300)
@given(RESPONSE_DAMAGES, st.sampled_from(ACTS), st.sampled_from([ACTIONS_TOKEN, PERSON_TOKEN]))
def test_damaged_responses_of_github_end_in_an_error_of_our_own(damages, act, token):
    with a_github() as server, damaging(server, damages) as connect:
        message = ""
        try:
            act(connect(token))
        except ReconcilerError as error:
            message = str(error)
        assert token not in message
        message.encode()


def test_what_is_not_damaged_is_read_and_written():
    """Otherwise the property above would try nothing but refusals."""
    with a_github() as server, damaging(server, {}) as connect:
        assert approval(connect()) == PullRequestApproval(7, DIGEST, ("a", "b"))
        for act in ACTS:
            act(connect())
        assert server.bodies(7) == [f"{SHOWN} anew"]
        assert server.issues[0]["state"] == "closed"


EVENTS = [
    {"pull_request": {"number": 7, "head": {"sha": HEAD, "repo": {"id": 1}}, "base": {"repo": {"id": 1}}}},
    {
        "workflow_run": {
            "head_sha": HEAD,
            "head_repository": {"id": 1},
            "pull_requests": [{"number": 7, "base": {"repo": {"id": 1}}}],
        },
        "repository": {"id": 1},
    },
    {"issue": {"number": 7, "pull_request": {}}},
]  # fmt: skip


@tried(300)
@given(st.sampled_from(EVENTS), DAMAGES, st.none() | TEARS)
def test_a_damaged_event_is_read_or_refused(event, damages, tears):
    content = json.dumps(damaged(event, damages)).encode()
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "event.json"
        file.write_bytes(content if tears is None else torn(content, tears))
        with suppress(ReconcilerError):
            read_event(file, "workflow_run")
        with suppress(ReconcilerError):
            head_repository_of_run(file)


@tried(200)
@given(TEARS)
def test_torn_hidden_changes_are_read_or_are_none(tears):
    content = torn(with_changes(SHOWN, ["a", "b"], limit=9_999).encode(), tears)
    lines = read_changes(content.decode(errors="surrogateescape"))
    assert lines is None or all(isinstance(line, str) for line in lines)


def memory_of(code):
    return {"pending": {"p": {"code": code, "body_digest": "d"}}}


@tried(300)
@given(
    st.one_of(
        ODD.map(memory_of), DAMAGES.map(lambda damages: damaged(memory_of("a-code"), damages))
    ),
    st.none() | TEARS,
)
def test_remembered_approval_codes_are_read_or_refused(memory, tears):
    content = json.dumps(memory).encode()
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "approvals.json"
        file.write_bytes(content if tears is None else torn(content, tears))
        with suppress(ReconcilerError):
            pending = FilePendingApprovals(file).get("p")
            assert pending is None or httpx.Headers({"x-msft-approval-code": pending.code})
