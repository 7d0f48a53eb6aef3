"""What a reviewer looks at first, in Markdown: one line each, the worst first. Pure.

In a dangerous plan these are the dangers, in any other what wants a review. Each line names the policy and
the target, and says whom it reaches, so that nobody has to look for the number among the changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.differ.risk import Concern, RiskCode, worst_of_each
from reconciler.model.plan import Delete, Plan
from reconciler.model.wording import count_of
from reconciler.views.impact_text import ImpactText
from reconciler.views.markdown_context import Context, is_address, link, place, policy_url
from reconciler.views.markdown_layout import that_fit
from reconciler.views.markdown_names import MarkdownNames

_MOST = 8
_FEWER = 5
_MOST_UNCOUNTED = 2
_MANY_CHANGES = 30
"""Lines that are listed, in a plan with at most so many changes and in a larger one. Each of them has a
line among the changes as well, and a comment on 60 changes has to stay readable. More changes than
`_MOST_UNCOUNTED` that nothing but their unknown reach makes worth a review share one line."""

_SENTENCES = {
    RiskCode.REACHES_EVERYBODY: "**Reaches everybody:** {policy}, {name}, without a filter",
    RiskCode.EXCLUDE_TO_INCLUDE: "**Exclude becomes include:** {policy}, {name}",
    RiskCode.EXCLUSION_REMOVED: "**No longer excluded:** {policy}, {name} may then be reached",
    RiskCode.FILTER_INVERTED: "**Filter inverted:** {policy}, {name}, {filter}",
    RiskCode.FILTER_WIDENED: "**Filter widened:** {policy}, {name}, {filter}",
    RiskCode.LAST_INCLUDE_REMOVED: "**Reaches nobody:** {policy} has no include left after {name}",
    RiskCode.INCLUDE_TO_EXCLUDE: "**Include becomes exclude:** {policy}, {name}",
    RiskCode.INCLUDE_REMOVED: "**No longer assigned:** {policy}, {name}",
    RiskCode.BLOCKS_AT_ONCE: "**Many devices:** {policy}, {name}",
    RiskCode.BROAD_WITH_FILTER: "**Everybody with a filter:** {policy}, {name}, {filter}",
    RiskCode.FILTER_CHANGED: "**Filter changed:** {policy}, {name}, {filter}",
    RiskCode.EXCLUSION_ADDED: "**New exclusion:** {policy}, {name}",
    RiskCode.REACH_UNKNOWN: "**Reach not known:** {policy}, {name}",
}
"""Each fits on one line at 830 pixels, with names of a usual length and no reach."""

_REACHES_MORE = frozenset(
    {
        RiskCode.REACHES_EVERYBODY,
        RiskCode.EXCLUDE_TO_INCLUDE,
        RiskCode.EXCLUSION_REMOVED,
        RiskCode.FILTER_INVERTED,
        RiskCode.FILTER_WIDENED,
        RiskCode.BLOCKS_AT_ONCE,
    }
)
"""What may bring a policy to more devices: then it counts that the policy blocks at once."""


@dataclass(frozen=True, slots=True)
class LookFirst:
    """The block, none where nothing has to be looked at, and the concerns that it lists."""

    blocks: tuple[str, ...]
    listed: tuple[Concern, ...]


def look_first(
    plan: Plan, names: MarkdownNames, impact: ImpactText, context: Context, room: int
) -> LookFirst:
    """List what decides the risk of a plan, within ``room`` characters."""
    concerns = worst_of_each(plan)
    if not concerns:
        return LookFirst((), ())
    uncounted = sum(each.code is RiskCode.REACH_UNKNOWN for each in concerns)
    named = concerns[:-uncounted] if uncounted > _MOST_UNCOUNTED else concerns
    is_large = sum(1 for _ in plan.changes) > _MANY_CHANGES
    writer = _Writer(plan, names, impact, context)
    entries = (f"- {writer.describe(each)}" for each in named[: _FEWER if is_large else _MOST])
    shown = list(that_fit(entries, room))
    listed, rest = named[: len(shown)], len(named) - len(shown)
    if rest:
        shown.append(f"- … and {rest} more of this kind, among the changes below")
    if len(named) < len(concerns):
        shown.append(f"- **Reach not known:** {count_of(uncounted, 'change')}")
    return LookFirst(("\n".join(["### Look at these first", "", *shown]),), listed)


@dataclass(frozen=True, slots=True)
class _Writer:
    plan: Plan
    names: MarkdownNames
    impact: ImpactText
    context: Context

    def describe(self, concern: Concern) -> str:
        change = concern.change
        url = policy_url(concern.policy, self.plan.tenant.cloud)
        policy = link(self.names.policy(concern.policy), url)
        if change is None:
            return f"**Reaches nobody:** {policy} has no include"
        text = _SENTENCES[concern.code].format(
            policy=policy,
            name=self.names.target_name(change.target),
            filter=self.names.filter_of(change),
        )
        is_told = concern.code is RiskCode.REACH_UNKNOWN
        details = ["" if is_told else self.impact.bound(change), self._blocks_at_once(concern)]
        text = " · ".join([text, *(each for each in details if each)])
        is_linked = is_address(self.context.repository_url) and bool(self.context.commit)
        if isinstance(change, Delete) or not is_linked:
            return text
        line = f"line {change.declared_at.line}"
        return f"{text} ({place(change.declared_at, self.context, text=line)})"

    def _blocks_at_once(self, concern: Concern) -> str:
        impact = self.impact.impact
        policy = impact.policies.get(concern.policy.id) if impact else None
        is_known = policy is not None and policy.blocks_at_once
        return "blocks at once" if is_known and concern.code in _REACHES_MORE else ""


def told_by(listed: Sequence[Concern], names: MarkdownNames) -> frozenset[tuple[str, str]]:
    """The code and the policy of each warning that says what is listed already."""
    told = {(each.code.value, names.names.policy(each.policy)) for each in listed}
    nobody = RiskCode.REACHES_NOBODY.value
    last = {policy for code, policy in told if code == RiskCode.LAST_INCLUDE_REMOVED}
    return frozenset(told | {(nobody, policy) for policy in last})
