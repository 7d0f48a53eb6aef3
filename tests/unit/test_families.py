"""The table of families and platforms."""

import pytest

from reconciler.model.policy_types import (
    CLASSIC_PLATFORMS,
    FAMILIES,
    fitting_filter_platforms,
    platform_of,
    similar_platforms,
    title_of,
)
from tests.support import build


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


@pytest.mark.parametrize(
    ("family", "platform", "title"),
    [
        ("classic", "WINDOWS10", "Windows 10/11"),
        ("classic", "android", "Android device administrator"),
        ("settings_catalog", "android", "Android"),
        ("settings_catalog", "androidEnterprise", "Android Enterprise"),
        ("settings_catalog", "aosp", "Android (AOSP)"),
        ("settings_catalog", "linux,macOS", "Linux, macOS"),
        ("settings_catalog", "iOS", "iOS/iPadOS"),
        ("classic", "aospDeviceOwner", "Android (AOSP)"),
        (
            "classic",
            "androidDeviceOwner",
            "Android Enterprise fully managed, dedicated, corporate-owned work profile",
        ),
        ("classic", "default", "built-in policy for all platforms"),
        ("settings_catalog", "visionOS", "visionOS"),
        ("classic", "windowsServer2025", "Windows Server 2025"),
        ("settings_catalog", "chromeOS", "chromeOS"),
        ("settings_catalog", "unknownFutureValue", "unknown platform"),
        ("classic", None, "unknown platform"),
    ],
)
def test_a_platform_has_a_readable_title_also_one_that_is_not_known(family, platform, title):
    assert title_of(build.policy(family=family, platform=platform)) == title


def test_the_built_in_policy_has_a_platform_of_its_own():
    assert platform_of("#microsoft.graph.defaultDeviceCompliancePolicy") == "default"


def test_every_classic_platform_but_the_built_in_one_takes_a_filter():
    without = [word for word, row in CLASSIC_PLATFORMS.items() if not row.filter_platforms]
    assert without == ["default"]


def test_the_settings_catalogs_android_is_not_device_administrator():
    assert fitting_filter_platforms(build.policy(platform="android")) == {"android"}
    catalog = build.policy(family="settings_catalog", platform="android")
    assert fitting_filter_platforms(catalog) == frozenset()


@pytest.mark.parametrize(
    ("text", "platforms"),
    [
        ("Windows 11", "windows10"),
        ("windows11", "windows10"),
        ("Windows", "windows10"),
        ("win10", "windows10"),
        ("Windows 10 and later", "windows10"),
        ("windows10AndLater", "windows10"),
        ("Windows 10/11", "windows10"),
        ("#microsoft.graph.windows10CompliancePolicy", "windows10"),
        ("Windows 8.1", "windows81"),
        ("Windows Phone", "windowsPhone81"),
        ("iPhone", "ios"),
        ("iPadOS", "ios"),
        ("iOS/iPadOS", "ios"),
        ("iOS 17", "ios"),
        ("mac", "macOS"),
        ("OS X", "macOS"),
        ("MacBook", "macOS"),
        ("Apple", "ios macOS"),
        ("Android Enterprise", "androidDeviceOwner androidWorkProfile"),
        ("Android Enterprise (fully managed)", "androidDeviceOwner"),
        ("dedicated", "androidDeviceOwner"),
        ("corporate-owned work profile", "androidDeviceOwner"),
        ("Android work profile", "androidWorkProfile"),
        ("Android device administrator", "android"),
        ("AndroidEnterpriseFullyManaged", "androidDeviceOwner"),
        ("Ubuntu", "linux"),
        ("Linux (Ubuntu)", "linux"),
        ("Android AOSP", "aospDeviceOwner"),
        ("kiosk", ""),
        ("Amiga", ""),
        ("", ""),
        ("?", ""),
    ],
)
def test_what_people_type_leads_to_every_platform_that_fits(text, platforms):
    assert similar_platforms(text) == tuple(platforms.split())


def test_the_two_families_are_read_from_their_own_paths():
    assert {key: family.path for key, family in FAMILIES.items()} == {
        "classic": "deviceManagement/deviceCompliancePolicies",
        "settings_catalog": "deviceManagement/compliancePolicies",
    }


def test_only_the_classic_family_has_the_documented_create():
    assert [key for key, family in FAMILIES.items() if family.has_documented_create] == ["classic"]
