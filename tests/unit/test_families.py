"""The table of families and platforms."""

import pytest

from reconciler.model.policy_types import FAMILIES, PLATFORMS, platform_of, platform_title


@pytest.mark.parametrize(
    ("odata_type", "platform"),
    [
        ("#microsoft.graph.windows10CompliancePolicy", "windows10"),
        ("microsoft.graph.windows10CompliancePolicy", "windows10"),
        ("#Microsoft.Graph.WINDOWS10compliancePOLICY", "windows10"),
        ("#microsoft.graph.iosCompliancePolicy", "ios"),
        ("#microsoft.graph.macOSCompliancePolicy", "macOS"),
        ("#microsoft.graph.androidWorkProfileCompliancePolicy", "androidWorkProfile"),
        ("#microsoft.graph.androidDeviceOwnerCompliancePolicy", "androidDeviceOwner"),
        ("#microsoft.graph.aospDeviceOwnerCompliancePolicy", "aospDeviceOwner"),
        ("#microsoft.graph.visionOSCompliancePolicy", "visionOS"),
        ("#microsoft.graph.somethingElse", "somethingElse"),
        ("#microsoft.graph.compliancePolicy", None),
        (None, None),
    ],
)
def test_a_policy_type_gives_the_word_for_its_platform(odata_type, platform):
    assert platform_of(odata_type) == platform


def test_a_platform_has_a_title_and_an_unknown_one_keeps_graphs_word():
    assert platform_title("WINDOWS10") == "Windows 10/11"
    assert platform_title("visionOS") == "visionOS"
    assert platform_title(None) == "unknown platform"


def test_every_platform_but_linux_takes_a_filter():
    assert [word for word, row in PLATFORMS.items() if not row.filter_platforms] == ["linux"]


def test_the_two_families_are_read_from_their_own_paths():
    assert {key: (family.path, family.name_property) for key, family in FAMILIES.items()} == {
        "classic": ("deviceManagement/deviceCompliancePolicies", "displayName"),
        "settings_catalog": ("deviceManagement/compliancePolicies", "name"),
    }


def test_only_the_classic_family_has_the_documented_create():
    assert [key for key, family in FAMILIES.items() if family.has_documented_create] == ["classic"]
