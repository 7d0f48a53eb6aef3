"""The two families of compliance policies in Graph, and their platforms, as data. Pure.

Sources: graph.md of this project's research, restated where a row depends on it. The mapping from
policy type to filter platform is inferred from the portal, which offers only filters of the
policy's own platform.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Family:
    """One collection of policies below ``/deviceManagement``.

    ``name_property`` holds the display name. ``assignment_type`` is the ``@odata.type`` of its
    assignments. ``has_documented_create`` says whether POST .../assignments on v1.0 is a reference
    page of Microsoft's; the settings catalog exists in beta alone.
    """

    key: str
    path: str
    name_property: str
    policy_type: str | None
    assignment_type: str
    has_documented_create: bool


CLASSIC = Family(
    key="classic",
    path="deviceManagement/deviceCompliancePolicies",
    name_property="displayName",
    policy_type=None,
    assignment_type="#microsoft.graph.deviceCompliancePolicyAssignment",
    has_documented_create=True,
)
"""https://learn.microsoft.com/graph/api/intune-deviceconfig-devicecompliancepolicyassignment-create"""

SETTINGS_CATALOG = Family(
    key="settings_catalog",
    path="deviceManagement/compliancePolicies",
    name_property="name",
    policy_type="#microsoft.graph.deviceManagementCompliancePolicy",
    assignment_type="#microsoft.graph.deviceManagementConfigurationPolicyAssignment",
    has_documented_create=False,
)
"""Linux. Its single-object ``$expand=assignments`` answers [] even when assigned (observed)."""

FAMILIES = {family.key: family for family in (CLASSIC, SETTINGS_CATALOG)}

LINUX = "linux"


@dataclass(frozen=True, slots=True)
class Platform:
    """A policy type: the word for it in YAML, what people call it, which filters fit it."""

    platform: str
    title: str
    filter_platforms: frozenset[str]


def _row(platform: str, title: str, *filter_platforms: str) -> Platform:
    return Platform(platform, title, frozenset(filter_platforms))


PLATFORMS = {
    row.platform.casefold(): row
    for row in (
        _row("android", "Android device administrator", "android"),
        _row(
            "androidWorkProfile",
            "Android Enterprise work profile",
            "androidForWork",
            "androidWorkProfile",
        ),
        _row(
            "androidDeviceOwner",
            "Android Enterprise fully managed",
            "androidForWork",
            "androidWorkProfile",
        ),
        _row("androidForWork", "Android for Work", "androidForWork", "androidWorkProfile"),
        _row("aospDeviceOwner", "Android (AOSP)", "androidAOSP"),
        _row("ios", "iOS/iPadOS", "iOS"),
        _row("macOS", "macOS", "macOS"),
        _row("windows10", "Windows 10/11", "windows10AndLater"),
        _row("windows10Mobile", "Windows 10 Mobile", "windows10AndLater"),
        _row("windows81", "Windows 8.1", "windows81AndLater"),
        _row("windowsPhone81", "Windows Phone 8.1", "windowsPhone81"),
        _row(LINUX, "Linux"),
    )
}
"""By the platform's word in lower case. Linux takes no filters at all ([D] filters-supported-workloads)."""

_TYPE_PREFIX = "microsoft.graph."
_TYPE_SUFFIX = "compliancepolicy"


def platform_of(odata_type: str | None) -> str | None:
    """Turn a policy's ``@odata.type`` into the word YAML uses for its platform.

    An unknown type keeps Graph's own word, so that a new platform needs no release of this program.
    """
    if odata_type is None:
        return None
    bare = odata_type.removeprefix("#")
    if bare.casefold().startswith(_TYPE_PREFIX):
        bare = bare[len(_TYPE_PREFIX) :]
    if bare.casefold().endswith(_TYPE_SUFFIX):
        bare = bare[: -len(_TYPE_SUFFIX)]
    row = PLATFORMS.get(bare.casefold())
    return row.platform if row else bare or None


def platform_title(platform: str | None) -> str:
    """What people call the platform; an unknown one is shown as Graph spells it."""
    if platform is None:
        return "unknown platform"
    row = PLATFORMS.get(platform.casefold())
    return row.title if row else platform
