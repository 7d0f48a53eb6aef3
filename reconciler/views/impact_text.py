"""The words for reach, consequence and risk that text, Markdown and HTML share. Pure.

Terms: the *bound* of a change is the one number that counts, its *basis* the numbers it comes from.
Numbers are bounds, and what is not known is said, with its reason. A reason that holds for several
changes or policies is *common*: it is told once for the plan, so that a tenant in which nothing may be
counted does not fill the plan with it.

Reasons come from the tenant and stand here as they are: a view makes them harmless.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date

from reconciler.differ.impact import bounds_before, filter_in_use
from reconciler.model.impact import (
    ComplianceAction,
    Impact,
    Known,
    PolicyImpact,
    Reach,
    StatusOverview,
    TenantImpact,
    Unknown,
)
from reconciler.model.plan import Change, Delete, Plan
from reconciler.model.state import FilterMode, Policy, TargetKind

_MOST_COMMON = 4
"""Reasons that are told for the whole plan; any other stands with its change."""

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_HOURS_OF_A_DAY = 24

AS_ONE_OF_SEVERAL = "alone or as one of several controls"
"""How a Conditional Access policy requires it: other controls may be required too, or do instead."""

_ACTIONS = {
    "block": "block",
    "notification": "email",
    "pushnotification": "push notification",
    "remotelock": "remote lock",
    "retire": "retire",
    "wipe": "wipe",
    "noaction": "no action",
}
"""Graph's ``deviceComplianceActionType``; any other is shown as Graph spells it."""

_EVERYBODY = {
    TargetKind.ALL_DEVICES: "all devices",
    TargetKind.ALL_USERS: "the devices of all users",
}
_USERS = "users in the group"
_DEVICES = "devices in the group"
_MEMBERS = "members of the group"
_MATCHES = "filter matches"
_REACH = "reach"
_ACTIONS_OF = "actions for noncompliance"
_TODAY = "devices today"

_POLICY_MEMBERS = 2
"""What is asked of a policy: its actions, and how it does today."""


@dataclass(frozen=True, slots=True)
class CommonReason:
    """Why ``what`` is not known for several ``changes`` and ``policies``; ids in it are left out."""

    reason: str
    what: tuple[str, ...]
    changes: int
    policies: int

    def __str__(self) -> str:
        holders = [
            *([_count(self.changes, "change")] if self.changes else []),
            *([_count(self.policies, "policy", "policies")] if self.policies else []),
        ]
        return f"{', '.join(self.what)}, for {' and '.join(holders)} ({self.reason})"


@dataclass(frozen=True, slots=True)
class ImpactText:
    """Writes the impact of one plan; every text is "" where the plan has none."""

    impact: Impact | None = None
    common: tuple[CommonReason, ...] = ()
    """What to tell once for the plan, most frequent first; `reach` and `consequence` leave it out."""
    before: Mapping[Change, Known[int] | None] = field(default_factory=dict)
    """The bound of each changed filter as it stood before."""

    @classmethod
    def of(cls, plan: Plan) -> ImpactText:
        """Look through everything that is not known."""
        if plan.impact is None:
            return cls()
        return cls(plan.impact, _common_reasons(plan, plan.impact), bounds_before(plan.impact))

    def reach(self, change: Change) -> str:
        """Say whom a change reaches, as in ``reaches at most 1,240 devices: 1,240 in the group, ...``."""
        reach = self._reach_of(change)
        if reach is None:
            return ""
        bound, basis = self.bound(change), list(self._basis(change, reach))
        if isinstance(reach.at_most, Unknown) and not _has_numbers(reach):
            reasons = self._reasons(reach)
            return f"{bound} ({reasons})" if reasons else bound
        own = _gaps_of_reach(reach).get(_REACH, "")
        if own and not self._is_common(own):
            bound = f"{bound} ({own})"
        return ": ".join([each for each in (bound, ", ".join(basis)) if each])

    def bound(self, change: Change, *, with_before: bool = True) -> str:
        """Say whom a change reaches in a few words, as in ``reaches at most 1,240 devices``."""
        reach = self._reach_of(change)
        if reach is None:
            return ""
        before = self.before.get(change)
        is_other = with_before and isinstance(before, int) and before != reach.at_most
        return _bound(change, reach) + (f", before at most {before:,}" if is_other else "")

    def consequence(self, policy: Policy) -> str:
        """Say what not complying with a policy means, and how the policy does today."""
        return "; ".join(self.consequences(policy))

    def consequences(self, policy: Policy) -> tuple[str, ...]:
        """Both parts of `consequence` apart; none where neither is known, for common reasons."""
        found = self.impact.policies.get(policy.id) if self.impact else None
        if self.impact is None or found is None:
            return ()
        gaps = _gaps_of_policy(found)
        if len(gaps) == _POLICY_MEMBERS and all(map(self._is_common, gaps.values())):
            return ()
        day = self.impact.read_at.astimezone(UTC).date()
        return self._actions(found), self._today(found, day)

    def tenant(self) -> str:
        """Say what noncompliance means in the whole tenant, as a sentence.

        Without the time of the reading, so that two plans of one tenant read the same.
        """
        if self.impact is None:
            return ""
        return f"In this tenant: {'; '.join(_tenant(self.impact.tenant))}."

    def not_known(self) -> tuple[str, ...]:
        """Say what is not known for several changes or policies, one sentence for each reason."""
        return tuple(f"Not known: {each}." for each in self.common)

    def _reach_of(self, change: Change) -> Reach | None:
        return self.impact.reach.get(change) if self.impact else None

    def _basis(self, change: Change, reach: Reach) -> Iterator[str]:
        """The numbers behind the bound; none where the bound is the only number."""
        has_gap = any(map(_is_unknown, (reach.users, reach.devices)))
        if reach.filter_matches is not None or has_gap:
            yield from _group(reach)
        if _is_unknown(reach.users) and reach.users == reach.devices:
            yield self._gap(_MEMBERS, reach.users)
        else:
            yield from (
                self._gap(label, value)
                for label, value in ((_USERS, reach.users), (_DEVICES, reach.devices))
                if isinstance(value, Unknown)
            )
        filter = filter_in_use(change)
        name = f"exclude {_MATCHES}" if filter and filter.mode is FilterMode.EXCLUDE else _MATCHES
        if isinstance(reach.filter_matches, Unknown):
            yield self._gap(name, reach.filter_matches)
        elif reach.filter_matches is not None:
            yield f"{name} {reach.filter_matches:,}"

    def _gap(self, what: str, value: Known[object] | None) -> str:
        reason = value.reason if isinstance(value, Unknown) else ""
        return f"{what} not known" + ("" if self._is_common(reason) else f" ({reason})")

    def _is_common(self, reason: str) -> bool:
        return any(each.reason == without_ids(reason) for each in self.common)

    def _reasons(self, reach: Reach) -> str:
        """The reasons that are not common, each with what it is about."""
        about: dict[str, list[str]] = {}
        for label, reason in _gaps_of_reach(reach).items():
            if not self._is_common(reason):
                about.setdefault(reason, []).append(label.partition(" ")[0])
        return "; ".join(f"{' and '.join(names)}: {reason}" for reason, names in about.items())

    def _actions(self, found: PolicyImpact) -> str:
        if isinstance(found.actions, Unknown):
            return self._gap("actions", found.actions)
        return f"noncompliant: {', '.join(dict.fromkeys(map(describe_action, found.actions)))}"

    def _today(self, found: PolicyImpact, day: date) -> str:
        if isinstance(found.today, Unknown):
            return self._gap("today", found.today)
        return "today no data" if found.today is None else f"today {_overview(found.today, day)}"


NO_IMPACT = ImpactText()
"""For a plan whose impact was not read."""


def _bound(change: Change, reach: Reach) -> str:
    if reach.users == 0 and reach.devices == 0:
        # Hidden members are not seen without a permission of their own, and may count as none.
        return f"{_verb(change)} at most 0 devices: no members of the group can be seen"
    if isinstance(reach.at_most, Unknown):
        return "reach not known" if change.target.is_include else "number left out not known"
    if reach.at_most is not None:
        return f"{_verb(change)} at most {_count(reach.at_most, 'device')}"
    if isinstance(reach.users, int):
        devices = reach.devices if isinstance(reach.devices, int) else 0
        more = f" and {_count(devices, 'device')}" if devices else ""
        return (
            f"{_verb(change)} at most {_count(reach.users, 'user')} (any number of devices){more}"
        )
    if reach.filter_matches is None:
        return ""
    everybody = _EVERYBODY.get(change.target.kind, "everybody")
    return f"{_verb(change)} {everybody} except what the filter matches"


def _verb(change: Change) -> str:
    if isinstance(change, Delete):
        return "reached" if change.target.is_include else "left out"
    return "reaches" if change.target.is_include else "leaves out"


def _group(reach: Reach) -> Iterator[str]:
    """The members that are known, as in ``1,240 in the group``."""
    users = _count(reach.users, "user") if isinstance(reach.users, int) and reach.users else ""
    devices = ""
    if isinstance(reach.devices, int) and (reach.devices or reach.users == 0):
        is_plain = reach.users == 0 and isinstance(reach.at_most, int)
        devices = f"{reach.devices:,}" if is_plain else _count(reach.devices, "device")
    if users or devices:
        yield f"{' and '.join(each for each in (users, devices) if each)} in the group"


def _is_unknown(value: object) -> bool:
    return isinstance(value, Unknown)


def _has_numbers(reach: Reach) -> bool:
    return any(isinstance(each, int) for each in (reach.users, reach.devices, reach.filter_matches))


def describe_action(action: ComplianceAction) -> str:
    """Say what is done about a device that does not comply, as in ``block after 3 days``."""
    name = _ACTIONS.get(action.type.casefold(), action.type)
    if action.after_days == 0:
        return f"{name} at once"
    if action.after_days < 1:
        hours = action.after_days * _HOURS_OF_A_DAY
        return f"{name} after {hours:g} {'hour' if hours == 1 else 'hours'}"
    return f"{name} after {action.after_days:g} {'day' if action.after_days == 1 else 'days'}"


def _overview(status: StatusOverview, day: date) -> str:
    parts = [f"{status.compliant:,} compliant", f"{status.noncompliant:,} not"]
    more = ((status.error, "in error"), (status.pending, "pending"))
    parts += [f"{number:,} {word}" for number, word in more if number]
    if status.as_of is None:
        return ", ".join([*parts, "time not given"])
    moment = status.as_of.astimezone(UTC)
    form = "%H:%M" if moment.date() == day else "%Y-%m-%d %H:%M"
    return ", ".join([*parts, f"as of {moment:{form}} UTC"])


def _tenant(tenant: TenantImpact) -> Iterator[str]:
    by_default, demanding = tenant.secure_by_default, tenant.conditional_access_policies
    if isinstance(by_default, Unknown):
        yield f"how devices without a policy count is not known ({by_default.reason})"
    else:
        yield f"devices without a policy count as {'not compliant' if by_default else 'compliant'}"
    if isinstance(demanding, Unknown):
        yield (
            "how many enabled Conditional Access policies require a compliant device is not known "
            f"({demanding.reason})"
        )
    elif demanding == 0:
        yield "no enabled Conditional Access policy requires a compliant device"
    else:
        policies = "Conditional Access policy" if demanding == 1 else "Conditional Access policies"
        require = "requires" if demanding == 1 else "require"
        yield f"{demanding:,} enabled {policies} {require} a compliant device, {AS_ONE_OF_SEVERAL}"
    if isinstance(tenant.disabled_filters, Unknown):
        yield f"whether a filter is disabled is not known ({tenant.disabled_filters.reason})"


def _common_reasons(plan: Plan, impact: Impact) -> tuple[CommonReason, ...]:
    reaches = (impact.reach.get(change) for change in plan.changes)
    what: dict[str, dict[str, None]] = {}
    changes: Counter[str] = Counter()
    policies: Counter[str] = Counter()
    for counter, holders in (
        (changes, [_gaps_of_reach(each) for each in reaches if each is not None]),
        (policies, [_gaps_of_policy(each) for each in impact.policies.values()]),
    ):
        for gaps in holders:
            for label, reason in gaps.items():
                what.setdefault(without_ids(reason), {})[label] = None
            counter.update({without_ids(reason) for reason in gaps.values()})
    found = [
        CommonReason(reason, tuple(labels), changes[reason], policies[reason])
        for reason, labels in what.items()
    ]
    frequent = [each for each in found if each.changes + each.policies > 1]
    return tuple(sorted(frequent, key=lambda each: -(each.changes + each.policies))[:_MOST_COMMON])


def _gaps_of_reach(reach: Reach) -> Mapping[str, str]:
    """What is not known of a reach, with the reason; that of the bound is the reason of a member."""
    members: dict[str, object] = {_USERS: reach.users, _DEVICES: reach.devices}
    if reach.users == reach.devices:
        members = {_MEMBERS: reach.users}
    return _gaps(members | {_MATCHES: reach.filter_matches}) or _gaps({_REACH: reach.at_most})


def _gaps_of_policy(policy: PolicyImpact) -> Mapping[str, str]:
    return _gaps({_ACTIONS_OF: policy.actions, _TODAY: policy.today})


def _gaps(members: Mapping[str, object]) -> Mapping[str, str]:
    return {what: each.reason for what, each in members.items() if isinstance(each, Unknown)}


def without_ids(reason: str) -> str:
    """Make reasons alike that differ only in the ids of objects."""
    return _GUID.sub("ID", reason)


def _count(number: int, noun: str, plural: str = "") -> str:
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
