"""Graph's JSON at the door."""

import json

import pytest

from reconciler.graph import wire
from reconciler.model.errors import GraphError
from reconciler.model.policy_types import CLASSIC, SETTINGS_CATALOG
from reconciler.model.requests import AssignmentToSend
from reconciler.model.state import (
    NO_FILTER_ID,
    Filter,
    FilterMode,
    Group,
    Policy,
    Target,
    TargetKind,
)
from tests.support import build

GROUP_TYPE = "#microsoft.graph.groupAssignmentTarget"


def raw_group(**properties):
    return {"@odata.type": GROUP_TYPE, "groupId": build.SALES, **properties}


@pytest.mark.parametrize(
    ("odata_type", "properties", "target"),
    [
        ("allDevices", {}, build.all_devices()),
        ("allLicensedUsers", {}, build.all_users()),
        ("group", {"groupId": build.SALES.upper()}, build.group()),
        ("exclusionGroup", {"groupId": build.SALES}, build.exclusion()),
        ("configurationManagerCollection", {"collectionId": "SMS00042"}, build.collection()),
        (
            "scopeTagGroup",
            {"entraObjectId": build.SALES.upper(), "targetType": "Device"},
            build.scope_tag_group(),
        ),
    ],
)
@pytest.mark.parametrize("spelling", [str, str.lower, str.upper])
@pytest.mark.parametrize("mark", ["#", ""])
def test_each_target_type_is_read_with_and_without_its_mark_in_any_case(
    odata_type, properties, target, spelling, mark
):
    name = spelling(f"microsoft.graph.{odata_type}AssignmentTarget")
    assert build.read({"@odata.type": mark + name, **properties}).target == target


@pytest.mark.parametrize(
    "target",
    [
        {"@odata.type": "#microsoft.graph.androidFotaDeploymentAssignmentTarget", "groupId": "x"},
        {"@odata.type": GROUP_TYPE},
        {"@odata.type": GROUP_TYPE, "groupId": None},
        {"@odata.type": GROUP_TYPE, "groupId": ""},
        {"@odata.type": "#microsoft.graph.configurationManagerCollectionAssignmentTarget"},
        {"@odata.type": "#microsoft.graph.scopeTagGroupAssignmentTarget", "targetType": "user"},
        {"@odata.type": None},
        {"groupId": build.SALES},
        {},
        raw_group(**{wire.FILTER_TYPE: "resolve", wire.FILTER_ID: build.CORPORATE}),
    ],
)
def test_what_is_not_known_whole_is_opaque_and_keeps_its_text(target):
    found = build.read(target, id="Some-Id")
    assert found.target.kind is TargetKind.OPAQUE
    assert (found.target.id, found.target.odata_type) == (
        "some-id",
        target.get("@odata.type") or "",
    )
    assert json.loads(found.raw_target) == target
    sent = wire.wanted_json(AssignmentToSend(found.target, found.filter, found.raw_target))
    assert json.dumps(sent["target"]) == json.dumps(target)


@pytest.mark.parametrize(
    ("filter_id", "mode", "filter"),
    [
        (None, "none", None),
        (None, None, None),
        (NO_FILTER_ID, "none", None),
        (NO_FILTER_ID, "include", None),
        ("", "include", None),
        (build.CORPORATE, "none", None),
        (build.CORPORATE, None, None),
        (build.CORPORATE.upper(), "Include", Filter(FilterMode.INCLUDE, build.CORPORATE)),
        (build.CORPORATE, "exclude", Filter(FilterMode.EXCLUDE, build.CORPORATE)),
    ],
)
def test_no_filter_has_many_spellings(filter_id, mode, filter):
    found = build.read(raw_group(**{wire.FILTER_ID: filter_id, wire.FILTER_TYPE: mode}))
    assert (found.filter, found.target) == (filter, build.group())


def test_a_target_without_filter_properties_has_no_filter():
    assert build.read(raw_group()).filter is None


def test_an_unknown_property_is_carried_through_an_update():
    found = build.live(future={"a": [1, None]})
    sent = wire.wanted_json(AssignmentToSend(found.target, build.filtered(), found.raw_target))
    assert sent == {
        "target": raw_group(
            future={"a": [1, None]},
            **{wire.FILTER_ID: build.CORPORATE, wire.FILTER_TYPE: "include"},
        )
    }


def test_taking_a_filter_off_writes_both_properties():
    found = build.live(filter=build.filtered())
    sent = wire.wanted_json(AssignmentToSend(found.target, None, found.raw_target))
    assert sent["target"] == raw_group(**build.NO_FILTER)


@pytest.mark.parametrize(
    ("target", "body"),
    [
        (build.all_devices(), {"@odata.type": "#microsoft.graph.allDevicesAssignmentTarget"}),
        (build.all_users(), {"@odata.type": "#microsoft.graph.allLicensedUsersAssignmentTarget"}),
        (build.group(), raw_group()),
        (
            build.exclusion(),
            raw_group() | {"@odata.type": "#microsoft.graph.exclusionGroupAssignmentTarget"},
        ),
        (
            build.collection("SMS00042"),
            {
                "@odata.type": "#microsoft.graph.configurationManagerCollectionAssignmentTarget",
                "collectionId": "SMS00042",
            },
        ),
        (
            build.scope_tag_group(),
            {
                "@odata.type": "microsoft.graph.scopeTagGroupAssignmentTarget",
                "targetType": "device",
                "entraObjectId": build.SALES,
            },
        ),
    ],
)
def test_a_new_target_is_written_as_the_reference_pages_have_it(target, body):
    assert wire.target_json(target, None, with_filter=False) == body
    assert wire.target_json(target, None, with_filter=True) == body | build.NO_FILTER


def test_an_opaque_target_is_never_made_up():
    with pytest.raises(AssertionError):
        wire.target_json(Target(TargetKind.OPAQUE, "x"), None, with_filter=True)


@pytest.mark.parametrize(
    ("source", "is_direct", "is_unknown"),
    [
        ({"source": "direct"}, True, False),
        ({"source": "Direct"}, True, False),
        ({"source": "policySets"}, False, False),
        ({"source": "policysets"}, False, False),
        ({"source": "somethingNew"}, False, True),
        ({"source": None}, False, True),
        ({"source": ""}, False, True),
        ({}, False, True),
    ],
)
def test_a_source_that_beta_does_not_name_is_neither_direct_nor_a_policy_sets(
    source, is_direct, is_unknown
):
    item = wire.parse(wire.AssignmentItem, {"id": "a", "target": {}, **source}, "reading")
    found = wire.assignment(item)
    assert (found.is_direct, found.is_of_unknown_source) == (is_direct, is_unknown)
    assert found.source == (source.get("source") or "unknown")


def test_what_stands_beside_the_target_goes_back_field_for_field():
    beside = {"settings": {"b": [1, None], "a": "x"}, "intent": "apply", "empty": None}
    item = {"id": "a", "source": "direct", "sourceId": "p", "@odata.etag": "W/1", **beside}
    found = wire.assignment(
        wire.parse(wire.AssignmentItem, {**item, "target": raw_group()}, "reading")
    )
    sent = wire.wanted_json(
        AssignmentToSend(found.target, found.filter, found.raw_target, found.raw_properties)
    )
    assert sent == {**beside, "target": raw_group()}


P, Q = build.WINDOWS, build.POLICY_SET


@pytest.mark.parametrize(
    ("item", "is_foreign"),
    [
        ({"id": f"{P}_{build.SALES}", "source": "direct", "sourceId": P}, False),
        ({"id": f"{P}_{build.SALES}".upper(), "source": "direct", "sourceId": P.upper()}, False),
        ({"id": f"{Q}_{build.SALES}", "source": "direct", "sourceId": Q}, True),
        ({"id": f"{Q}_{build.SALES}", "source": "direct"}, True),
        ({"id": f"{P}_{build.SALES}", "source": "direct", "sourceId": Q}, True),
        ({"id": "a", "source": "direct", "sourceId": Q}, True),
        ({"id": "a", "source": "direct", "sourceId": NO_FILTER_ID}, False),
        ({"id": "a", "source": "direct"}, False),
        ({"id": f"{P}_{build.SALES}", "source": "policySets", "sourceId": Q}, False),
        ({"id": f"{Q}_{build.SALES}", "source": "policySets", "sourceId": Q}, False),
        ({"id": f"{Q}_{build.SALES}", "source": "policySets", "sourceId": P}, True),
    ],
)
def test_an_assignment_says_whose_it_is(item, is_foreign):
    parsed = wire.parse(wire.AssignmentItem, {**item, "target": {}}, "reading")
    assert wire.names_another_policy(parsed, P) is is_foreign


@pytest.mark.parametrize(
    ("context", "is_foreign"),
    [
        (None, False),
        (f"https://g/beta/$metadata#deviceManagement/x('{P.upper()}')/assignments", False),
        (f"https://g/beta/$metadata#deviceManagement/x('{Q}')/assignments", True),
        ("https://g/beta/$metadata#Collection(microsoft.graph.someAssignment)", False),
        ("https://g/beta/$metadata#groups(id,displayName)", True),
        ("no context at all", False),
    ],
)
def test_a_page_says_whose_assignments_it_holds(context, is_foreign):
    assert wire.is_of_another_policy({"@odata.context": context, "value": []}, P) is is_foreign


def test_a_classic_policy_is_read():
    item = {
        "id": build.WINDOWS.upper(),
        "@odata.type": "#microsoft.graph.windows10CompliancePolicy",
        "displayName": "Windows 11 - Baseline",
        "name": "not this",
        "future": 1,
    }
    found = wire.policy(wire.parse(wire.PolicyItem, item, "reading"), CLASSIC)
    assert found == build.policy()
    custom = item | {"deviceCompliancePolicyScript": {"rulesContent": ""}}
    assert wire.policy(wire.parse(wire.PolicyItem, custom, "reading"), CLASSIC).custom_compliance


def test_a_policy_of_the_settings_catalog_is_read():
    item = {"id": "X", "name": "Ubuntu", "displayName": "not this", "platforms": "linux"}
    assert wire.policy(wire.parse(wire.PolicyItem, item, "reading"), SETTINGS_CATALOG) == Policy(
        "x", "Ubuntu", "settings_catalog", SETTINGS_CATALOG.policy_type, "linux"
    )


def test_a_policy_without_a_type_or_a_name_is_still_read():
    found = wire.policy(wire.parse(wire.PolicyItem, {"id": "x"}, "reading"), CLASSIC)
    assert found == Policy("x", "", "classic")


def test_groups_filters_and_the_tenant_are_read_with_ids_in_lower_case():
    group = {"id": "A", "displayName": "Sales", "membershipRule": ""}
    assert wire.group(wire.parse(wire.GroupItem, group, "reading")) == Group("a", "Sales")
    hidden = group | {"visibility": "HiddenMembership"}
    assert wire.group(wire.parse(wire.GroupItem, hidden, "reading")).hides_members
    filter = {
        "id": "B",
        "displayName": "F",
        "platform": "iOS",
        "assignmentFilterManagementType": "apps",
    }
    found = wire.assignment_filter(wire.parse(wire.FilterItem, filter, "reading"))
    assert (found.id, found.platform, found.management_type) == ("b", "iOS", "apps")
    tenant = {"id": "C", "displayName": "T", "verifiedDomains": [{"name": "Contoso.COM"}]}
    assert wire.tenant(wire.parse(wire.OrganizationItem, tenant, "reading")).domains == (
        "contoso.com",
    )


@pytest.mark.parametrize(
    ("model", "item", "fields"),
    [
        (wire.AssignmentItem, {"id": "x"}, "target"),
        (wire.AssignmentItem, {"id": None, "target": []}, "id, target"),
        (wire.GroupItem, {"id": None, "displayName": "Sales"}, "id"),
        (wire.PolicyItem, {"id": "x", "assignments": {}}, "assignments"),
    ],
)
def test_an_answer_of_another_shape_is_an_error_that_names_the_properties(model, item, fields):
    with pytest.raises(GraphError) as caught:
        wire.parse(model, item, "reading")
    assert f"({fields})" in str(caught.value)
    assert caught.value.code == "UnexpectedResponse"
