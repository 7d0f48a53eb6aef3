"""The numbers that the page shows beside changes, policies and groups. Pure.

Every bar is one target alone, and all bars of a page share one scale. Numbers of different targets
are never added up, as their members may be the same. What has no upper bound and what is not known
have bars of their own form, never an empty one. Each reason for an unknown number is written once,
under a number that stands beside what is not known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import TypeVar

from reconciler.differ.impact import bounds_before
from reconciler.model.impact import (
    ComplianceAction,
    Impact,
    Known,
    Reach,
    StatusOverview,
    Unknown,
)
from reconciler.model.plan import Change, Create, Delete, Plan, Update
from reconciler.model.state import Policy, Target, TargetKind
from reconciler.model.text import visible
from reconciler.model.wording import count_of
from reconciler.views.impact_text import (
    AS_ONE_OF_SEVERAL,
    ImpactText,
    describe_action,
    without_ids,
)

T = TypeVar("T")

NOT_KNOWN = "not known"


class BarForm(StrEnum):
    """How a bar looks; each form has a shape of its own."""

    KNOWN = "known"
    OPEN = "open"
    UNKNOWN = "unknown"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number in words; ``note`` is the number of the reason where it is not known, else 0."""

    words: str
    note: int = 0


@dataclass(frozen=True, slots=True)
class Bar:
    """The bound of one target at one time; ``percent`` is its share of the page's scale."""

    when: str
    form: BarForm
    figure: Figure
    percent: float = 0.0


@dataclass(frozen=True, slots=True)
class ReachRow:
    """The reach of one change before and after it, and the numbers that bound it."""

    is_exclusion: bool
    bars: tuple[Bar, Bar]
    members: tuple[Figure, ...]
    filter: Figure | None

    @property
    def bound(self) -> Bar:
        """What the change reaches: after it, for a delete before it."""
        return next(bar for bar in reversed(self.bars) if bar.form is not BarForm.ABSENT)


_BY_BOUND = (BarForm.ABSENT, BarForm.KNOWN, BarForm.UNKNOWN, BarForm.OPEN)


def widest(rows: Iterable[ReachRow | None]) -> Bar | None:
    """The bar of the include that may reach most; what is not known may be more than what is."""
    bars = [row.bound for row in rows if row is not None and not row.is_exclusion]
    return max(bars, key=lambda bar: (_BY_BOUND.index(bar.form), bar.percent), default=None)


@dataclass(frozen=True, slots=True)
class Segment:
    """The devices in one state of a policy, as a part of a bar; ``start`` and ``percent`` of it."""

    state: str
    devices: int
    start: float
    percent: float


@dataclass(frozen=True, slots=True)
class Consequence:
    """What noncompliance with a policy leads to, and how the policy does today."""

    actions: Figure
    today: Figure
    segments: tuple[Segment, ...] = ()


@dataclass(frozen=True, slots=True)
class Members:
    """The members of a group, with the numbers to sort by: None for what is not known."""

    devices: Figure
    users: Figure
    devices_count: int | None = None
    users_count: int | None = None


@dataclass(frozen=True, slots=True)
class UnknownNote:
    """Why some numbers are not known; ``concerns`` says which ones."""

    number: int
    reason: str
    concerns: str


_NO_MEMBERS = Members(Figure(""), Figure(""))
_NOT_ASKED = Members(Figure("not asked"), Figure("not asked"))


@dataclass(frozen=True, slots=True)
class Figures:
    """The impact of a plan, ready to stand beside its rows. ``full`` is the longest bar, in devices."""

    impact: Impact
    text: ImpactText
    before: Mapping[Change, Known[int] | None]
    full: int
    notes: tuple[UnknownNote, ...]
    numbers: Mapping[str, int]

    @classmethod
    def of_plan(cls, plan: Plan) -> Figures | None:
        """Prepare the impact of a plan; None where it was not read."""
        impact = plan.impact
        if impact is None or plan.is_empty:
            return None
        before = bounds_before(impact)
        bounds = [*before.values(), *(reach.at_most for reach in impact.reach.values())]
        full = max((bound for bound in bounds if isinstance(bound, int)), default=0)
        notes = _notes(impact, before)
        numbers = {reason: number for number, reason in enumerate(notes, start=1)}
        rows = (
            UnknownNote(numbers[reason], visible(reason), ", ".join(_concerns(kinds)))
            for reason, kinds in notes.items()
        )
        return cls(impact, ImpactText.of(plan), before, full, tuple(rows), numbers)

    @property
    def read_at(self) -> str:
        """When the tenant was asked, in UTC."""
        return _time(self.impact.read_at)

    def reach(self, change: Change) -> ReachRow | None:
        """The bars of one change; None where it was not read."""
        reach = self.impact.reach.get(change)
        if reach is None:
            return None
        target = change.target
        absent = Figure("not assigned" if target.is_include else "not excluded")
        before, after = Bar("before", BarForm.ABSENT, absent), Bar("after", BarForm.ABSENT, absent)
        match change:
            case Create():
                after = self._bar("after", change, reach.at_most)
            case Update():
                before = self._bar_before(change)
                after = self._bar("after", change, reach.at_most)
            case Delete():
                before = self._bar("before", change, reach.at_most)
        members, matches = tuple(self._members(reach)), self._filter(reach.filter_matches)
        return ReachRow(not target.is_include, (before, after), members, matches)

    def consequence(self, policy: Policy) -> Consequence | None:
        """What noncompliance with a changed policy leads to; None where it was not read."""
        impact = self.impact.policies.get(policy.id)
        if impact is None:
            return None
        today = impact.today
        return Consequence(
            actions=self._figure(impact.actions, _actions, NOT_KNOWN),
            today=self._figure(today, _as_of, NOT_KNOWN),
            segments=tuple(_segments(today)) if isinstance(today, StatusOverview) else (),
        )

    def tenant(self) -> tuple[Figure, ...]:
        """What decides in the tenant what noncompliance means, a sentence each."""
        tenant = self.impact.tenant
        access, secure, filters = (
            tenant.conditional_access_policies,
            tenant.secure_by_default,
            tenant.disabled_filters,
        )
        facts = (
            self._figure(access, _conditional_access, f"{_ACCESS_UNKNOWN} is not known"),
            self._figure(secure, _secure_by_default, f"{_SECURE_UNKNOWN} is not known"),
            self._figure(filters, _disabled, "Whether a filter is disabled is not known"),
        )
        return tuple(fact for fact in facts if fact.words)

    def members(self, target: Target, changes: Iterable[Change]) -> Members:
        """The members of the target of some changes; no words for a target without any."""
        if target.is_broad:
            return _NO_MEMBERS
        read = (self.impact.reach.get(change) for change in changes)
        reach = next((each for each in read if each is not None), None)
        if reach is None:
            return _NOT_ASKED
        return Members(
            self._count(reach.devices),
            self._count(reach.users),
            _known(reach.devices),
            _known(reach.users),
        )

    def _bar(self, when: str, change: Change, bound: Known[int] | None) -> Bar:
        words = visible(self.text.bound(change, with_before=False)) or _everybody(change.target)
        return self._drawn(when, bound, words)

    def _bar_before(self, change: Update) -> Bar:
        """The reading counts what stands after an update; the bound before it follows from it."""
        bound = self.before[change]
        if bound is None:
            return self._drawn("before", bound, _everybody(change.target))
        verb = "reached" if change.target.is_include else "left out"
        words = self._figure(bound, partial(_counted, f"{verb} at most {{}}", "device"), NOT_KNOWN)
        return self._drawn("before", bound, words.words)

    def _drawn(self, when: str, bound: Known[int] | None, words: str) -> Bar:
        if bound is None:
            return Bar(when, BarForm.OPEN, Figure(words))
        if isinstance(bound, Unknown):
            return Bar(when, BarForm.UNKNOWN, Figure(words, self._note(bound)))
        return Bar(when, BarForm.KNOWN, Figure(words), _share(bound, self.full))

    def _members(self, reach: Reach) -> Iterator[Figure]:
        if isinstance(reach.users, Unknown) and reach.users == reach.devices:
            yield Figure(NOT_KNOWN, self._note(reach.users))
            return
        for value, noun in ((reach.devices, "device"), (reach.users, "user")):
            if value is not None:
                yield self._figure(value, partial(_counted, "{}", noun), f"{noun}s {NOT_KNOWN}")

    def _filter(self, matches: Known[int] | None) -> Figure | None:
        if matches is None:
            return None
        write = partial(_counted, "the filter matches {} of the tenant", "device")
        return self._figure(matches, write, f"matches of the filter {NOT_KNOWN}")

    def _count(self, value: Known[int] | None) -> Figure:
        return Figure("") if value is None else self._figure(value, "{:,}".format, NOT_KNOWN)

    def _figure(self, value: Known[T], write: Callable[[T], str], unknown: str) -> Figure:
        """Write a known value, or the words for an unknown one with the number of its reason."""
        if not isinstance(value, Unknown):
            return Figure(write(value))
        return Figure(unknown, self._note(value))

    def _note(self, unknown: Unknown) -> int:
        return self.numbers[without_ids(unknown.reason)]


_NO_BOUND = {
    TargetKind.ALL_DEVICES: "no upper bound: all devices of the tenant",
    TargetKind.ALL_USERS: "no upper bound: all users of the tenant",
}
_ACCESS_UNKNOWN = "How many enabled Conditional Access policies require a compliant device"
_SECURE_UNKNOWN = "How a device without any compliance policy counts"


def _everybody(target: Target) -> str:
    return _NO_BOUND.get(target.kind, "no upper bound")


def _known(value: Known[int] | None) -> int | None:
    return value if isinstance(value, int) else None


def _counted(words: str, noun: str, number: int) -> str:
    return words.format(f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s")


def _share(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _actions(actions: tuple[ComplianceAction, ...]) -> str:
    words = dict.fromkeys(visible(describe_action(each)) for each in actions)
    return ", ".join(words) or "no action"


def _as_of(today: StatusOverview | None) -> str:
    if today is None:
        return "no data: no device reports on this policy"
    return f"as of {_time(today.as_of)}" if today.as_of else "Graph gives no time for these numbers"


def _segments(today: StatusOverview) -> Iterator[Segment]:
    """The states of one policy do not overlap, so they may share one bar."""
    states = {
        "compliant": today.compliant,
        "not compliant": today.noncompliant,
        "in error": today.error,
        "pending": today.pending,
        "not applicable": today.not_applicable,
    }
    whole, start = sum(states.values()), 0
    for state, devices in states.items():
        yield Segment(state, devices, _share(start, whole), _share(devices, whole))
        start += devices


def _conditional_access(number: int) -> str:
    if number == 0:
        return "No enabled Conditional Access policy requires a compliant device"
    return (
        f"{number:,} enabled Conditional Access "
        f"{'policy requires' if number == 1 else 'policies require'} a compliant device, {AS_ONE_OF_SEVERAL}"
    )


def _secure_by_default(is_on: bool) -> str:
    counts = "not compliant" if is_on else "compliant"
    return f"A device without any compliance policy counts as {counts}"


def _disabled(filters: tuple[str, ...]) -> str:
    if not filters:
        return ""
    verb = "is" if len(filters) == 1 else "are"
    return f"{count_of(len(filters), 'filter')} of these changes {verb} disabled in Intune"


def _notes(impact: Impact, before: Mapping[Change, Known[int] | None]) -> dict[str, Counter[str]]:
    """Each reason, with how many numbers of which kind are not known for it."""
    notes: dict[str, Counter[str]] = {}
    for kind, value in _values(impact, before):
        if isinstance(value, Unknown):
            notes.setdefault(without_ids(value.reason), Counter())[kind] += 1
    return notes


def _values(
    impact: Impact, before: Mapping[Change, Known[int] | None]
) -> Iterator[tuple[str, object]]:
    tenant = impact.tenant
    yield "Conditional Access", tenant.conditional_access_policies
    yield "devices without a policy", tenant.secure_by_default
    yield "disabled filters", tenant.disabled_filters
    for change, reach in impact.reach.items():
        yield "devices of {change}", reach.devices
        yield "users of {change}", reach.users
        yield "filter of {change}", reach.filter_matches
        yield "bound of {change}", reach.at_most
        yield "bound before {change}", before.get(change)
    for policy in impact.policies.values():
        yield "actions of {policy}", policy.actions
        yield "today's numbers of {policy}", policy.today


def _concerns(kinds: Counter[str]) -> Iterator[str]:
    for kind, number in kinds.items():
        policies = f"{number:,} {'policy' if number == 1 else 'policies'}"
        yield kind.format(change=_counted("{}", "change", number), policy=policies)
