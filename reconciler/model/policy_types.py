"""The two families of compliance policies in Graph, and their platforms, as data. Pure.

Source: .github/docs/graph.md section 4. Which filters fit a policy type is inferred from the
portal: it offers only filters of the policy's own platform.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.model.state import AssignmentFilter, Policy


@dataclass(frozen=True, slots=True)
class Family:
    """One collection of policies below ``/deviceManagement``.

    ``assignment_type`` is the ``@odata.type`` of its assignments. ``has_documented_create`` says
    whether POST .../assignments on v1.0 is a reference page of Microsoft's; the settings catalog
    exists in beta alone.
    """

    key: str
    path: str
    policy_type: str | None
    assignment_type: str
    has_documented_create: bool


CLASSIC = Family(
    key="classic",
    path="deviceManagement/deviceCompliancePolicies",
    policy_type=None,
    assignment_type="#microsoft.graph.deviceCompliancePolicyAssignment",
    has_documented_create=True,
)
"""https://learn.microsoft.com/graph/api/intune-deviceconfig-devicecompliancepolicyassignment-create"""

SETTINGS_CATALOG = Family(
    key="settings_catalog",
    path="deviceManagement/compliancePolicies",
    policy_type="#microsoft.graph.deviceManagementCompliancePolicy",
    assignment_type="#microsoft.graph.deviceManagementConfigurationPolicyAssignment",
    has_documented_create=False,
)
"""Linux. Its single-object ``$expand=assignments`` answers [] even when assigned (observed)."""

FAMILIES = {family.key: family for family in (CLASSIC, SETTINGS_CATALOG)}

LINUX = "linux"


@dataclass(frozen=True, slots=True)
class Platform:
    """A policy type: the word for it in YAML, what people call it, which filters fit it.

    ``filter_platforms`` holds values of Graph's devicePlatformType in lower case; empty where no
    filter is known to fit, or nothing is known.
    """

    platform: str
    title: str
    filter_platforms: frozenset[str] = frozenset()


def _table(*rows: tuple[str, str, str]) -> dict[str, Platform]:
    platforms = (
        Platform(word, title, frozenset(fitting.lower().split())) for word, title, fitting in rows
    )
    return {row.platform.casefold(): row for row in platforms}


CLASSIC_PLATFORMS = _table(
    ("android", "Android device administrator", "android"),
    (
        "androidWorkProfile",
        "Android Enterprise personally-owned work profile",
        "androidForWork androidWorkProfile",
    ),
    (
        "androidDeviceOwner",
        "Android Enterprise fully managed, dedicated, corporate-owned work profile",
        "androidForWork androidWorkProfile",
    ),
    ("androidForWork", "Android for Work", "androidForWork androidWorkProfile"),
    ("aospDeviceOwner", "Android (AOSP)", "androidAOSP"),
    ("ios", "iOS/iPadOS", "iOS"),
    ("macOS", "macOS", "macOS"),
    ("windows10", "Windows 10/11", "windows10AndLater"),
    ("windows10Mobile", "Windows 10 Mobile", "windows10AndLater"),
    ("windows81", "Windows 8.1", "windows81AndLater"),
    ("windowsPhone81", "Windows Phone 8.1", "windowsPhone81"),
    ("default", "built-in policy for all platforms", ""),
)
"""By the platform's word in lower case, which is the policy's type without its affixes."""

CATALOG_PLATFORMS = _table(
    (LINUX, "Linux", ""),
    ("android", "Android", ""),
    ("androidEnterprise", "Android Enterprise", "androidForWork androidWorkProfile"),
    ("aosp", "Android (AOSP)", "androidAOSP"),
    ("iOS", "iOS/iPadOS", "iOS"),
    ("macOS", "macOS", "macOS"),
    ("windows10", "Windows 10/11", "windows10AndLater"),
    ("visionOS", "visionOS", ""),
    ("tvOS", "tvOS", ""),
)
"""The settings catalog's own words (``platforms``): its ``android`` is not device administrator."""

PLATFORMS = CATALOG_PLATFORMS | CLASSIC_PLATFORMS
"""Every word that ``platform`` may be in a policy file, in lower case."""

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
    if bare.casefold() == "defaultdevice":
        bare = "default"
    row = PLATFORMS.get(bare.casefold())
    return row.platform if row else bare or None


_FLAGS = re.compile(r"[A-Za-z0-9]+(, ?[A-Za-z0-9]+)*")


def title_of(policy: Policy) -> str:
    """What people call a policy's platform; one that is not known is written in words."""
    if not policy.platform:
        return "unknown platform"
    if not _FLAGS.fullmatch(policy.platform):
        return policy.platform
    table = CATALOG_PLATFORMS if policy.family == SETTINGS_CATALOG.key else CLASSIC_PLATFORMS
    words = [word.strip() for word in policy.platform.split(",")]
    rows = [(word, table.get(word.casefold()) or PLATFORMS.get(word.casefold())) for word in words]
    return ", ".join(row.title if row else _in_words(word) for word, row in rows)


def fitting_filter_platforms(policy: Policy) -> frozenset[str]:
    """The devicePlatformType values, in lower case, of filters that fit; empty where not known."""
    table = CATALOG_PLATFORMS if policy.family == SETTINGS_CATALOG.key else CLASSIC_PLATFORMS
    row = table.get((policy.platform or "").casefold())
    return row.filter_platforms if row else frozenset()


def fits_platform(policy: Policy, filter: AssignmentFilter) -> bool:
    """Whether nothing is known that keeps a filter from fitting the platform of a policy."""
    fitting = fitting_filter_platforms(policy)
    return not (filter.platform and fitting) or filter.platform.casefold() in fitting


def is_for_apps(filter: AssignmentFilter) -> bool:
    """Whether it is a filter for managed apps, which compliance policies do not take."""
    return (filter.management_type or "").casefold() == "apps"


def is_linux(policy: Policy) -> bool:
    """Whether it is a policy for Linux, on which Intune evaluates no filters."""
    return (policy.platform or "").casefold() == LINUX


_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=[0-9])")


def _in_words(word: str) -> str:
    """Spell Graph's word for a platform, as in ``Windows Server 2025`` for windowsServer2025."""
    if word == "unknownFutureValue":
        return "unknown platform"
    text = _WORD_START.sub(" ", word)
    is_brand = re.fullmatch(r"[a-z]+OS", word) is not None
    return text if is_brand else text[:1].upper() + text[1:]


_SPOKEN: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("windows ?phone", ("windowsPhone81",)),
    ("windows ?(10 ?)?mobile", ("windows10Mobile",)),
    ("windows ?8", ("windows81",)),
    (r"win(dows)?( ?1[01])?\b|windows", ("windows10",)),
    ("i ?pad|i ?phone|i ?pod|ios", ("ios",)),
    (r"mac|os ?x\b", ("macOS",)),
    ("apple", ("ios", "macOS")),
    ("aosp|open ?source", ("aospDeviceOwner",)),
    (
        r"fully|dedicated|device ?owner|corporate|company|cope\b|cobo\b|cosu\b",
        ("androidDeviceOwner",),
    ),
    ("work ?profile|personal|byod", ("androidWorkProfile",)),
    ("device ?admin", ("android",)),
    ("enterprise|for ?work", ("androidDeviceOwner", "androidWorkProfile")),
    ("linux|ubuntu|red ?hat|rhel|debian", (LINUX,)),
)
"""What people type for a platform, most specific first, and the words that are meant."""


def similar_platforms(text: str) -> tuple[str, ...]:
    """Give every platform word that was probably meant; none where the text resembles none."""
    word = platform_of(text.strip()) or ""
    if word.casefold() in PLATFORMS:
        return (word,)
    plain = re.sub(r"[\W_]+", " ", _WORD_START.sub(" ", text)).strip().lower()
    for pattern, platforms in _SPOKEN:
        if re.search(rf"\b({pattern})", plain):
            return platforms
    known = [row.platform for row in PLATFORMS.values()]
    longer = tuple(each for each in known if plain and each.casefold().startswith(plain))
    return longer or _near(plain, known)


def _near(plain: str, known: Iterable[str]) -> tuple[str, ...]:
    by_folded = {each.casefold(): each for each in known}
    near = difflib.get_close_matches(plain.replace(" ", "")[:64], by_folded, 1, cutoff=0.8)
    return tuple(by_folded[each] for each in near)
