"""Count the members of a group and of the groups inside it, as `transitiveMembers` does. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.sandbox.checks import JsonObject


def count_members(
    groups: Iterable[JsonObject], group_id: str, kind: str, *, hidden: bool
) -> int | None:
    """How many `users` or `devices` a group has, those of nested groups included, each counted once.

    Members given as a number have no ids, so those of several groups add up. None where the file does
    not hold the members of one of the groups, or where one hides them and `hidden` is false; what
    Graph answers for a hidden group inside an open one is [U].
    """
    by_id = {group["id"].lower(): group for group in groups}
    named: set[str] = set()
    without_id = 0
    seen: set[str] = set()
    waiting = [group_id.lower()]
    while waiting:
        own = waiting.pop()
        if own in seen:  # a group may be nested twice, or hold itself
            continue
        seen.add(own)
        group = by_id[own]
        members = group.get("members") or {}
        if kind not in members or (not hidden and is_hidden(group)):
            return None
        if isinstance(members[kind], int):
            without_id += members[kind]
        else:
            named |= {one.lower() for one in members[kind]}
        waiting += [nested.lower() for nested in members.get("groups", ())]
    return without_id + len(named)


def is_hidden(group: JsonObject) -> bool:
    """Whether the group shows its members to nobody without `Member.Read.Hidden` ([D] section 12)."""
    return group.get("visibility") == "HiddenMembership"
