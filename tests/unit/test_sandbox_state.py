"""The tenant file: what it must look like, and that nothing in it gets lost."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from reconciler.sandbox import SandboxFileError, SandboxState
from tests.unit.test_sandbox_builder import (
    AOSP,
    IPADS,
    LINUX,
    ONEIL,
    SALES,
    TWIN_ONE,
    WINDOWS,
    live,
    target,
    tenant,
)

SHIPPED = Path(__file__).parents[2] / "desired-state" / "sandbox.json"


def written(tmp_path, document):
    file = tmp_path / "tenant.json"
    file.write_text(
        document if isinstance(document, str) else json.dumps(document), encoding="utf-8"
    )
    return file


def without(key):
    document = tenant()
    del document[key]
    return document


def changed(change):
    document = copy.deepcopy(tenant())
    change(document)
    return document


def test_a_tenant_survives_saving_and_loading(tmp_path):
    odd = tenant(groups=[{"id": SALES, "displayName": "Größe", "extension_x": {"deep": [1, None]}}])
    state = SandboxState.load(written(tmp_path, odd))

    state.save(tmp_path / "saved.json")

    assert SandboxState.load(tmp_path / "saved.json").to_json() == state.to_json()
    assert state.groups == odd["groups"]
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["saved.json", "tenant.json"]


def test_only_the_organisation_must_be_there(tmp_path):
    state = SandboxState.load(written(tmp_path, {"organization": tenant()["organization"]}))

    assert (state.groups, state.filters, state.policy_ids("compliancePolicies")) == ([], [], [])
    assert (state.approvals, state.approval_form) == ([], None)


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path):
    file = written(tmp_path, tenant())
    before = file.read_bytes()
    state = SandboxState.load(file)
    state._tenant["groups"][0]["broken"] = object()

    with pytest.raises(TypeError):
        state.save(file)

    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def _twin_policy(document):
    document["compliancePolicies"][0]["id"] = WINDOWS.upper()


def _twin_group(document):
    document["groups"][1]["id"] = SALES.upper()


def _twin_assignment(document):
    assignments = document["deviceCompliancePolicies"][0]["assignments"]
    assignments.append(dict(assignments[0]))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ('{"organization": \n  nope}', ":2:3: not JSON: Expecting value"),
        ('{"groups": [], "groups": []}', ": the key 'groups' appears twice in one object"),
        ("[]", ": the tenant must be an object"),
        ("[" * 100_000, ": nested too deeply"),
        (
            tenant(
                groups=[{"id": SALES, "displayName": "x", "y": json.loads("[" * 600 + "]" * 600)}]
            ),
            ": nested too deeply",
        ),
        (without("organization"), ": 'organization' is missing"),
        (
            tenant(organization={"id": "x", "displayName": "y"}),
            ": organization.id: 'x' is not a GUID",
        ),
        (
            tenant(group=[]),
            ": 'group' is not a part of a tenant; known: organization, groups, .*",
        ),
        (tenant(groups={}), ": groups must be a list"),
        (tenant(groups=["x"]), r": groups\[0\] must be an object"),
        (tenant(groups=[{"displayName": "x"}]), r": groups\[0\].id is missing"),
        (tenant(groups=[{"id": SALES}]), r": groups\[0\].displayName is missing"),
        (
            tenant(groups=[{"id": SALES, "displayName": 1}]),
            r": groups\[0\].displayName must be a string .*",
        ),
        (changed(_twin_group), rf": groups\[1\].id: '{SALES}' is also the id of groups\[0\]"),
        (
            tenant(assignmentFilters=[{"id": SALES, "displayName": "x"}]),
            r".*\[0\].platform is missing",
        ),
        (
            changed(_twin_policy),
            r": compliancePolicies\[0\].id: .* is also a policy of deviceCompliancePolicies",
        ),
        (tenant(compliancePolicies=[{"id": LINUX}]), r": compliancePolicies\[0\].name is missing"),
        (
            tenant(deviceCompliancePolicies=[{"id": AOSP, "displayName": "x"}]),
            r": deviceCompliancePolicies\[0\].@odata.type is missing",
        ),
        (
            changed(_twin_assignment),
            r": deviceCompliancePolicies\[0\].assignments\[2\].id: .* appears twice .*",
        ),
        (
            tenant(
                compliancePolicies=[
                    {"id": LINUX, "name": "x", "assignments": [{"id": "y", "target": {}}]}
                ]
            ),
            r": compliancePolicies\[0\].assignments\[0\].target.@odata.type is missing",
        ),
        (
            tenant(
                compliancePolicies=[
                    {
                        "id": LINUX,
                        "name": "x",
                        "assignments": [live(LINUX, target("allDevices"), "y", source=7)],
                    }
                ]
            ),
            r": .*assignments\[0\].source must be a string or null",
        ),
        (tenant(multiAdminApproval={"form": "lax"}), ": multiAdminApproval.form must be one of .*"),
        (
            tenant(operationApprovalRequests=[{"id": SALES, "status": "lost"}]),
            r": operationApprovalRequests\[0\].status must be one of .*",
        ),
        (
            tenant(
                operationApprovalRequests=[
                    {"id": SALES, "status": "approved", "expirationDateTime": "2026-01-01T00:00:00"}
                ]
            ),
            r": operationApprovalRequests\[0\].expirationDateTime: .* is not a time with its zone",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_mistake(tmp_path, document, message):
    file = written(tmp_path, document)

    with pytest.raises(SandboxFileError, match=message) as caught:
        SandboxState.load(file)

    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_not_text_is_named(tmp_path):
    with pytest.raises(SandboxFileError, match=r"missing\.json: cannot be read: No such file"):
        SandboxState.load(tmp_path / "missing.json")
    (tmp_path / "bytes.json").write_bytes(b'{"\xff')
    with pytest.raises(SandboxFileError, match=r"bytes\.json:1:3: the bytes ff are not UTF-8"):
        SandboxState.load(tmp_path / "bytes.json")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_file_may_have_any_encoding_that_powershell_writes(tmp_path, encoding):
    file = tmp_path / "tenant.json"
    file.write_text(json.dumps(tenant(), ensure_ascii=False), encoding=encoding)

    assert SandboxState.load(file).to_json() == SandboxState(tenant()).to_json()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{\n  "\xc3\x9c\xff', "2:5: the bytes ff are not UTF-8"),
        (b'\xef\xbb\xbf{\n\n"\xff"}', "3:2: the bytes ff are not UTF-8"),
        ("{\n ".encode("utf-16") + b"\x00\xd8", "2:2: the bytes 00 d8 are not UTF-16"),
        (b'\xef\xbb\xbf{\n"a" 1}', "2:5: not JSON: Expecting ':' delimiter"),
    ],
)
def test_what_cannot_be_decoded_has_a_place(tmp_path, content, message):
    file = tmp_path / "tenant.json"
    file.write_bytes(content)

    with pytest.raises(SandboxFileError) as caught:
        SandboxState.load(file)

    assert str(caught.value) == f"{file}:{message}"


def test_what_may_be_left_out_of_an_assignment_is_filled_in():
    bare = {"id": "a", "target": target("allDevices")}
    state = SandboxState(
        tenant(compliancePolicies=[{"id": LINUX, "name": "x", "assignments": [bare]}])
    )

    assert state.assignments_of(LINUX) == [{**bare, "source": "direct", "sourceId": LINUX}]


def test_what_is_handed_out_can_be_changed_without_changing_the_tenant():
    state = SandboxState(tenant())
    before = state.to_json()

    state.assignments_of(WINDOWS)[0]["target"]["groupId"] = ONEIL
    state.groups[0]["displayName"] = "changed"
    state.organization["displayName"] = "changed"
    state.to_json()["groups"].clear()

    assert state.to_json() == before


def test_somebody_else_can_edit_a_policy():
    state = SandboxState(tenant())
    new = live(IPADS, target("group", TWIN_ONE), TWIN_ONE)

    state.set_assignments(IPADS.upper(), [new])

    assert state.assignments_of(IPADS) == [new]
    with pytest.raises(ValueError, match="appears twice"):
        state.set_assignments(IPADS, [new, new])
    assert state.assignments_of(IPADS) == [new]
    with pytest.raises(LookupError):
        state.set_assignments(SALES, [])


@pytest.fixture(scope="module")
def shipped():
    return SandboxState.load(SHIPPED)


def assignments(state):
    families = ("deviceCompliancePolicies", "compliancePolicies")
    ids = [id for family in families for id in state.policy_ids(family)]
    return [one for id in ids for one in state.assignments_of(id)]


def test_the_shipped_tenant_is_the_one_of_the_example(shipped):
    assert shipped.organization["id"] == "7d2f9a54-51d8-4c0e-9b57-0c1f5d6c7a11"
    assert shipped.organization["verifiedDomains"][0]["name"] == "contoso.example"


def test_the_shipped_tenant_holds_what_makes_planning_hard(shipped):
    everything = assignments(shipped)
    names = [group["displayName"] for group in shipped.groups]
    groups = {group["id"] for group in shipped.groups}
    used = {one["target"]["groupId"] for one in everything if "groupId" in one["target"]}
    types = {one["target"]["@odata.type"] for one in everything}

    assert names.count("Contractors") == 2
    assert "Sales - O'Neil's laptops" in names
    assert used - groups, "an assignment to a deleted group"
    assert "#microsoft.graph.androidFotaDeploymentAssignmentTarget" in types
    assert any(
        one["source"] == "policySets" and one["sourceId"] not in one["id"] for one in everything
    )
    assert len({one["displayName"] for one in shipped.filters}) == len(shipped.filters) == 8


def test_the_shipped_tenant_is_consistent(shipped):
    filters = {one["id"] for one in shipped.filters}
    for one in assignments(shipped):
        chosen = one["target"]["deviceAndAppManagementAssignmentFilterId"]
        assert chosen is None or chosen in filters
        assert (chosen is None) == (
            one["target"]["deviceAndAppManagementAssignmentFilterType"] == "none"
        )


def test_the_shipped_tenant_has_figures_for_a_reviewer(shipped):
    members = {
        group["displayName"]: tuple(
            shipped.count_members(group["id"], kind, hidden=False) for kind in ("users", "devices")
        )
        for group in shipped.groups
    }
    blocks = [
        action["gracePeriodHours"]
        for id in shipped.policy_ids("deviceCompliancePolicies")
        for rule in shipped.part_of_policy(id, "scheduledActionsForRule")
        for action in rule["scheduledActionConfigurations"]
        if action["actionType"] == "block"
    ]

    assert [name for name, counts in members.items() if None in counts] == ["Executives"]
    assert [name for name, counts in members.items() if counts == (0, 0)] == ["BYOD pilot users"]
    assert members["Sales laptops"] == (0, 334)
    assert len(blocks) == len(shipped.policy_ids("deviceCompliancePolicies"))
    assert {0, 12, 72} <= set(blocks)
