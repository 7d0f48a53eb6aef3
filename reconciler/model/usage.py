"""Where a group or filter is used: one assignment of one policy, live, declared, or both. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model.diagnostics import Location
from reconciler.model.state import Filter, Policy, Target, TargetKind


@dataclass(frozen=True, slots=True)
class Usage:
    """One assignment that hangs on the group or filter.

    ``filter`` is the live one where it is live, else the declared one. ``source`` is Graph's word
    for where a live assignment comes from, None for one that is declared alone. ``declared_at`` is
    set for declared ones.
    """

    policy: Policy
    target: Target
    filter: Filter | None
    live: bool
    source: str | None
    declared_at: Location | None

    @property
    def side(self) -> str:
        """``include`` or ``exclude``; "" for a target type that the program does not know."""
        if self.target.kind is TargetKind.OPAQUE:
            return ""
        return "exclude" if self.target.kind is TargetKind.EXCLUSION_GROUP else "include"
