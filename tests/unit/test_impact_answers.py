"""Every form that Graph's answers about the impact may take, and that any other is unknown."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.graph.impact_answers import (
    read_actions,
    read_conditional_access,
    read_count,
    read_disabled_filters,
    read_match_count,
    read_overview,
    read_secure_by_default,
    unknown_because,
    value_of,
)
from reconciler.graph.responses import GraphResponse
from reconciler.model.errors import AuthError, DeadlineError, GraphError, ThrottledError
from reconciler.model.impact import ComplianceAction, StatusOverview, Unknown

CHANGED = Unknown("Graph's response does not have the expected form")


def answered(body, status=200):
    return GraphResponse(status, {}, body)


def refused(status, code="Forbidden", message="Insufficient privileges."):
    return answered({"error": {"code": code, "message": message}}, status)


def as_base64(text, *, mark=b""):
    return base64.b64encode(mark + text.encode()).decode()


@given(st.integers(min_value=0, max_value=10**9))
def test_a_count_is_read_in_each_of_its_forms(number):
    text = str(number)
    forms = [
        number,
        text,
        f"\ufeff{text}",
        f"{text}\r\n",
        as_base64(text),
        as_base64(text, mark=b"\xef\xbb\xbf"),
    ]
    assert [read_count(form) for form in forms] == [number] * len(forms)


@pytest.mark.parametrize(
    "body",
    [None, True, -1, 1.5, "", "-1", "12 members", "\u0663", as_base64("none"), as_base64("-4"), [], {"value": 3}],
)  # fmt: skip
def test_what_is_no_count_is_unknown_and_never_0(body):
    assert value_of(answered(body), read_count) == CHANGED


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"TotalRowCount": 3410, "Columns": [], "Values": []}, 3410),
        ('{"TotalRowCount": 0, "Values": []}', 0),
        ({"TotalRowCount": None}, CHANGED),
        ({"TotalRowCount": "12"}, CHANGED),
        ({"Values": []}, CHANGED),
        ("cut {", CHANGED),
    ],
)
def test_the_matches_of_a_filter(body, expected):
    assert value_of(answered(body), read_match_count) == expected


def rule(*actions):
    return {"scheduledActionConfigurations": list(actions)}


def action(kind, hours):
    return {"actionType": kind, "gracePeriodHours": hours}


def test_actions_come_with_their_days_of_grace_the_earliest_first():
    body = {"scheduledActionsForRule": [rule(action("block", 72), action("notification", 12))]}
    assert read_actions(body) == (
        ComplianceAction("notification", 0.5),
        ComplianceAction("block", 3.0),
    )


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"scheduledActionsForRule": []},
        {"scheduledActionsForRule": [rule()]},
        {"scheduledActionsForRule": [rule(action("block", -1))]},
        {"scheduledActionsForRule": [rule(action(None, 0))]},
    ],
)
def test_a_policy_without_an_action_is_no_answer(body):
    assert value_of(answered(body), read_actions) == CHANGED


OVERVIEW = {
    "successCount": 2049,
    "failedCount": 64,
    "errorCount": 0,
    "pendingCount": 3,
    "notApplicableCount": 0,
    "lastUpdateDateTime": "2026-11-23T16:08:00Z",
}


def test_how_devices_stand_comes_with_graphs_own_time():
    as_of = datetime(2026, 11, 23, 16, 8, tzinfo=UTC)
    assert read_overview(OVERVIEW) == StatusOverview(2049, 64, 0, 3, 0, as_of)


@pytest.mark.parametrize("time", [None, "0001-01-01T00:00:00Z"])
def test_a_date_that_is_none_is_not_shown(time):
    read = read_overview(OVERVIEW | {"lastUpdateDateTime": time})
    assert read is not None
    assert read.as_of is None


@pytest.mark.parametrize(
    "time", ["9999-12-31T23:59:59-14:00", "2026-11-23T16:08:00", "5", 5, 1.5, "noon"]
)
def test_a_time_that_makes_no_sense_is_unknown(time):
    assert value_of(answered(OVERVIEW | {"lastUpdateDateTime": time}), read_overview) == CHANGED


@pytest.mark.parametrize("hours", [10**400, 2**53, -1, True, 1.5, "5"])
def test_a_grace_period_that_makes_no_sense_is_unknown(hours):
    assert value_of(answered(policy_with("block", hours)), read_actions) == CHANGED


@pytest.mark.parametrize("name", ["b" * 65, "", "block at once", "\u202eblock", "block\n", 5])
def test_an_action_with_a_name_that_is_no_word_is_unknown(name):
    assert value_of(answered(policy_with(name, 0)), read_actions) == CHANGED


def policy_with(action, hours):
    configuration = {"actionType": action, "gracePeriodHours": hours}
    return {"scheduledActionsForRule": [{"scheduledActionConfigurations": [configuration]}]}


def test_no_device_at_all_is_no_data():
    assert read_overview({name: 0 for name in OVERVIEW if name.endswith("Count")}) is None


def test_a_missing_count_is_not_taken_for_0():
    body = {name: value for name, value in OVERVIEW.items() if name != "failedCount"}
    assert value_of(answered(body), read_overview) == CHANGED


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"secureByDefault": True}, True),
        ({"secureByDefault": False}, False),
        ({"secureByDefault": None}, CHANGED),
        ({"secureByDefault": "false"}, CHANGED),
        ({}, CHANGED),
    ],
)
def test_devices_without_a_policy(body, expected):
    assert value_of(answered(body), read_secure_by_default) == expected


def access(state, *controls):
    return {"state": state, "grantControls": {"builtInControls": list(controls)}}


def test_enabled_policies_that_require_a_compliant_device_count():
    body = {
        "value": [
            access("enabled", "mfa", "compliantDevice"),
            access("enabled", "mfa"),
            access("disabled", "compliantDevice"),
            access("enabledForReportingButNotEnforced", "compliantDevice"),
            {"state": "enabled", "grantControls": None},
        ]
    }
    assert read_conditional_access(body) == 1


def test_a_first_page_of_several_tells_no_count():
    body = {"value": [], "@odata.nextLink": "https://graph.microsoft.com/v1.0/next"}
    assert value_of(answered(body), read_conditional_access) == CHANGED


def test_filters_whose_evaluation_is_off():
    body = {
        "value": [
            {"id": "A", "evaluationMode": "disabled"},
            {"id": "b", "evaluationMode": "checkinTimeEvaluation"},
            {"id": "c", "evaluationMode": None},
        ]
    }
    assert read_disabled_filters(body, {"a", "b", "c"}) == ("a",)


@pytest.mark.parametrize("item", [{"id": "b", "evaluationMode": None}, {"id": "a"}])
def test_a_filter_that_the_page_does_not_tell_of_may_be_off(item):
    body = {"value": [item], "@odata.nextLink": "https://graph.microsoft.com/beta/next"}
    assert value_of(answered(body), partial(read_disabled_filters, asked={"a"})) == CHANGED


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (refused(403), "403: needs Policy.Read.All"),
        (refused(404, "NotFound", "Gone."), "404: Gone"),
        (refused(429), "Graph asked to slow down"),
        (refused(503), "Graph asked to slow down"),
        (refused(500, "InternalServerError", "Rate limit reached."), "Graph asked to slow down"),
        (refused(502, "BadGateway", "No."), "502: No"),
        (Unknown("it did not come in time"), "it did not come in time"),
    ],
)
def test_a_refusal_says_why(response, reason):
    assert value_of(response, read_count, needs="Policy.Read.All") == Unknown(reason)


def test_a_page_of_a_proxy_is_no_answer():
    response = GraphResponse(200, {}, None, "is not JSON", "graph.test")
    found = value_of(response, read_count)
    assert isinstance(found, Unknown)
    assert "other than Microsoft Graph" in found.reason


@pytest.mark.parametrize("status", [403, 429, 503])
def test_a_proxys_refusal_is_neither_a_missing_permission_nor_graphs_wish(status):
    response = GraphResponse(status, {}, None, "is not JSON", "graph.test")
    found = value_of(response, read_count, needs="Policy.Read.All")
    assert isinstance(found, Unknown)
    assert found.reason.startswith(f"{status}: ")
    assert "other than Microsoft Graph" in found.reason
    assert "Policy.Read.All" not in found.reason


@pytest.mark.parametrize(
    "body", ["[" * 100_000, '{"TotalRowCount": NaN}', f'{{"TotalRowCount": {2**53}}}', "9" * 5000]
)
def test_an_evaluation_that_cannot_be_read_is_unknown(body):
    assert value_of(answered(body), read_match_count) == CHANGED


@pytest.mark.parametrize("body", [10**400, "9" * 400, "9" * 5000])
def test_a_count_without_end_is_unknown(body):
    assert value_of(answered(body), read_count) == CHANGED


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (DeadlineError("late"), "it did not come in time"),
        (ThrottledError("slow", attempted="x", status=429), "Graph asked to slow down"),
        (GraphError("no route.", attempted="x", status=400), "400: no route"),
        (GraphError("refused", attempted="x"), "refused"),
        (AuthError("expired"), "expired"),
    ],
)
def test_no_response_at_all_says_why(fault, reason):
    assert unknown_because(fault) == Unknown(reason)
