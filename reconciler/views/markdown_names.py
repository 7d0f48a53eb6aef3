"""Policies, targets and filters by name in Markdown: each name as code, so that it cannot act. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model.plan import Change, Create, Delete, Update
from reconciler.model.state import Filter, Policy, Target, TargetKind
from reconciler.model.wording import NO_FILTER, NO_NAMES, TARGET_KINDS, Names, not_in_directory
from reconciler.views.escaping import markdown_code


@dataclass(frozen=True, slots=True)
class MarkdownNames:
    """Writes names; those that several objects share get the beginning of their id."""

    names: Names = NO_NAMES

    def policy(self, policy: Policy) -> str:
        """Name a policy."""
        return self._name(policy.name, policy.id)

    def target(self, target: Target) -> str:
        """Name a target with its side, as in ``include group `Sales```."""
        side = TARGET_KINDS[target.kind]
        return side if target.is_broad else f"{side} {self.target_name(target)}"

    def target_name(self, target: Target) -> str:
        """Name a target without its side."""
        if target.is_broad:
            return TARGET_KINDS[target.kind].removeprefix("include ")
        if target.kind is TargetKind.OPAQUE:
            return markdown_code(target.odata_type or "(none)")
        of_type = f" of type {markdown_code(target.target_type)}" if target.target_type else ""
        return f"{self._name(target.name, target.id)}{of_type}{not_in_directory(target)}"

    def filter(self, filter: Filter | None) -> str:
        """Name a filter with its mode."""
        return (
            NO_FILTER if filter is None else f"{filter.mode} {self._name(filter.name, filter.id)}"
        )

    def filter_of(self, change: Change) -> str:
        """Name the filter of a change, before and after where it differs."""
        match change:
            case Create():
                return self.filter(change.filter)
            case Update():
                return f"{self.filter(change.live.filter)} → {self.filter(change.after)}"
            case Delete():
                return self.filter(change.live.filter)

    def _name(self, name: str | None, id: str | None) -> str:
        if not name:
            return markdown_code(id or "(none)")
        short = self.names.short_id(id)
        return f"{markdown_code(name)} ({markdown_code(short)})" if short else markdown_code(name)
