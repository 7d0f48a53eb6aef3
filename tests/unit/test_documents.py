"""What is refused as a plan, and in which words; the laws stand in tests/properties."""

import json
import random
from dataclasses import replace

import jsonschema
import pytest

from reconciler.documents import SavedPlan, dumps, loads, read_document
from reconciler.documents.envelope import checksum, decode
from reconciler.documents.plans import schema
from reconciler.documents.results import dumps_result, result_schema
from reconciler.documents.validation import CheckedRoot, Validation, dumps_validation
from reconciler.model.diagnostics import error, warning
from reconciler.model.errors import ExitCode, PlanFileError, StalePlanError
from reconciler.model.plan import Delete, Keep, Stop
from reconciler.model.result import ApplyResult, PolicyOutcome, Status
from reconciler.model.state import AssignmentFilter, TargetKind
from tests.support import build
from tests.support.build_impact import devices, with_impact

NAMED = AssignmentFilter(build.CORPORATE, "Corporate")


def full():
    """A plan with a part of every kind."""
    live = [
        build.live(build.all_users(), build.filtered()),
        build.live(build.group(build.FINANCE)),
        build.live(build.exclusion(build.KIOSK_GROUP)),
        build.live(build.scope_tag_group()),
        build.opaque(future={"a": [1, None]}),
        build.inherited(build.all_devices(), id="set"),
    ]
    wanted = [
        build.want(build.all_users(), broad=True),
        build.want(build.collection(), build.filtered()),
        build.want(build.exclusion(build.KIOSK_GROUP)),
        build.want(build.all_devices()),
    ]
    return build.plan(
        build.planned(*wanted, live=live, owned="authoritative", known=[NAMED]),
        stopped_by=(Stop("max-deletes", "too many", build.at(7)),),
        diagnostics=(
            warning("inherited", "covered", build.at(3)),
            error("unknown-group", "no group", build.at(5), help="create it", policy="P"),
        ),
        complete=False,
        selection=("Windows*",),
    )


def test_a_plan_that_would_touch_what_it_does_not_know_is_none_of_ours():
    strange = build.opaque()
    tampered = build.plan(build.nothing(changes=(Delete(build.policy(), strange),)))
    refused = refusal(json.dumps(document(tampered)))
    assert "an unknown kind of target is only ever left alone" in str(refused)


def test_an_id_in_capitals_is_none_that_a_plan_would_hold():
    found = document(build.plan(build.planned(build.want(build.group()))))
    found["changes"][0]["after"]["id"] = found["changes"][0]["after"]["id"].upper()
    assert "ids are in lower case" in refusal(json.dumps(signed(found)))


def document(plan=None):
    return json.loads(dumps(build.saved(plan or full())))


def read(found):
    return loads(json.dumps(found), source="plan.json")


def signed(found):
    found["checksum"] = checksum(found)
    return found


def refusal(text, kind=PlanFileError):
    with pytest.raises(kind) as caught:
        loads(text, source="plan.json")
    return str(caught.value)


def test_the_document_has_the_published_shape():
    found = document()
    jsonschema.Draft202012Validator(schema()).validate(found)
    assert found["format_version"] == "1.0"
    assert found["created_at"] == "2026-11-23T10:00:00Z"
    assert found["tenant"] == {
        "id": build.TENANT,
        "label": "contoso",
        "display_name": "Contoso",
        "cloud": "global",
    }
    assert found["summary"] == {
        "create": 1,
        "update": 1,
        "delete": 2,
        "unchanged": 1,
        "unmanaged": 1,
        "inherited": 1,
        "held": 0,
        "scheduled": 0,
    }
    assert (found["kind"], found["held"], found["scheduled"]) == ("plan", [], [])
    assert [(c["action"], c["before"] is None, c["after"] is None) for c in found["changes"]] == [
        ("delete", False, True),
        ("delete", False, True),
        ("update", False, False),
        ("create", True, False),
    ]
    assert [f["code"] for f in found["errors"]] == ["unknown-group"]
    assert [f["code"] for f in found["warnings"]] == ["inherited"]


def test_an_update_says_which_fields_change():
    (update,) = [c for c in document()["changes"] if c["action"] == "update"]
    assert update["before"]["filter"] == {
        "mode": "include",
        "id": build.CORPORATE,
        "name": "Corporate",
    }
    assert update["after"]["filter"] is None
    assert [field["path"] for field in update["fields"]] == [
        "filter.id",
        "filter.mode",
        "filter.name",
    ]
    assert update["broad"] is True


def test_errors_and_warnings_come_back_in_their_own_order():
    plan = full()
    assert repr(read(document(plan)).plan) == repr(plan)


def test_every_kind_of_target_comes_back():
    targets = [
        build.all_devices(),
        build.all_users(),
        build.group(name="Sales"),
        build.exclusion(build.FINANCE, "Finance"),
        build.collection(),
        build.scope_tag_group(),
    ]
    live = [*(build.live(target) for target in targets), build.opaque()]
    random.Random(1).shuffle(live)
    plan = build.plan(build.planned(live=live))
    back = read(document(plan)).plan
    assert repr(back) == repr(plan)
    assert {change.assignment.target.kind for change in back.policies[0].unmanaged} == set(
        TargetKind
    )


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "plan", '"x"', "{}", '{"a": 1}'])
def test_what_is_no_plan_is_refused(text):
    assert refusal(text).startswith("plan.json is not a plan")


@pytest.mark.parametrize("levels", [100, 600, 5_000, 50_000])
@pytest.mark.parametrize(("start", "end"), ["[]", ('{"a": [', "]}")])
def test_a_file_that_is_nested_too_deep_is_refused(start, end, levels):
    """The interpreter's own limit is between 1,000 and 70,000 levels, depending on its version."""
    text = f'{{"format_version": {start * levels}{end * levels}}}'
    assert "nested too deep" in refusal(text)


def test_a_file_that_is_nested_without_end_is_refused():
    assert "nested too deep" in refusal('{"format_version": ' + "[" * 100_000)


@pytest.mark.parametrize("version", ["2.0", "0.9", "10.0", "", None, 2])
def test_another_format_is_refused_with_both_versions(version):
    found = signed(document() | {"format_version": version})
    assert f"has plan format {version}, and this release reads 1.0" in refusal(json.dumps(found))


def test_the_result_of_an_apply_is_told_from_a_plan():
    assert refusal('{"format_version": "1.0", "kind": "result", "outcomes": []}') == (
        "plan.json is the result of an apply, not a plan"
    )


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("tenant", "id"), "another"),
        (("tenant", "cloud"), "china"),
        (("complete",), True),
        (("guardrails", "max_deletes"), 99),
        (("guardrails", "stopped_by"), []),
        (("baseline",), {}),
        (("summary", "delete"), 0),
        (("changes", 0, "live", "graph_target", "groupId"), "another"),
        (("created_at",), "2030-01-01T00:00:00Z"),
        (("reconciler_version",), "9"),
        (("checksum",), "sha256:0"),
    ],
)
def test_any_edit_makes_the_plan_stale(path, value):
    found = document()
    owner = found
    for step in path[:-1]:
        owner = owner[step]
    assert owner[path[-1]] != value
    owner[path[-1]] = value
    message = refusal(json.dumps(found), StalePlanError)
    assert "altered" in message
    assert StalePlanError.exit_code is ExitCode.STALE


def test_a_plan_without_a_checksum_is_stale():
    found = document()
    del found["checksum"]
    refusal(json.dumps(found), StalePlanError)


def test_an_edited_digest_is_noticed_though_the_checksum_was_mended():
    found = signed(document() | {"digest": "sha256:" + "0" * 64})
    assert "its changes have the digest" in refusal(json.dumps(found), StalePlanError)


def lacking(edit):
    found = document()
    edit(found)
    return json.dumps(signed(found))


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (lambda d: d.pop("policies"), "policies"),
        (lambda d: d["changes"][0].update(action="replace"), "changes.0.action"),
        (lambda d: d["changes"][0].update(live=None), "a change lacks live"),
        (lambda d: d["changes"][2].update(live=None), "a change lacks live"),
        (lambda d: d["changes"][3].update(after=None), "a change lacks after"),
        (lambda d: d["changes"][3].update(declared_at=None), "a change lacks declared_at"),
        (lambda d: d["unchanged"][0].update(declared_at=None), "unchanged.0.declared_at"),
        (lambda d: d["unchanged"][0].pop("target"), "unchanged.0.target"),
        (lambda d: d["unchanged"][0].update(target=1), "unchanged.0.target"),
        (lambda d: d["unchanged"][0].update(target=-1), "unchanged.0.target"),
        (lambda d: d["unchanged_targets"][0].pop("graph_target"), "targets.0.graph_target"),
        (lambda d: d["unchanged_targets"].clear(), "unchanged.0.target"),
        (lambda d: d.pop("unchanged_targets"), "unchanged_targets"),
        (lambda d: d.pop("unchanged"), "unchanged"),
        (lambda d: d["policies"].clear(), "is not among policies"),
    ],
)
def test_a_document_that_contradicts_itself_is_refused_with_its_reason(edit, why):
    message = refusal(lacking(edit))
    assert why in message
    assert message.endswith("make a new plan")


def measured():
    """A plan with an impact, as a document."""
    plan = build.plan(build.planned(build.want(build.group())))
    (change,) = plan.changes
    return document(with_impact(plan, {change: devices(12)}))


def test_an_impact_comes_back():
    found = measured()
    assert document(read(found).plan)["impact"] == found["impact"]
    assert document(read(found).plan)["changes"] == found["changes"]


IMPOSSIBLE = "9999-12-31T23:59:59-14:00"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("created_at",), IMPOSSIBLE),
        (("impact", "read_at"), IMPOSSIBLE),
        (("impact", "policies", 0, "today", "as_of"), IMPOSSIBLE),
        (("impact", "policies", 0, "today", "compliant"), -1),
        (("impact", "policies", 0, "actions", 0, "after_days"), -1),
        (("impact", "tenant", "conditional_access_policies"), -1),
        (("changes", 0, "reach", "at_most"), -1),
        (("changes", 0, "reach", "at_most"), 2**53),
    ],
)
def test_a_time_or_a_number_that_cannot_be_is_refused(path, value):
    found = measured()
    member = found
    for step in path[:-1]:
        member = member[step]
    member[path[-1]] = value
    assert ".".join(map(str, path)) in refusal(json.dumps(signed(found)))


def test_the_impact_of_a_later_release_is_read_and_that_of_an_older_one_is_none():
    later = measured()
    later["impact"]["later"] = later["impact"]["tenant"]["later"] = {}
    later["changes"][0]["reach"]["later"] = later["impact"]["policies"][0]["later"] = 1
    assert read(signed(later)).plan == read(measured()).plan
    older = measured()
    del older["impact"], older["risk"], older["changes"][0]["reach"]
    assert read(signed(older)).plan.impact is None


def keep(live):
    return Keep(build.policy(), live, build.at())


def test_an_unchanged_assignment_takes_one_line_and_shares_its_target():
    kept = [keep(build.live(build.group(), id=each)) for each in ("a", "b")]
    other = keep(build.live(build.group(), id="c", future="new"))
    named = keep(replace(build.live(id="d"), target=build.group(name="Sales")))
    plan = build.plan(build.nothing(kept=(*kept, other, kept[0], named)))
    text = dumps(build.saved(plan))
    found = json.loads(text)
    assert [each["target"] for each in found["unchanged"]] == [0, 0, 1, 0, 2]
    assert len(found["unchanged_targets"]) == 3
    assert sum('"assignment_id"' in line for line in text.splitlines()) == 5
    assert repr(loads(text, source="plan.json").plan) == repr(plan)


def test_order_of_keys_and_white_space_mean_nothing():
    text = dumps(build.saved(full()))
    other = json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    assert json.loads(dumps(loads(other, source="plan.json"))) == json.loads(text)


def test_a_family_that_is_not_known_is_a_sentence():
    found = document()
    found["policies"][0]["family"] = "tomorrow"
    message = refusal(json.dumps(signed(found)))
    assert 'is of the family "tomorrow", which is not known here' in message


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_as_powershell_writes_it_is_read(encoding):
    text = dumps(build.saved(full())).replace("\n", "\r\n")
    back = loads(decode(text.encode(encoding), source="plan.json"), source="plan.json")
    assert repr(back.plan) == repr(full())


def test_utf_16_in_the_other_byte_order_is_read_too():
    text = dumps(build.saved(full()))
    assert decode(b"\xfe\xff" + text.encode("utf-16-be"), source="plan.json") == text


@pytest.mark.parametrize("content", [b"\xff", b"\xef\xbb\xbf\xff", b"\xff\xfea"])
def test_a_file_that_is_no_text_is_refused(content):
    with pytest.raises(PlanFileError, match="neither UTF-8 nor UTF-16"):
        decode(content, source="plan.json")


RESULT = ApplyResult(
    full().tenant,
    "sha256:0",
    (PolicyOutcome(build.policy(), Status.FAILED, tuple(full().changes), (), "why", "r", "c"),),
)
CHECKED = Validation(
    (
        CheckedRoot("eu", "contoso-eu", (error("a", "wrong", build.at(), help="h", policy="P"),)),
        CheckedRoot("us", "contoso-us", (warning("b", "look"),)),
        CheckedRoot("jp", "contoso-jp", ()),
    )
)


def test_a_document_says_its_kind_and_is_read_by_it():
    texts = [dumps(build.saved(full())), dumps_result(RESULT), dumps_validation(CHECKED)]
    assert [json.loads(text)["kind"] for text in texts] == ["plan", "result", "validation"]
    plan, result, validation = (read_document(text, source="x.json") for text in texts)
    assert isinstance(plan, SavedPlan)
    assert isinstance(result, ApplyResult)
    assert (dumps(plan), dumps_result(result)) == (texts[0], texts[1])
    assert validation == CHECKED


def test_a_document_of_another_kind_is_refused():
    with pytest.raises(PlanFileError, match='its "kind" is none of plan, result, validation'):
        read_document('{"format_version": "1.0", "kind": "snapshots"}', source="x.json")


def test_a_result_has_the_published_shape():
    jsonschema.Draft202012Validator(result_schema()).validate(json.loads(dumps_result(RESULT)))


@pytest.mark.parametrize("model", [schema(), result_schema()])
def test_every_member_says_what_it_means(model):
    parts = [model, *model["$defs"].values()]
    silent = [
        (part["title"], name)
        for part in parts
        for name, member in part.get("properties", {}).items()
        if len(member.get("description", "")) < 8
    ]
    assert silent == []


def test_half_a_character_does_not_break_the_file():
    plan = build.plan(build.nothing(build.policy(name="half \ud83d of \U0001f600 one")))
    text = dumps(build.saved(plan))
    assert "half \\ud83d of \U0001f600 one" in text
    assert loads(text.encode().decode(), source="plan.json").plan == plan


def test_what_a_terminal_would_act_on_is_escaped_and_means_the_same():
    name = "a\u202e\x9b\u200b\U000e0041\ufeff é 営"
    policy = build.policy(name=name)
    text = dumps(build.saved(build.plan(build.nothing(policy))))
    assert "a\\u202e\\u009b\\u200b\\udb40\\udc41\\ufeff é 営" in text
    assert loads(text, source="plan.json").plan.policies[0].policy.name == name
