"""What matters most in a plan, for the title of every view. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.differ.guardrails import BROAD_TARGET
from reconciler.differ.risk import MANY_DEVICES, Concern, RiskCode
from reconciler.model.impact import Risk, RiskLevel, RiskReason
from reconciler.model.plan import Change, Plan
from reconciler.model.state import TargetKind
from reconciler.model.wording import count_of


def risk_words(plan: Plan, risk: Risk) -> str:
    """Name the level of a risk for a title; "" where there is nothing to judge.

    What errors keep out of an incomplete plan could only raise its risk.
    """
    if plan.is_empty or (not plan.complete and risk.level is RiskLevel.ROUTINE):
        return ""
    is_final = plan.complete or risk.level is RiskLevel.DANGEROUS
    return risk.level.value if is_final else f"at least {risk.level.value}"


def untold_reasons(plan: Plan, risk: Risk) -> tuple[RiskReason, ...]:
    """The reasons of a risk that no diagnostic and no stop of the plan states already."""
    diagnosed = {(each.code, each.policy) for each in plan.diagnostics}
    broad = {
        *(each.location for each in plan.diagnostics if each.code == BROAD_TARGET),
        *(stop.declared_at for stop in plan.stopped_by if stop.code == BROAD_TARGET),
    }
    return tuple(
        reason
        for reason in risk.reasons
        if (reason.code, reason.policy) not in diagnosed
        and not (reason.code == RiskCode.REACHES_EVERYBODY and reason.declared_at in broad)
    )


def headline_of(dangers: Iterable[Concern]) -> str:
    """Name what matters most, for a title: at most two phrases; "" where nothing does."""
    by_code: dict[RiskCode, list[Concern]] = {}
    for each in dangers:
        by_code.setdefault(each.code, []).append(each)
    return " · ".join(list(_phrases(by_code))[:2])


def _phrases(found: dict[RiskCode, list[Concern]]) -> Iterator[str]:
    broad = {change.target.kind for change in _changes(found, RiskCode.REACHES_EVERYBODY)}
    if broad:
        yield "reaches " + " and ".join(
            words
            for kind, words in (
                (TargetKind.ALL_DEVICES, "all devices"),
                (TargetKind.ALL_USERS, "all users"),
            )
            if kind in broad
        )
    exclusions = _changes(found, RiskCode.EXCLUDE_TO_INCLUDE, RiskCode.EXCLUSION_REMOVED)
    if exclusions:
        yield f"no longer excludes {_targets(exclusions)}"
    filters = _changes(found, RiskCode.FILTER_INVERTED, RiskCode.FILTER_WIDENED)
    if filters:
        yield f"inverts or widens {count_of(len(filters), 'filter')}"
    codes = (RiskCode.REACHES_NOBODY, RiskCode.LAST_INCLUDE_REMOVED)
    uncovered = {each.policy for code in codes for each in found.get(code, [])}
    if uncovered:
        number = len(uncovered)
        yield "a policy reaches nobody" if number == 1 else f"{number:,} policies reach nobody"
    includes = _changes(found, RiskCode.INCLUDE_TO_EXCLUDE, RiskCode.INCLUDE_REMOVED)
    if includes:
        yield f"removes cover from {_targets(includes)}"
    blocking = _changes(found, RiskCode.BLOCKS_AT_ONCE)
    if blocking:
        yield f"may reach over {MANY_DEVICES:,} devices and blocks at once"


def _changes(found: dict[RiskCode, list[Concern]], *codes: RiskCode) -> list[Change]:
    concerns = (each for code in codes for each in found.get(code, []))
    return [each.change for each in concerns if each.change is not None]


def _targets(changes: Iterable[Change]) -> str:
    """Count the groups, or name everybody."""
    targets = {(change.target.kind.value, change.target.id) for change in changes}
    broad = {
        TargetKind.ALL_DEVICES.value: "all devices",
        TargetKind.ALL_USERS.value: "all users",
    }
    names = [words for kind, words in broad.items() if (kind, None) in targets]
    groups = len({id for _, id in targets if id is not None})
    return " and ".join([*names, *([count_of(groups, "group")] if groups else [])])
