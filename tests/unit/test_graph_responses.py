"""What Graph's answers mean: waits, messages, refusals."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import quote_plus

import httpx
import pytest

from reconciler.graph.responses import (
    GraphResponse,
    is_throttled,
    plain_message,
    refusal,
)
from reconciler.model.errors import (
    AuthError,
    ExitCode,
    GraphError,
    MultiAdminApprovalError,
    MultiAdminApprovalStatus,
    NotFoundError,
    RouteMissingError,
    ThrottledError,
)
from reconciler.runtime.known_secrets import KNOWN
from reconciler.runtime.retry import retry_after_of

CANARY = "Canary.token-with/some+signs_and.length"
NOW = datetime(2026, 11, 24, 6, 0, 0, tzinfo=UTC)
CODE = "0B5E0000-0000-4000-8000-000000000001"


def answer(status, code="", message="", *, headers=None, inner=None):
    body = {"error": {"code": code, "message": message, "innerError": inner or {}}}
    return GraphResponse(status, headers or {}, body)


def refused(status, code="", message="", **more):
    return refusal(answer(status, code, message, **more), "writing", now=NOW)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("2.128", 2.128),
        ("0.249", 0.249),
        (" 3 ", 3.0),
        ("Tue, 24 Nov 2026 06:00:09 GMT", 9.0),
        ("Tue, 24 Nov 2026 06:00:09 -0000", 9.0),
        ("Tue, 24 Nov 2026 08:00:09 +0200", 9.0),
        ("Tue, 24 Nov 2026 05:00:00 GMT", 0.0),
        ("", None),
        ("-1", None),
        ("inf", None),
        ("nan", None),
        ("soon", None),
        ("Tue, 99 Nov 2026 06:00:09 GMT", None),
        ("Tue, 24 Nov 2026 06:00:09 +99999999999999", None),
        ("Tue, 24 Nov 99999999999999999999 06:00:09 GMT", None),
    ],
)
def test_retry_after_is_read_in_every_form(value, seconds):
    assert retry_after_of({"retry-after": value}, NOW) == seconds


def test_no_retry_after_is_no_wait():
    assert retry_after_of({}, NOW) is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (answer(429), True),
        (answer(503), True),
        (
            answer(500, message="Rate limit reached because of too many requests to query broker."),
            True,
        ),
        (answer(500, message="An error has occurred"), False),
        (answer(502), False),
        (answer(200), False),
    ],
)
def test_throttling_is_recognised_in_each_of_its_guises(given, expected):
    assert is_throttled(given) is expected


def test_half_a_surrogate_pair_in_the_inner_json_is_replaced():
    wrapped = answer(400, "BadRequest", '{"Message": "name \\ud800 refused"}')
    assert wrapped.message == "name ? refused"


def test_a_secret_that_the_inner_json_spells_in_another_way_is_struck():
    KNOWN.learn(CANARY)
    spelled = "".join(f"\\u{ord(character):04x}" for character in CANARY)
    message = answer(400, "BadRequest", f'{{"Message": "token {spelled} refused"}}').message
    assert CANARY not in message
    assert message.startswith("token ")


def test_intunes_json_in_a_string_is_unwrapped_and_its_inner_address_cut_off():
    activity = "9c1d2f00-0000-4000-8000-000000000007"
    wrapped = json.dumps(
        {
            "_version": 3,
            "Message": "Invalid GroupId : x provided - Operation ID (for customer support): "
            f"00000000-0000-0000-0000-000000000000 - Activity ID: {activity} - Url: "
            "https://fef.msua06.manage.microsoft.com/secret?api-version=1",
            "RetryAfter": None,
        }
    )

    assert plain_message(wrapped) == f"Invalid GroupId : x provided (activity id {activity})"


@pytest.mark.parametrize("message", ["{not json", "plain", '["list"]'])
def test_a_message_that_is_not_wrapped_stays(message):
    assert plain_message(message) == message


def test_a_long_message_is_bounded():
    assert len(plain_message("x" * 10_000)) == 500


def test_an_answer_that_is_not_json_is_said_to_come_from_something_else():
    page = GraphResponse.of(httpx.Response(502, text="<html>proxy</html>"))

    assert page.is_foreign
    assert "something other than Microsoft Graph" in page.message


@pytest.mark.parametrize("body", [{"error": "blocked by policy"}, {"blocked": True}, ["no"], "no"])
@pytest.mark.parametrize("status", [401, 403, 502])
def test_a_block_page_in_json_is_not_taken_for_graphs_own_word(status, body):
    request = httpx.Request("GET", "https://graph.test/v1.0/groups")
    page = GraphResponse.of(httpx.Response(status, json=body, request=request))

    assert page.is_foreign
    assert not page.is_token_refused
    error = refusal(page, "reading", now=NOW)
    assert not isinstance(error, AuthError)
    assert "the response of graph.test does not have the form that Graph documents" in str(error)
    assert "check HTTPS_PROXY and NO_PROXY" in str(error)
    assert "permission" not in str(error)


@pytest.mark.parametrize(
    "content",
    [
        '{"a": NaN}',
        "[" * 100_000,
        '{"a": 1e999999999999999999999}',
        '{"a": ',
        "[" + "9" * 5000 + "]",
    ],
)
def test_json_that_cannot_be_read_is_a_sentence(content):
    response = GraphResponse.of(httpx.Response(200, content=content.encode()))

    assert response.is_foreign
    assert "holds JSON that cannot be read" in response.message
    assert "a proxy" not in response.message


def test_half_a_surrogate_pair_in_a_message_can_be_written():
    body = b'{"error": {"code": "Bad", "message": "name \\ud800 is wrong"}}'

    assert GraphResponse.of(httpx.Response(400, content=body)).message == "name ? is wrong"


@pytest.mark.parametrize(
    "quoted", [CANARY, f"Bearer {CANARY}", repr(CANARY.encode()), quote_plus(CANARY)]
)
def test_a_token_that_a_server_quotes_back_is_struck(quoted):
    KNOWN.learn(CANARY)
    error = {
        "code": quoted,
        "message": f"bad header: {quoted}",
        "innerError": {"request-id": quoted},
    }
    response = GraphResponse(403, {"request-id": quoted}, {"error": error})

    assert CANARY not in str(refusal(response, "reading", now=NOW))
    assert CANARY[5:-5] not in f"{response.message}{response.code}{response.request_id}"


def test_no_intune_licence_is_named():
    error = {"code": "BadRequest", "message": "Request not applicable to target tenant."}
    response = GraphResponse(400, {}, {"error": error})

    assert "this tenant has no active Intune licence" in str(refusal(response, "x", now=NOW))


def test_a_retry_after_date_is_judged_by_the_responses_own_date():
    headers = {
        "Retry-After": "Mon, 23 Nov 2026 10:00:09 GMT",
        "Date": "Mon, 23 Nov 2026 10:00:02 GMT",
    }

    assert retry_after_of(headers, NOW + timedelta(minutes=-20)) == 7.0


def test_an_answer_without_a_body_is_not_foreign():
    assert GraphResponse.of(httpx.Response(204)) == GraphResponse(204, {}, None)


def test_an_error_that_says_nothing_is_still_a_sentence():
    assert answer(400).message == "Graph gave no reason (HTTP 400)"
    by_graph = {"request-id": "r-1"}
    for body in ({"error": "text"}, ["list"]):
        response = GraphResponse(400, by_graph, body)
        assert (response.code, response.message) == ("", "Graph gave no reason (HTTP 400)")


def test_the_request_id_comes_from_the_header_or_else_from_the_body():
    inner = {"request-id": "from-body"}

    assert answer(400, inner=inner).request_id == "from-body"
    assert (
        answer(400, inner=inner, headers={"request-id": "from-header"}).request_id == "from-header"
    )
    assert answer(400).request_id is None


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "No method match route template", RouteMissingError),
        (404, "ResourceNotFound", NotFoundError),
        (400, "ResourceNotFound", NotFoundError),
        (404, "Request_ResourceNotFound", NotFoundError),
        (429, "TooManyRequests", ThrottledError),
        (401, "InvalidAuthenticationToken", AuthError),
        (403, "Forbidden", GraphError),
        (400, "BadRequest", GraphError),
    ],
)
def test_each_refusal_has_its_kind(status, code, kind):
    assert type(refused(status, code, "no")) is kind


def test_a_403_says_what_may_be_missing():
    assert "reconciler doctor" in str(refused(403, "Forbidden", "Access denied"))


def test_a_redirect_is_not_followed_and_says_so():
    assert "RECONCILER_GRAPH_URL" in str(refused(302))


def test_a_refusal_reads_as_one_sentence_with_its_request_id():
    error = refused(400, "BadRequest", "Wrong.", headers={"request-id": "r-1"})

    assert str(error) == "writing: 400 BadRequest: Wrong. (request-id r-1)"


@pytest.mark.parametrize(
    ("status", "code", "message", "headers", "expected"),
    [
        # Documented, observed, observed on repeat, and each without what the other one has.
        (
            403,
            "ApprovalRequired",
            "",
            {"x-msft-approval-code": CODE},
            (MultiAdminApprovalStatus.PENDING, CODE.lower()),
        ),
        (403, "ApprovalRequired", "", {}, (MultiAdminApprovalStatus.PENDING, None)),
        (
            412,
            "PreconditionFailed",
            "",
            {"x-msft-approval-code": CODE},
            (MultiAdminApprovalStatus.PENDING, CODE.lower()),
        ),
        (
            409,
            "Conflict",
            "An active Approval Request already exists for this entity",
            {},
            (MultiAdminApprovalStatus.PENDING, None),
        ),
        (
            400,
            "BadRequest",
            "Header 'x-msft-approval-justification' is required to request approval",
            {},
            (MultiAdminApprovalStatus.BLOCKED, None),
        ),
        (
            403,
            "ApprovalRequired",
            "Header 'x-msft-approval-justification' is required to request approval",
            {},
            (MultiAdminApprovalStatus.BLOCKED, None),
        ),
        (
            400,
            "BadRequest",
            "Header 'x-msft-approval-justification' exceeds 1024 characters",
            {},
            (MultiAdminApprovalStatus.BLOCKED, None),
        ),
    ],
)
def test_multi_admin_approval_is_recognised_in_every_form(status, code, message, headers, expected):
    error = refused(status, code, message, headers=headers)

    assert isinstance(error, MultiAdminApprovalError)
    assert (error.approval_status, error.approval_code) == expected


def test_a_missing_justification_names_the_option():
    error = refused(400, "BadRequest", "Header 'x-msft-approval-justification' is required")

    assert "--justification" in str(error)
    assert error.exit_code == ExitCode.ERROR


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [(403, "Forbidden", ""), (409, "Conflict", "exists already"), (412, "PreconditionFailed", "")],
)
def test_an_ordinary_refusal_is_no_approval(status, code, message):
    assert not isinstance(refused(status, code, message), MultiAdminApprovalError)
