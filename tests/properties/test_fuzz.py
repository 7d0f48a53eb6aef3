"""Broken input at every door: a result, or an error of our own. Never another exception.

A door is what the program reads and did not write in this run: files, documents, Graph's responses.
What a document says once it is read goes through every view, and no view passes a control
character on. ``PROPERTY_ROUNDS`` starts a random search with many more inputs.
"""

from __future__ import annotations

import json
import re
import tempfile
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import product
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.cli import render
from reconciler.cli.console import Color, Console
from reconciler.differ.guardrails import Limits
from reconciler.documents import (
    Failure,
    SavedPlan,
    Validation,
    dumps,
    envelope,
    read_document,
)
from reconciler.documents.failures import dumps_failure
from reconciler.documents.results import dumps_result
from reconciler.documents.validation import CheckedRoot, dumps_validation
from reconciler.graph import encoding, exact_json, wire
from reconciler.graph.responses import GraphResponse, is_throttled, refusal
from reconciler.loader import load
from reconciler.model.errors import (
    GraphError,
    PlanFileError,
    ReconcilerError,
    StalePlanError,
    UsageError,
)
from reconciler.model.lock import Lock, LockedKind, LockedObject
from reconciler.model.policy_types import FAMILIES
from reconciler.model.requests import AssignmentToSend, AssignRequest
from reconciler.model.state import Filter, FilterMode, Target, TargetKind
from reconciler.model.text import is_unseen
from reconciler.model.usage import Usage
from reconciler.operations.connect import SnapshotAccess
from reconciler.operations.health import Check, Health
from reconciler.operations.planning import PlanRequest, make_plan
from reconciler.operations.selection import Selection
from reconciler.views import (
    doctor,
    import_text,
    lock_text,
    markdown,
    markdown_failure,
    tenants_table,
    who,
)
from reconciler.views.apply_by_hand import how_to_approve
from reconciler.views.import_text import ImportSummary
from reconciler.views.markdown_context import Context
from reconciler.views.tenants_table import TenantRow
from tests.support import build, example_plans
from tests.support.clocks import FakeClock
from tests.support.damage import DAMAGES, ODD, TEARS, damaged, torn
from tests.support.in_process import Run, app_on, session
from tests.support.property_rounds import examples
from tests.support.strategies import (
    failures,
    hostile_names,
    json_values,
    policies,
    results,
    saved_plans,
    validations,
)
from tests.support.tenants import (
    CORPORATE,
    TENANT,
    declare,
    group,
    live,
    opaque,
    policy_id,
    target,
    tenant,
    with_figures,
)

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
WORKFLOW = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "contoso/intune",
    "GITHUB_SHA": "0123456789abcdef0123456789abcdef01234567",
    "GITHUB_RUN_ID": "42",
}
CONSOLES = [
    Console(Color.NEVER, quiet=False, verbose=1, log_json=False, environ={}),
    Console(Color.NEVER, quiet=False, verbose=0, log_json=False, environ=WORKFLOW),
]
FORMATS = ("text", "json", "markdown", "html", "github", "sarif")


def tried(count):
    return settings(examples(count), suppress_health_check=list(HealthCheck))


# Documents and views ------------------------------------------------------------------------------


def steering(text):
    """The characters of a text that the eye does not see, our own line breaks apart."""
    beyond_ascii = re.finditer(r"[^\n -~]", text)
    return [
        each[0]
        for each in beyond_ascii
        if is_unseen(each[0], text[max(each.start() - 1, 0) : each.start()])
    ]


def show_everywhere(document):
    """Put a document through each of its views; no view may pass a control character on."""
    for console, format_ in product(CONSOLES, FORMATS):
        with suppress(UsageError):  # not every kind of document has every view
            shown = render.document(document, format_, console, root="desired-state")
            assert steering(shown) == [], format_
            shown.encode()
            if format_ in ("json", "sarif"):
                json.loads(shown)
            if format_ == "github":
                assert all(
                    line.startswith(("::error ", "::warning ")) for line in shown.splitlines()
                )


@tried(100)
@given(saved_plans)
def test_no_view_of_a_plan_passes_a_control_character_on(saved):
    show_everywhere(saved)


@tried(300)
@given(results() | failures | validations)
def test_no_view_of_another_document_passes_a_control_character_on(document):
    show_everywhere(document)


@tried(50)
@given(saved_plans, failures, hostile_names)
def test_what_a_workflow_says_of_itself_passes_no_control_character_on(saved, failure, name):
    context = Context(
        commit=name,
        run_url=name,
        run_number=name,
        repository_url=name,
        report_url=name,
        on_merge=name,
        note=name,
        root=name,
    )
    assert steering(markdown.render(saved, context)) == []
    assert steering(markdown_failure.render_failure(failure, context)) == []


_usages = st.builds(
    Usage,
    policies(),
    st.builds(
        Target,
        st.sampled_from(TargetKind),
        hostile_names,
        hostile_names,
        hostile_names,
        hostile_names,
    ),
    st.none() | st.builds(Filter, st.sampled_from(FilterMode), hostile_names, hostile_names),
    st.booleans(),
    st.none() | hostile_names,
    st.none() | st.builds(build.at, st.integers(1, 9), file=hostile_names),
)


@tried(200)
@given(st.lists(hostile_names, min_size=1, max_size=3), st.lists(_usages, max_size=3))
def test_no_view_that_shows_no_document_passes_a_control_character_on(names, usages):
    name = names[-1]
    headings = [("group", name, each) for each in names]
    checks = [Check(each, health, name) for each in names for health in Health]
    rows = [TenantRow(each, None, 1) for each in names]
    lock = Lock({LockedKind.GROUPS: tuple(LockedObject(each, name) for each in names)})
    summary = ImportSummary(
        diff=None,
        new_files=names,
        extended_files=names,
        policies=1,
        assignments=1,
        declared=1,
        not_declared={name: 1},
        left_out=[(name, names)],
        unassigned=names,
    )
    for text in (
        who.render_text(headings, usages, 1, root=name),
        who.render_markdown(headings, usages, 1, root=name),
        who.render_json(usages),
        doctor.render_text(checks, width=80),
        doctor.render_json(checks),
        tenants_table.render_text(rows),
        tenants_table.render_markdown(rows),
        *(
            lock_text.render(name, lock, names, is_missing=is_missing, is_written=is_written)
            for is_missing, is_written in product((True, False), repeat=2)
        ),
        import_text.render(summary, width=80),
        import_text.render(replace(summary, diff="\n".join(names)), width=80),
        how_to_approve(name, name, names),
    ):
        assert steering(text) == [], text
        text.encode()


@cache
def documents():
    """Documents of every kind, as they are written."""
    plans = [make() for make in example_plans.STATES.values()]
    found = tuple(plans[-2].diagnostics) or tuple(plans[3].diagnostics)
    failure = Failure("apply", "prod", "desired-state", 1, "It failed", found, None, has_begun=True)
    return [
        *(dumps(SavedPlan(plan, NOW, "0.1.0")) for plan in (*plans, example_plans.counted())),
        dumps_result(example_plans.mixed_outcomes()),
        dumps_failure(failure),
        dumps_validation(Validation((CheckedRoot("desired-state", "prod", found),))),
    ]


DOCUMENTS = st.integers(0, 20).map(lambda number: number % len(documents()))


@tried(300)
@given(DOCUMENTS, DAMAGES, st.integers(0, 5))
def test_a_damaged_document_is_read_and_shown_or_refused(number, damages, keeps_checksum):
    value = damaged(json.loads(documents()[number]), damages)
    if isinstance(value, dict) and "checksum" in value and keeps_checksum:
        value["checksum"] = envelope.checksum(value)
    with suppress(PlanFileError, StalePlanError):
        show_everywhere(read_document(json.dumps(value), source="plan.json"))


@tried(100)
@given(st.text(max_size=40) | json_values.map(json.dumps))
def test_any_text_is_a_document_or_refused(text):
    with suppress(PlanFileError, StalePlanError):
        read_document(text, source="plan.json")


@tried(100)
@given(DOCUMENTS, TEARS)
def test_torn_bytes_are_a_document_or_refused(number, tears):
    content = torn(documents()[number].encode(), tears)
    with suppress(PlanFileError, StalePlanError):
        read_document(envelope.decode(content, source="plan.json"), source="plan.json")


# Snapshots ----------------------------------------------------------------------------------------


def a_tenant():
    return tenant(
        {
            1: [
                opaque(11),
                target("group", group(1), mode="include", filter_id=CORPORATE),
                live(policy_id(1), target("group", group(4)), source="policySets"),
            ],
            2: [target("allDevices"), target("exclusionGroup", group(2))],
        },
        linux=[target("group", group(3))],
    )


def a_root(folder):
    return declare(
        folder / "root",
        {
            "Policy 1": {"include": ["group: Group 2", "group: Group 4"], "exclude": []},
            "Policy 2": {"include": ["all_devices"], "exclude": ["group: Group 5"]},
            "Linux": {"include": ["group: Group 3"], "exclude": []},
        },
        writes="assign",
    )


@cache
def a_snapshot():
    document = {
        "kind": "snapshot",
        "format_version": "1.0",
        "reconciler_version": "0.1.0",
        "created_at": "2026-11-01T10:00:00Z",
        "tenant": {
            "id": TENANT,
            "display_name": "Contoso",
            "cloud": "global",
            "domains": ["contoso.example"],
        },
        "coverage": {"all_groups": True, "group_names": [], "group_ids": []},
        "graph": {
            key: value
            for key, value in a_tenant().items()
            if key not in ("multiAdminApproval", "operationApprovalRequests")
        },
    }
    return json.dumps(document)


def plan_on(snapshot, folder):
    """The plan on a snapshot, whose checksum fits."""
    if isinstance(snapshot, dict):
        snapshot["checksum"] = envelope.checksum(snapshot)
    file = folder / "snapshot.json"
    file.write_text(json.dumps(snapshot))
    access = SnapshotAccess(file, timedelta(days=10_000))
    return make_plan(
        PlanRequest(root=a_root(folder), selection=Selection(), limits=Limits()),
        replace(session(FakeClock()), snapshot=access),
    )


@tried(100)
@given(DAMAGES)
def test_a_plan_on_a_damaged_snapshot_is_made_or_refused(damages):
    with tempfile.TemporaryDirectory() as name, suppress(ReconcilerError):
        plan = plan_on(damaged(json.loads(a_snapshot()), damages), Path(name))
        show_everywhere(SavedPlan(plan, NOW, "0.1.0"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda graph: graph.pop("groups"),
        lambda graph: graph["organization"].pop("id"),
        lambda graph: graph["groups"].append({"id": None, "displayName": "x"}),
        lambda graph: graph["deviceCompliancePolicies"][0].pop("assignments"),
        lambda graph: graph["compliancePolicies"][0]["assignments"][0].pop("target"),
    ],
)
def test_a_snapshot_that_lacks_what_a_plan_reads_is_refused(damage, tmp_path):
    snapshot = json.loads(a_snapshot())
    damage(snapshot["graph"])
    with pytest.raises(PlanFileError, match="not a snapshot of a tenant that this release can"):
        plan_on(snapshot, tmp_path)


def test_a_snapshot_whose_time_has_no_zone_is_refused(tmp_path):
    with pytest.raises(PlanFileError, match="created_at"):
        plan_on(json.loads(a_snapshot()) | {"created_at": "2026-11-01T10:00:00"}, tmp_path)


def test_parts_of_a_later_release_are_passed_over(tmp_path):
    snapshot = json.loads(a_snapshot())
    snapshot["graph"] |= {"missingSegments": 5, "another": {}}
    assert plan_on(snapshot, tmp_path).complete


# Graph's responses --------------------------------------------------------------------------------


_header_values = st.sampled_from(
    [
        "",
        "0",
        "-1",
        "1e9",
        "99999999999999999999",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Fri, 31 Dec 2026 23:59:59 +99999999999999",
        "Thu, 99 X",
    ]
) | st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)


RESPONSE_DAMAGES = st.dictionaries(
    st.integers(0, 25),
    st.one_of(
        st.tuples(st.just("json"), DAMAGES),
        st.tuples(st.just("bytes"), TEARS),
        st.tuples(
            st.just("status"), st.sampled_from([200, 204, 302, 400, 401, 404, 409, 429, 500])
        ),
        st.tuples(
            st.sampled_from(["Retry-After", "Date", "request-id", "Content-Type"]), _header_values
        ),
    ),
    min_size=1,
    max_size=3,
)


class Damaging:
    """Stands before the sandbox and damages some of its responses, by their number."""

    def __init__(self, app, damages):
        self.app = app
        self.damages = damages
        self.number = -1

    def __call__(self, environ, start_response):
        heads = []
        content = b"".join(self.app(environ, lambda *head: heads.append(head[:2])))
        status, headers = heads[0]
        self.number += 1
        match self.damages.get(self.number):
            case "json", damages if content:
                content = json.dumps(damaged(json.loads(content), damages)).encode()
            case "bytes", tears:
                content = torn(content, tears)
            case "status", int(code):
                status = f"{code} X"
            case str(name), str(value):
                headers = [*headers, (name, value)]
        kept = [pair for pair in headers if pair[0].lower() != "content-length"]
        start_response(status, [*kept, ("Content-Length", str(len(content)))])
        return [content]


@tried(150)
@given(RESPONSE_DAMAGES, st.sampled_from(["production", "documented"]))
def test_damaged_responses_of_graph_end_in_an_error_of_our_own(damages, mode):
    clock = FakeClock()
    app = Damaging(app_on(with_figures(a_tenant()), clock, mode=mode), damages)
    with tempfile.TemporaryDirectory() as name, suppress(ReconcilerError):
        run = Run(app, a_root(Path(name)), clock=clock)
        plan = run.plan(impact=True)
        show_everywhere(SavedPlan(plan, NOW, "0.1.0"))
        if plan.complete:
            result = run.apply(plan)
            show_everywhere(result)
            assert [
                each for each in result.outcomes if "internal error" in (each.error or "")
            ] == []


_bodies = st.one_of(
    st.binary(max_size=60),
    json_values.map(lambda value: json.dumps(value).encode()),
    ODD.map(lambda value: json.dumps({"error": value}).encode()),
    st.builds(
        lambda code, message, inner: json.dumps(
            {"error": {"code": code, "message": message, "innerError": inner}}
        ).encode(),
        ODD,
        ODD | json_values.map(json.dumps) | st.builds(lambda m: json.dumps({"Message": m}), ODD),
        ODD | st.builds(lambda given: {"request-id": given}, ODD),
    ),
)


@tried(300)
@given(
    st.integers(100, 599),
    _bodies,
    st.dictionaries(
        st.sampled_from(["retry-after", "date", "request-id", "x-msft-approval-code"]),
        _header_values,
    ),
)
def test_any_response_has_a_message_and_a_refusal(status, content, headers):
    response = GraphResponse.of(httpx.Response(status, headers=headers, content=content))
    response.message.encode()
    is_throttled(response)
    error = refusal(response, "reading the policies", now=NOW)
    str(error).encode()
    assert len(str(error)) < 2_000


@tried(300)
@given(
    st.sampled_from(
        [
            wire.PolicyItem,
            wire.GroupItem,
            wire.FilterItem,
            wire.OrganizationItem,
            wire.AssignmentItem,
        ]
    ),
    st.dictionaries(
        st.sampled_from(
            ["id", "displayName", "name", "platform", "platforms", "@odata.type", "isAssigned",
             "assignments", "verifiedDomains", "source", "sourceId", "target", "membershipRule",
             "assignments@odata.nextLink", "deviceCompliancePolicyScript"]
        ),
        ODD,
    ),
)  # fmt: skip
def test_any_object_is_read_or_does_not_have_the_form_that_graph_documents(model, item):
    try:
        read = wire.parse(model, item, "reading")
    except GraphError:
        return
    match read:
        case wire.PolicyItem():
            for family in FAMILIES.values():
                wire.policy(read, family)
        case wire.GroupItem():
            wire.group(read)
        case wire.FilterItem():
            wire.assignment_filter(read)
        case wire.OrganizationItem():
            wire.tenant(read)
        case wire.AssignmentItem():
            wire.names_another_policy(read, policy_id(1))
            wire.assignment(read)


_targets = st.dictionaries(
    st.sampled_from(
        ["@odata.type", "groupId", "collectionId", "entraObjectId", "targetType", "x",
         wire.FILTER_ID, wire.FILTER_TYPE]
    ),
    ODD
    | st.sampled_from(
        ["#microsoft.graph.groupAssignmentTarget", "#microsoft.graph.allDevicesAssignmentTarget",
         "#microsoft.graph.exclusionGroupAssignmentTarget", "include", "none", CORPORATE,
         "#microsoft.graph.configurationManagerCollectionAssignmentTarget",
         "microsoft.graph.scopeTagGroupAssignmentTarget"]
    ),
)  # fmt: skip


@tried(300)
@given(st.lists(_targets, max_size=4), st.booleans())
def test_any_target_that_was_read_goes_back_as_it_was(targets, reproducible):
    read = [
        wire.assignment(wire.AssignmentItem.model_validate({"id": f"a{number}", "target": one}))
        for number, one in enumerate(targets)
    ]
    sent = [AssignmentToSend(one.target, one.filter, one.raw_target) for one in read]
    request = AssignRequest(build.policy(), tuple(sent))
    body = exact_json.loads(encoding.encode(request, reproducible=reproducible).body)
    back = sorted(json.dumps(entry["target"], sort_keys=True) for entry in body["assignments"])
    assert back == sorted(json.dumps(one, sort_keys=True) for one in targets)


# The loader ---------------------------------------------------------------------------------------

TENANT_FILE = f"""tenant: {TENANT}
label: prod
ownership: additive
guardrails: {{max_creates: 50, broad_targets: confirm}}
defaults:
  exclude:
    - group: Break glass
hold: {{until: 2026-12-01, reason: Freeze}}
""".encode()
POLICY_FILE = b"""policies:
  - name: Other
    include: []
    exclude: &nobody
      - group: Contractors
    defaults: false
  - name: Third
    include: [all_users]
    exclude: *nobody
  - name: Baseline
    platform: windows10
    include:
      - all_devices
      - group: {id: 33333333-aaaa-4aaa-8aaa-000000000001, name: Pilot}
        filter: {exclude: Kiosks}
        from: 2026-12-03
        until: 2027-01-31
      - scope_tag_group: {target_type: device, entra_object_id: 33333333-aaaa-4aaa-8aaa-000000000009}
    exclude:
      - group: Interns
    remove:
      - group: Old
    hold: {until: 2026-12-01, reason: Bug}
"""
LOCK_FILE = b"""version: 1
groups:
  - {name: Pilot, id: 33333333-aaaa-4aaa-8aaa-000000000001}
filters: []
policies:
  - {name: Baseline, id: 33333333-aaaa-4aaa-8aaa-000000000002, platform: windows10}
"""


FILES = {
    "tenant.yaml": TENANT_FILE,
    "policies.yaml": POLICY_FILE,
    "reconciler.lock.yaml": LOCK_FILE,
}


def load_files(files, root):
    for file, content in files.items():
        (root / file).write_bytes(content)
    return load(root)


@tried(300)
@given(st.sampled_from(sorted(FILES)), TEARS)
def test_torn_files_are_loaded_or_every_mistake_has_its_place(which, tears):
    with tempfile.TemporaryDirectory() as name:
        loaded = load_files({**FILES, which: torn(FILES[which], tears)}, Path(name))
    assert (loaded.state is None) == any(each.is_error for each in loaded.diagnostics)
    show_everywhere(Validation((CheckedRoot("desired-state", "prod", loaded.diagnostics),)))


def test_what_is_not_damaged_is_read(tmp_path):
    """Otherwise the properties above would try nothing but refusals."""
    for text in documents():
        read_document(text, source="plan.json")
    assert plan_on(json.loads(a_snapshot()), tmp_path).complete
    assert load_files(FILES, tmp_path).diagnostics == ()
    run = Run(Damaging(app_on(with_figures(a_tenant()), FakeClock()), {}), tmp_path / "root")
    plan = run.plan(impact=True)
    assert plan.complete
    assert not any(reach.unknown for reach in plan.impact.reach.values())
