"""The words of the domain as frozen values: policies, targets, filters, assignments. Pure.

Three states share them. *Desired* is what the YAML says, names and all. *Resolved* is the same with
every name turned into the id it leads to. *Live* is what Microsoft Graph reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from reconciler.model.diagnostics import Location
from reconciler.model.lock import Lock

NO_FILTER_ID = "00000000-0000-0000-0000-000000000000"
"""What Graph sometimes writes instead of null for "no filter" ([O] graph.md section 3)."""


DIRECT = "direct"
POLICY_SETS = "policySets"
UNKNOWN_SOURCE = "unknown"
"""What stands as ``source`` where Graph names none."""

HIDDEN_MEMBERSHIP = "HiddenMembership"
"""The ``visibility`` of a group whose members only ``Member.Read.Hidden`` shows
(https://learn.microsoft.com/graph/api/resources/group)."""


class Cloud(StrEnum):
    """The Microsoft cloud a tenant lives in."""

    GLOBAL = "global"
    US_GOV_L4 = "us-gov-l4"
    US_GOV_L5 = "us-gov-l5"
    CHINA = "china"


class Ownership(StrEnum):
    """Whether undeclared direct assignments are left alone or deleted."""

    ADDITIVE = "additive"
    AUTHORITATIVE = "authoritative"


class Writes(StrEnum):
    """Which Graph call writes: the documented create, the whole-set assign, or the one that works."""

    AUTO = "auto"
    CREATE = "create"
    ASSIGN = "assign"


class BroadTargets(StrEnum):
    """What a new assignment to everybody, without a filter, needs."""

    CONFIRM = "confirm"
    ALLOW = "allow"
    DENY = "deny"


class FilterMode(StrEnum):
    """Whether a filter narrows an assignment to the devices it matches, or to the others."""

    INCLUDE = "include"
    EXCLUDE = "exclude"


class Override(StrEnum):
    """What a policy of the root's own files does to the same policy of an extended folder."""

    REPLACE = "replace"
    ADD = "add"


class TargetKind(StrEnum):
    """The kinds of assignment target; the spelling is that of the plan JSON."""

    ALL_DEVICES = "all_devices"
    ALL_USERS = "all_users"
    GROUP = "group"
    EXCLUSION_GROUP = "exclusion_group"
    COLLECTION = "collection"
    SCOPE_TAG_GROUP = "scope_tag_group"
    OPAQUE = "opaque"


KIND_ORDER = {kind: position for position, kind in enumerate(TargetKind)}
VIRTUAL_GROUPS = {
    TargetKind.ALL_DEVICES: "adadadad-808e-44e2-905a-0b7873a8a531",
    TargetKind.ALL_USERS: "acacacac-9df4-4c7d-9d50-4ef0226f57a9",
}
"""What stands for the group in the ids of broad assignments (.github/docs/graph.md section 5)."""
BROAD_KINDS = frozenset({TargetKind.ALL_DEVICES, TargetKind.ALL_USERS})
GROUP_KINDS = frozenset({TargetKind.GROUP, TargetKind.EXCLUSION_GROUP})
"""The kinds whose ``id`` is the object id of a group that assigns or excludes its members."""


@dataclass(frozen=True, slots=True)
class Filter:
    """An assignment filter in use. ``id`` is lower case; ``name`` is for people and never compared."""

    mode: FilterMode
    id: str
    name: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Target:
    """Whom an assignment reaches.

    ``id`` is lower case and None for the broad kinds: the object id of a group, the id of a
    collection, the Entra object id of a scope-tag group. ``target_type`` is set for scope-tag
    groups alone. ``odata_type`` is set for opaque targets alone, where ``id`` is the assignment's.
    ``name`` is for people and never compared; a collection's is its id as it was spelt.
    """

    kind: TargetKind
    id: str | None = None
    name: str | None = field(default=None, compare=False)
    target_type: str | None = None
    odata_type: str | None = None

    @property
    def is_broad(self) -> bool:
        """Whether it reaches every device or every user of the tenant."""
        return self.kind in BROAD_KINDS

    @property
    def is_include(self) -> bool:
        """Whether it is no exclusion; an opaque one may reach somebody, so it counts."""
        return self.kind is not TargetKind.EXCLUSION_GROUP

    @property
    def sort_key(self) -> tuple[int, str, str]:
        """The stable order of targets within one policy."""
        return KIND_ORDER[self.kind], self.id or "", self.target_type or ""


@dataclass(frozen=True, slots=True)
class Policy:
    """A compliance policy as Graph knows it.

    ``family`` names the row of `reconciler.model.policy_types` it belongs to. ``odata_type`` is None where
    Graph leaves it out. ``platform`` is the word the YAML's ``platform`` is compared with.
    ``custom_compliance`` says that the policy runs a script of its own, which takes no filters.
    """

    id: str
    name: str
    family: str
    odata_type: str | None = None
    platform: str | None = None
    custom_compliance: bool = False

    @property
    def sort_key(self) -> tuple[str, str]:
        """Policies stand in order of name, then id."""
        return self.name, self.id


@dataclass(frozen=True, slots=True)
class Assignment:
    """One live assignment.

    ``id`` is Graph's own, and is never compared. ``raw_target`` is the target's JSON text exactly
    as read, and ``raw_properties`` the JSON object of everything that Graph showed beside the
    target and that this program does not know. Both go back to Graph, so that nothing is lost.
    ``source`` says how it came about: ``direct``, ``policySets``, or what Graph says instead.
    """

    id: str
    target: Target
    filter: Filter | None
    source: str
    raw_target: str
    raw_properties: str = "{}"

    @property
    def is_direct(self) -> bool:
        """Whether it was made on the policy itself."""
        return self.source.casefold() == DIRECT

    @property
    def is_of_unknown_source(self) -> bool:
        """Whether it was made neither on the policy itself nor by a policy set.

        Nobody knows what ``assign`` does to such an assignment, so its policy is not written by it.
        """
        return not self.is_direct and self.source.casefold() != POLICY_SETS.casefold()


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time by both clocks of the machine.

    ``wall`` may be set and may jump; ``monotonic`` (seconds from an arbitrary start) may stand
    still while the machine sleeps. Neither alone tells how old something is.
    """

    wall: datetime
    monotonic: float

    def age(self, now: Moment) -> float:
        """Seconds from this moment until ``now``: the longer of what the two clocks say.

        A wall clock that was set back says nothing about the age, so it counts as very old.
        """
        by_wall = (now.wall - self.wall).total_seconds()
        if by_wall < -1.0:
            return float("inf")
        return max(by_wall, now.monotonic - self.monotonic)


@dataclass(frozen=True, slots=True)
class LivePolicy:
    """A policy with every assignment it has, complete or not at all.

    ``read_at`` is the moment directly before the request that read it went out, None where the
    age does not matter.
    """

    policy: Policy
    assignments: tuple[Assignment, ...]
    read_at: Moment | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class TenantIdentity:
    """The tenant that a token really leads to."""

    id: str
    display_name: str | None = None
    domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UnreadablePolicy:
    """A policy whose assignments Graph shows in a way that cannot be read; ``reason`` is a sentence."""

    policy: Policy
    reason: str


@dataclass(frozen=True, slots=True)
class LiveState:
    """Every compliance policy of a tenant by id.

    ``policies`` are those whose assignments were read. Of ``unread`` the assignments were not asked
    for, so nothing can be said of them but that they are there. Those of ``unreadable`` could not be
    read. Nobody may take either for policies without assignments.
    """

    policies: Mapping[str, LivePolicy]
    unread: Mapping[str, Policy] = field(default_factory=dict)
    unreadable: Mapping[str, UnreadablePolicy] = field(default_factory=dict)

    def __iter__(self) -> Iterator[LivePolicy]:
        """Walk the policies that were read, in order of name, then id."""
        return iter(sorted(self.policies.values(), key=lambda live: live.policy.sort_key))

    def known(self) -> Iterator[Policy]:
        """Walk all policies, read or not, in order of name, then id."""
        read = (live.policy for live in self.policies.values())
        unreadable = (each.policy for each in self.unreadable.values())
        everything = (*read, *self.unread.values(), *unreadable)
        return iter(sorted(everything, key=lambda policy: policy.sort_key))


@dataclass(frozen=True, slots=True)
class Group:
    """A Microsoft Entra group. ``membership_rule`` is set for dynamic groups alone.

    ``name`` is "" where Graph shows none; such a group can be declared by its id alone.
    ``hides_members`` says that Graph may show no members where there are some.
    """

    id: str
    name: str
    membership_rule: str | None = None
    hides_members: bool = False


@dataclass(frozen=True, slots=True)
class AssignmentFilter:
    """An assignment filter as the tenant defines it.

    ``platform`` is Graph's devicePlatformType; ``management_type`` is ``devices`` or ``apps``.
    ``name`` is "" where Graph shows none; such a filter can be declared by its id alone. ``rule`` is
    the expression that devices are matched with, None where Graph shows none.
    """

    id: str
    name: str
    platform: str | None = None
    management_type: str | None = None
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """How a file points at an object: by id, by name, or by both, which must then agree.

    ``uncut_name`` is what the line says where YAML reads less of it as the name: a `` #`` that
    begins a comment, a ``&`` or ``!`` at the start. None where the name is quoted or whole.
    """

    id: str | None
    name: str | None
    location: Location
    uncut_name: str | None = field(default=None, compare=False)

    @property
    def name_or_id(self) -> str:
        """What diagnostics call the object."""
        return self.name or self.id or ""

    def __str__(self) -> str:
        """Quote what the file says, name first."""
        return f'"{self.name}"' if self.name is not None else f"{self.id}"


@dataclass(frozen=True, slots=True)
class FilterReference:
    """A declared filter: its mode is always written out."""

    mode: FilterMode
    reference: Reference


@dataclass(frozen=True, slots=True)
class DesiredAssignment:
    """One line of ``include``, ``exclude`` or ``remove``.

    ``starts`` and ``ends`` are the first and the last day (UTC) on which it is in force; None for no
    such limit. A group of ``remove`` has the kind of an include and means both sides. ``group`` is set for groups and exclusion groups; ``id`` for collections and scope-tag groups.
    ``broad`` is this line's consent to a target that reaches everybody.
    """

    kind: TargetKind
    location: Location
    group: Reference | None = None
    id: str | None = None
    target_type: str | None = None
    filter: FilterReference | None = None
    broad: bool = False
    starts: date | None = None
    ends: date | None = None
    is_default: bool = False
    """Whether it is a line of ``defaults.exclude`` in ``tenant.yaml``."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing is written up to and including the day ``until`` (UTC).

    ``location`` is where a file says so; None for one that was read from a saved plan.
    """

    until: date
    reason: str
    location: Location | None = field(default=None, compare=False)

    def is_in_force(self, day: date) -> bool:
        """Whether it holds changes back on a day."""
        return day <= self.until


@dataclass(frozen=True, slots=True)
class DesiredPolicy:
    """What the files want of one policy."""

    reference: Reference
    platform: str | None
    ownership: Ownership
    assignments: tuple[DesiredAssignment, ...]
    hold: Hold | None = None
    removals: tuple[DesiredAssignment, ...] = ()
    declares_ownership: bool = False
    """Whether ``ownership`` is the policy's own word, and not the tenant's default."""
    defaults: bool | None = None
    """False leaves out the defaults of ``tenant.yaml``; None where the policy does not say."""
    is_inherited: bool = False
    """Whether it comes from a folder that the root extends."""
    override: Override | None = None
    """Set where the policy that it overrides is known only once names are looked up."""


@dataclass(frozen=True, slots=True)
class Guardrails:
    """Limits per run; going over one stops the run before its first write."""

    max_creates: int = 50
    max_updates: int = 20
    max_deletes: int = 0
    broad_targets: BroadTargets = BroadTargets.CONFIRM


@dataclass(frozen=True, slots=True)
class TenantConfig:
    """What ``tenant.yaml`` says. ``tenant`` is an id or a verified domain.

    ``ownership`` is the default for policies that do not say their own.
    """

    tenant: str
    label: str
    location: Location
    cloud: Cloud = Cloud.GLOBAL
    ownership: Ownership = Ownership.ADDITIVE
    writes: Writes = Writes.AUTO
    guardrails: Guardrails = Guardrails()
    hold: Hold | None = None
    default_exclusions: tuple[DesiredAssignment, ...] = ()


@dataclass(frozen=True, slots=True)
class DesiredState:
    """A whole tenant root, read without an error.

    ``lock`` is what ``reconciler.lock.yaml`` says, None where there is no such file.
    """

    config: TenantConfig
    policies: tuple[DesiredPolicy, ...]
    lock: Lock | None = None


@dataclass(frozen=True, slots=True)
class ResolvedAssignment:
    """A declared assignment with every name turned into an id."""

    target: Target
    filter: Filter | None
    broad: bool
    location: Location
    starts: date | None = None
    ends: date | None = None
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class ResolvedRemoval:
    """A target, with its side, that must not be assigned on a policy."""

    target: Target
    location: Location


@dataclass(frozen=True, slots=True)
class ResolvedPolicy:
    """A declared policy matched with the live one, and what it should have."""

    live: LivePolicy
    ownership: Ownership
    assignments: tuple[ResolvedAssignment, ...]
    location: Location
    hold: Hold | None = None
    removals: tuple[ResolvedRemoval, ...] = ()
    scheduled: tuple[ResolvedAssignment, ...] = ()
    """Lines that are not in force yet; set by `reconciler.differ.schedule` alone."""


@dataclass(frozen=True, slots=True)
class ResolvedState:
    """The desired state in ids, for the policies where every name led somewhere."""

    config: TenantConfig
    policies: tuple[ResolvedPolicy, ...]
