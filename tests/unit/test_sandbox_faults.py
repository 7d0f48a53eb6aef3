"""Planned faults in this process, and their file."""

from __future__ import annotations

import json

import pytest

from reconciler.sandbox import Fault, Faults
from tests.unit.test_sandbox_builder import (
    AOSP,
    CLASSIC,
    IPADS,
    ONEIL,
    SALES,
    TWIN_ONE,
    WINDOWS,
    client,
    code_of,
    sandbox,
    target,
)

ORGANIZATION = "/v1.0/organization"
ASSIGN = f"{CLASSIC}/{IPADS}/assign"
BODY = {"assignments": [{"target": target("group", SALES)}]}


def faulty(*faults, **options):
    return sandbox(faults=Faults(faults), **options)


def statuses(app, *paths):
    with client(app) as graph:
        return [graph.get(path).status_code for path in paths]


def test_a_status_strikes_as_often_as_planned_and_after_those_skipped():
    app = faulty(Fault("status", code=503, path="organization", skip=1, times=2))

    assert statuses(app, *[ORGANIZATION] * 5) == [200, 503, 503, 200, 200]
    assert app.faults.are_spent


def test_a_fault_without_a_limit_goes_on():
    app = faulty(Fault("status", code=500, times=None))

    assert statuses(app, *[ORGANIZATION] * 3) == [500, 500, 500]


def test_faults_are_taken_in_order_and_one_at_a_time():
    app = faulty(Fault("status", code=429), Fault("status", code=503), Fault("status", code=504))

    assert statuses(app, *[ORGANIZATION] * 4) == [429, 503, 504, 200]


def test_a_fault_is_chosen_by_method_and_by_decoded_address():
    app = faulty(
        Fault("status", code=429, method="post"), Fault("status", code=503, path=r"\$select=id$")
    )

    with client(app) as graph:
        assert graph.get(ORGANIZATION).status_code == 200
        assert graph.get(ORGANIZATION, params={"$select": "id"}).status_code == 503
        assert graph.post(ASSIGN, json=BODY).status_code == 429
        assert graph.post(ASSIGN, json=BODY).status_code == 204


@pytest.mark.parametrize(
    ("fault", "code", "retry_after"),
    [
        (Fault("status", code=429, retry_after="2.128"), "TooManyRequests", "2.128"),
        (
            Fault("status", code=503, retry_after="Fri, 15 Jan 2027 08:00:05 GMT"),
            "ServiceUnavailable",
            "Fri, 15 Jan 2027 08:00:05 GMT",
        ),
        (Fault("status", code=429), "TooManyRequests", None),
        (
            Fault("status", code=500, error_code="UnknownError", message="broker"),
            "UnknownError",
            None,
        ),
    ],
)
def test_a_status_says_what_was_planned(fault, code, retry_after):
    with client(faulty(fault)) as graph:
        response = graph.get(ORGANIZATION)

    assert code_of(response) == (fault.code, code)
    assert response.headers.get("retry-after") == retry_after
    if fault.message:
        assert response.json()["error"]["message"] == fault.message


def test_an_intune_message_is_json_in_a_string():
    with client(faulty(Fault("status", code=429, intune=True, message="Too many."))) as graph:
        message = graph.get(ORGANIZATION).json()["error"]["message"]

    assert json.loads(message)["Message"].startswith(
        "Too many. - Operation ID (for customer support): "
    )


@pytest.mark.parametrize(("after", "left"), [(False, 0), (True, 1)])
@pytest.mark.parametrize("kind", ["status", "html"])
def test_a_failed_write_is_carried_out_only_where_planned(kind, after, left):
    app = faulty(Fault(kind, code=504, after=after))

    with client(app) as graph:
        response = graph.post(ASSIGN, json=BODY)

    assert response.status_code == 504
    assert response.headers["content-type"].startswith(
        "text/html" if kind == "html" else "application/json"
    )
    assert len(app.state.assignments_of(IPADS)) == left


@pytest.mark.parametrize(("kind", "left"), [("reset_before", 0), ("reset_after", 1)])
def test_a_reset_drops_the_connection_before_or_after_the_write(kind, left):
    app = faulty(Fault(kind))

    with client(app) as graph, pytest.raises(ConnectionResetError):
        graph.post(ASSIGN, json=BODY)

    assert len(app.state.assignments_of(IPADS)) == left
    assert app.requests == [("POST", ASSIGN, 0)]
    assert len(app.bodies) == 1


def test_a_truncated_answer_announces_more_than_it_holds():
    with client(faulty(Fault("truncated"), mode="documented")) as graph:
        response = graph.post(ASSIGN, json=BODY)

    assert int(response.headers["content-length"]) > len(response.content) > 0
    with pytest.raises(json.JSONDecodeError):
        response.json()


def test_a_truncated_answer_without_a_body_is_a_reset_after_the_write():
    app = faulty(Fault("truncated"))

    with client(app) as graph, pytest.raises(ConnectionResetError):
        graph.post(ASSIGN, json=BODY)

    assert len(app.state.assignments_of(IPADS)) == 1


def test_an_expired_token_stays_expired_and_another_one_works():
    app = faulty(Fault("expired_token", skip=1))

    with client(app, token="old") as graph:
        answers = [graph.get(ORGANIZATION) for _ in range(3)]
    with client(app, token="new") as graph:
        assert graph.get(ORGANIZATION).status_code == 200
    with client(app, token="old") as graph:
        assert graph.get(ORGANIZATION).status_code == 401

    assert [answer.status_code for answer in answers] == [200, 401, 401]
    assert code_of(answers[1]) == (401, "InvalidAuthenticationToken")


def test_a_slow_answer_sleeps_first_and_then_answers():
    slept = []
    app = faulty(Fault("slow", seconds=30), sleep=slept.append)

    assert statuses(app, ORGANIZATION, ORGANIZATION) == [200, 200]
    assert slept == [30]


def test_stale_reads_show_the_set_before_the_write_by_every_route():
    app = faulty(Fault("stale_reads", reads=3, path="/assign$"))

    with client(app) as graph:
        graph.post(ASSIGN, json=BODY)
        other = len(graph.get(f"{CLASSIC}/{WINDOWS}/assignments").json()["value"])
        seen = [
            graph.get(f"{CLASSIC}/{IPADS}/assignments").json()["value"],
            graph.get(f"{CLASSIC}/{IPADS}?$expand=assignments").json()["assignments"],
            graph.get(f"{CLASSIC}?$expand=assignments").json()["value"][2]["assignments"],
            graph.get(f"{CLASSIC}/{IPADS}/assignments").json()["value"],
        ]

    assert other == 2
    assert [len(one) for one in seen] == [0, 0, 0, 1]
    assert len(app.state.assignments_of(IPADS)) == 1


def test_a_refused_write_leaves_the_stale_reads_for_the_next():
    app = faulty(Fault("stale_reads", reads=1))

    with client(app) as graph:
        assert graph.post(ASSIGN, json={}).status_code == 400
        assert not app.faults.are_spent
        assert graph.post(ASSIGN, json=BODY).status_code == 204
        assert app.faults.are_spent
        assert graph.get(f"{CLASSIC}/{IPADS}/assignments").json()["value"] == []


def shown_groups(graph, policy=WINDOWS):
    """The last four digits of the groups that every page of a policy's assignments shows."""
    link, seen = f"{CLASSIC}/{policy}/assignments", []
    while link:
        body = graph.get(link).json()
        seen += [entry["target"]["groupId"][-4:] for entry in body["value"]]
        link = body.get("@odata.nextLink")
    return seen


def test_a_lagging_reading_misses_the_latest_changes_by_every_route():
    app = faulty(Fault("lagging_reads", path=IPADS, times=4))

    with client(app) as graph:
        graph.post(ASSIGN, json=BODY)
        batch = {"requests": [{"id": "1", "method": "GET", "url": f"{ASSIGN[5:]}ments"}]}
        late = [
            graph.get(f"{CLASSIC}/{IPADS}/assignments").json()["value"],
            graph.get(f"{CLASSIC}/{IPADS}?$expand=assignments").json()["assignments"],
            graph.get(f"{CLASSIC}?$expand=assignments").json()["value"][2]["assignments"],
            graph.post("/beta/$batch", json=batch).json()["responses"][0]["body"]["value"],
        ]
        assert len(shown_groups(graph)) == 2
        assert len(shown_groups(graph, IPADS)) == 1

    assert late == [[], [], [], []]
    assert app.faults.are_spent


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"behind": 0}, ["0001", "0003"]),
        ({"behind": 1}, ["0001"]),
        ({"behind": 2}, []),
        ({"lacks": f"{SALES}$"}, ["0003"]),
        ({"behind": 1, "lacks": SALES}, []),
    ],
)
def test_a_lagging_reading_can_lack_what_was_there_long_before(options, shown):
    app = faulty(Fault("lagging_reads", skip=1, **options))
    for number in (1, 2):
        app.state.set_assignments(
            IPADS,
            [
                {"id": f"{IPADS}_{one}", "target": target("group", one)}
                for one in (SALES, TWIN_ONE)[:number]
            ],
        )

    with client(app) as graph:
        readings = [shown_groups(graph, IPADS) for _ in range(3)]

    assert readings == [["0001", "0003"], shown, ["0001", "0003"]]


def test_short_pages_pass_over_an_assignment_when_another_goes_between_them():
    app = faulty(Fault("short_pages", path=WINDOWS, size=1, removes=f"{SALES}$"))
    app.state.set_assignments(
        WINDOWS,
        [
            {"id": f"{WINDOWS}_{one}", "target": target("group", one)}
            for one in (SALES, ONEIL, TWIN_ONE)
        ],
    )

    with client(app) as graph:
        assert shown_groups(graph) == ["0001", "0003"]
        assert shown_groups(graph) == ["0002", "0003"]


def test_an_expansion_comes_in_short_pages_too():
    app = faulty(Fault("short_pages", path=WINDOWS, size=1))

    with client(app) as graph:
        policy = graph.get(f"{CLASSIC}?$expand=assignments").json()["value"][0]
        rest = graph.get(policy["assignments@odata.nextLink"]).json()

    assert [one["id"][-4:] for one in policy["assignments"] + rest["value"]] == ["0001", "0002"]
    assert "@odata.nextLink" not in rest


def test_a_swapped_answer_is_that_of_the_reading_before():
    app = faulty(Fault("swapped_answer", path=IPADS))

    with client(app) as graph:
        windows = graph.get(f"{CLASSIC}/{WINDOWS}/assignments").json()
        assert graph.get(f"{CLASSIC}/{IPADS}/assignments").json() == windows
        assert graph.get(f"{CLASSIC}/{IPADS}/assignments").json()["value"] == []


def test_a_swapped_answer_can_be_that_of_a_named_request_and_hides_no_write():
    of = f"{CLASSIC}/{WINDOWS}/assignments"
    app = faulty(Fault("swapped_answer", method="POST", of=of))

    with client(app) as graph:
        answer = graph.post(ASSIGN, json=BODY)

        assert answer.json() == graph.get(of).json()
    assert len(app.state.assignments_of(IPADS)) == 1


def test_answers_are_swapped_for_one_entry_of_a_batch_and_for_a_whole_batch():
    def batch(*policies):
        url = "/deviceManagement/deviceCompliancePolicies"
        return {
            "requests": [
                {"id": str(number), "method": "GET", "url": f"{url}/{policy}/assignments"}
                for number, policy in enumerate(policies)
            ]
        }

    def sizes(answer):
        return {one["id"]: len(one["body"]["value"]) for one in answer.json()["responses"]}

    app = faulty(
        Fault("swapped_answer", path=f"{AOSP}/assignments"),
        Fault("swapped_answer", path="batch$", skip=1),
    )
    with client(app) as graph:
        assert sizes(graph.post("/beta/$batch", json=batch(WINDOWS, AOSP))) == {"0": 2, "1": 2}
        assert sizes(graph.post("/beta/$batch", json=batch(IPADS, IPADS))) == {"0": 2, "1": 2}
        assert sizes(graph.post("/beta/$batch", json=batch(IPADS, AOSP))) == {"0": 0, "1": 1}


@pytest.mark.parametrize("text", ["", "[1", '{"value": [NaN]}', '{"value": "\\ud800"}', "[" * 5000])
def test_a_body_of_any_shape_comes_as_it_stands(text):
    app = faulty(Fault("body", text=text), Fault("body", text=text, code=201, after=True))

    with client(app) as graph:
        read, written = graph.get(ORGANIZATION), graph.post(ASSIGN, json=BODY)

    assert (read.status_code, read.text) == (200, text)
    assert (written.status_code, written.text) == (201, text)
    assert written.headers["content-type"].startswith("application/json")
    assert len(app.state.assignments_of(IPADS)) == 1


def test_a_part_of_an_answer_can_be_replaced():
    app = faulty(
        Fault("body", path="batch$", find=r'"status": \d+, ', text=""),
        Fault("body", method="GET", path="groups", find=r'"Contractors"', text="null", code=203),
    )
    batch = {"requests": [{"id": "1", "method": "GET", "url": "/groups"}]}

    with client(app) as graph:
        (entry,) = graph.post("/v1.0/$batch", json=batch).json()["responses"]
        groups = graph.get("/v1.0/groups")

    assert entry.keys() == {"id", "headers", "body"}
    assert groups.status_code == 203
    assert [one["displayName"] for one in groups.json()["value"]][2:] == [None, None]


def test_faults_are_read_as_powershell_writes_them(tmp_path):
    file = tmp_path / "faults.json"
    file.write_text('[{"kind": "reset_after"}]', encoding="utf-16")

    assert Faults.load(file).take("GET", "/x") == Fault("reset_after")


def test_a_fault_can_be_added_while_serving():
    app = sandbox()
    app.faults.add(Fault("status", code=502))

    assert statuses(app, ORGANIZATION, ORGANIZATION) == [502, 200]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"kind": "meteor"}, "unknown kind of fault 'meteor'"),
        ({"kind": "status"}, "needs 'code'"),
        ({"kind": "slow"}, "needs 'seconds'"),
        ({"kind": "slow", "seconds": 1, "code": 500}, "takes no 'code'"),
        ({"kind": "reset_before", "path": "("}, "not a regular expression"),
        ({"kind": "status", "code": "500"}, "'code' must be a whole number"),
        ({"kind": "status", "code": 500, "times": -1}, "'times' must be a whole number"),
        ({"kind": "short_pages"}, "needs 'size'"),
        ({"kind": "short_pages", "size": 0}, "at least one entry"),
        ({"kind": "lagging_reads", "lacks": "("}, "not a regular expression"),
        ({"kind": "swapped_answer", "reads": 1}, "takes no 'reads'"),
        ({"kind": "body"}, "needs 'text'"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(fault, message):
    with pytest.raises(ValueError, match=message):
        Fault(**fault)


def test_faults_are_read_from_a_file(tmp_path):
    file = tmp_path / "faults.json"
    file.write_text(
        '[{"kind": "status", "code": 429, "retry_after": "1"}, {"kind": "reset_after"}]'
    )

    faults = Faults.load(file)

    assert faults.take("GET", "/x") == Fault("status", code=429, retry_after="1")
    assert faults.take("GET", "/x") == Fault("reset_after")
    assert faults.take("GET", "/x") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "1:2: not JSON: Expecting value"),
        ('[{"kind": "html", "kind": "slow"}]', " the key 'kind' appears twice"),
        ("{}", " a list of faults is expected"),
        ("[1]", " fault 1: an object is expected"),
        (
            '[{"kind": "reset_after"}, {"kind": "status"}]',
            " fault 2: a fault of kind status needs 'code'",
        ),
        (
            '[{"kind": "status", "code": 1, "colour": "red"}]',
            ' fault 1: unknown field "colour"; known: kind, method, path, ',
        ),
        ("[{}]", ' fault 1: "kind" is missing; known: status, '),
    ],
)
def test_a_file_of_faults_says_where_it_is_wrong(tmp_path, text, message):
    file = tmp_path / "faults.json"
    file.write_text(text)

    with pytest.raises(ValueError, match=f"faults.json:{message}"):
        Faults.load(file)
