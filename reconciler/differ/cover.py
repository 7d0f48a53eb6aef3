"""Warn of what a plan does to whom a policy reaches. Pure; needs no reading beside the plan's own.

Terms. An *include* is every target but an exclusion; an opaque target counts, as it may reach somebody.
What a policy set assigns counts too, and stays. *Before* is the live state, *after* what the plan leaves.

Each diagnostic is a warning with a code of its own, at the line that leads to it, or at the policy where no
line does (a removal has none).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from reconciler.differ.risk import RiskCode, code_of_filter
from reconciler.model.diagnostics import Diagnostic, Location, warning
from reconciler.model.plan import Create, Delete, PolicyPlan, Update
from reconciler.model.ports import Directory
from reconciler.model.state import GROUP_KINDS, VIRTUAL_GROUPS, Target, TargetKind
from reconciler.model.wording import (
    NO_LONGER_EXCLUDED,
    Names,
    describe_filter,
    describe_target,
)

_CHECK = "check that this is meant"
_LOOK = "look at this assignment in the Intune portal"


def cover(
    policies: Iterable[PolicyPlan], directory: Directory, places: Mapping[str, Location]
) -> tuple[Diagnostic, ...]:
    """Compare whom each policy reaches before and after the plan.

    ``places`` maps the id of a policy to the place of its declaration. ``directory`` must have been
    asked for every group that is assigned: one that it lacks is taken for deleted.
    """
    plans = tuple(policies)
    groups, filters = directory.groups.by_id.values(), directory.filters.values()
    names = Names.of((plan.policy for plan in plans), groups, filters)
    return tuple(
        diagnostic
        for plan in plans
        for diagnostic in _PolicyCover(
            plan, directory, names, places.get(plan.policy.id)
        ).diagnostics()
    )


class _PolicyCover:
    """The checks of one policy."""

    def __init__(
        self, plan: PolicyPlan, directory: Directory, names: Names, place: Location | None
    ) -> None:
        self.plan = plan
        self.directory = directory
        self.names = names
        self.place = place
        self.creates = [change for change in plan.changes if isinstance(change, Create)]
        self.deletes = [change for change in plan.changes if isinstance(change, Delete)]
        self.declared = tuple(_declared(plan))
        self.after = plan.targets_after

    def diagnostics(self) -> Iterator[Diagnostic]:
        """Run every check."""
        yield from self._includes_left()
        yield from self._only_exclusions()
        yield from self._filters()
        yield from self._sides()
        yield from self._deleted_groups()

    def _warning(
        self, code: str, message: str, place: Location | None = None, help: str = _CHECK
    ) -> Diagnostic:
        policy = self.names.policy(self.plan.policy)
        return warning(code, message, place or self.place, help=help, policy=policy)

    def _includes_left(self) -> Iterator[Diagnostic]:
        """A policy that is empty on purpose, and stays so, is no news."""
        is_empty_already = not self.plan.changes and not self.after
        if any(target.is_include for target in self.after) or is_empty_already:
            return
        if any(change.target.is_include for change in self.deletes):
            message = "this plan removes the last include of the policy"
            yield self._warning("last-include-removed", message)
        message = (
            "no include is left, neither here nor from a policy set: the policy reaches nobody"
        )
        yield self._warning("reaches-nobody", message)

    def _only_exclusions(self) -> Iterator[Diagnostic]:
        is_news = bool(self.plan.changes) or not any(target.is_include for target in self.after)
        if is_news and self.declared and not any(target.is_include for target, _ in self.declared):
            message = (
                "only exclusions are declared: an exclusion alone assigns the policy to nobody"
            )
            yield self._warning("only-exclusions", message, self.declared[0][1])

    def _filters(self) -> Iterator[Diagnostic]:
        for change in self.plan.changes:
            if not isinstance(change, Update) or change.live.filter is None:
                continue
            before, after = change.live.filter, change.after
            target = describe_target(change.target, self.names)
            shown = f"{describe_filter(before, self.names)} -> {describe_filter(after, self.names)}"
            code = code_of_filter(before, after)
            if code is RiskCode.FILTER_INVERTED:
                message = (
                    f"{target} keeps its filter, with the other mode ({shown}): the devices that "
                    "were left out are reached, and the others no longer"
                )
                yield self._warning(code.value, message, change.declared_at)
            elif code is RiskCode.FILTER_WIDENED:
                message = f"{target} may reach more devices, as its filter changes: {shown}"
                yield self._warning(code.value, message, change.declared_at)

    def _sides(self) -> Iterator[Diagnostic]:
        if not self.deletes:
            return
        created = {(change.target.kind, change.target.id): change for change in self.creates}
        excluded_after = {
            target.id for target in self.after if target.kind is TargetKind.EXCLUSION_GROUP
        }
        for change in self.deletes:
            group = self.names.quoted(change.target.name, change.target.id)
            if change.target.kind is TargetKind.GROUP:
                twin = created.get((TargetKind.EXCLUSION_GROUP, change.target.id))
                if twin is not None:
                    message = f"the group {group} was included, and is excluded from now on"
                    yield self._warning("include-to-exclude", message, twin.declared_at)
            elif change.target.kind is TargetKind.EXCLUSION_GROUP:
                twin = created.get((TargetKind.GROUP, change.target.id))
                if twin is not None:
                    message = f"the group {group} was excluded, and gets the policy from now on"
                    yield self._warning("exclude-to-include", message, twin.declared_at)
                elif change.target.id not in excluded_after:
                    message = f"the group {group} is {NO_LONGER_EXCLUDED}"
                    yield self._warning("exclusion-removed", message)

    def _deleted_groups(self) -> Iterator[Diagnostic]:
        unknown = (
            target
            for target in self.after
            if target.id not in self.directory.groups.by_id
            and target.kind in GROUP_KINDS
            and target.id not in VIRTUAL_GROUPS.values()
        )
        for target in dict.fromkeys(unknown):
            side = "included" if target.is_include else "excluded"
            group = self.names.quoted(target.name, target.id)
            message = (
                f"the {side} group {group} does not exist in Microsoft Entra, and is still assigned"
            )
            yield self._warning("deleted-group-assigned", message, help=_LOOK)


def _declared(plan: PolicyPlan) -> Iterator[tuple[Target, Location]]:
    """Every declared target of the policy, with its line."""
    for change in plan.changes:
        if not isinstance(change, Delete):
            yield change.target, change.declared_at
    for keep in plan.kept:
        yield keep.assignment.target, keep.declared_at
    for inherited in plan.inherited:
        if inherited.declared_at is not None:
            yield inherited.assignment.target, inherited.declared_at
