"""Policies, targets and filters by name in Markdown, with ids where a name is not enough. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from reconciler.model.plan import Plan, filter_after
from reconciler.model.policy_types import title_of
from reconciler.model.state import Filter, Policy, Target, TargetKind
from reconciler.model.wording import TARGET_KINDS, not_in_directory
from reconciler.views.escaping import markdown_code


@dataclass(frozen=True, slots=True)
class Names:
    """The display names that lead to more than one id in a plan, which then need their id shown."""

    shared: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def of(cls, plan: Plan) -> Names:
        """Look through everything that a plan shows."""
        ids: dict[tuple[str, str], set[str]] = defaultdict(set)
        for policy_plan in plan.policies:
            policy = policy_plan.policy
            ids[policy.name, title_of(policy)].add(policy.id)
            shown = [(a.target, a.filter) for a in policy_plan.live]
            shown += [(o.target, filter_after(o)) for o in policy_plan.changes]
            for target, filter in shown:
                ids[target.name or "", ""].add(target.id or "")
                if filter is not None:
                    ids[filter.name or "", ""].add(filter.id)
        return cls(frozenset(name for name, found in ids.items() if len(found) > 1))

    def policy(self, policy: Policy) -> str:
        """Name a policy."""
        is_shared = (policy.name, title_of(policy)) in self.shared
        return with_id(policy.name, policy.id, is_shared=is_shared)

    def target(self, target: Target) -> str:
        """Say whom an assignment reaches."""
        said = TARGET_KINDS[target.kind]
        if target.kind is TargetKind.OPAQUE:
            return f"{said} {markdown_code(target.odata_type or '(none)')}"
        if target.is_broad:
            return said
        is_shared = (target.name or "", "") in self.shared
        named = with_id(target.name, target.id or "", is_shared=is_shared)
        of_type = f" of type {markdown_code(target.target_type)}" if target.target_type else ""
        return f"{said} {named}{of_type}{not_in_directory(target)}"

    def filter(self, filter: Filter | None) -> str:
        """Say how an assignment is narrowed."""
        if filter is None:
            return "no filter"
        is_shared = (filter.name or "", "") in self.shared
        return f"{filter.mode} {with_id(filter.name, filter.id, is_shared=is_shared)}"


def with_id(name: str | None, id: str, *, is_shared: bool) -> str:
    """Show a name, with its id where several things bear that name; the id alone without a name."""
    if not name:
        return markdown_code(id)
    return f"{markdown_code(name)} ({markdown_code(id)})" if is_shared else markdown_code(name)
