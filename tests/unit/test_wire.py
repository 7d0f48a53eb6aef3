"""Graph's JSON at the door."""

import json

import pytest

from reconciler.graph import wire
from reconciler.model.errors import GraphError
from reconciler.model.policy_types import CLASSIC, SETTINGS_CATALOG
from reconciler.model.requests import AssignmentToSend
from reconciler.model.state import NO_FILTER_ID, Filter, FilterMode, Policy, Target, TargetKind
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


def test_an_assignment_without_a_source_is_direct_as_v1_shows_none():
    item = wire.parse(wire.AssignmentItem, {"id": "a", "target": {}}, "reading")
    assert wire.assignment(item).source == "direct"
    assert build.inherited().source == "policySets"


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
    assert wire.group(wire.parse(wire.GroupItem, group, "reading")).membership_rule is None
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
        (wire.GroupItem, {"id": "x", "displayName": None}, "displayName"),
        (wire.PolicyItem, {"id": "x", "assignments": {}}, "assignments"),
    ],
)
def test_an_answer_of_another_shape_is_an_error_that_names_the_properties(model, item, fields):
    with pytest.raises(GraphError) as caught:
        wire.parse(model, item, "reading")
    assert f"({fields})" in str(caught.value)
    assert caught.value.code == "UnexpectedAnswer"
