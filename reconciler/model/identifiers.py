"""Object ids: what one looks like, and how two objects of one name are told apart. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

GUID_PATTERN = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
"""A GUID as Graph writes it. JSON Schema takes the pattern too, so it uses no Python-only syntax."""

_GUID = re.compile(GUID_PATTERN)


def is_guid(text: str) -> bool:
    """Whether the whole text is a GUID, in upper or lower case, without braces or blanks."""
    return len(text) == 36 and _GUID.fullmatch(text) is not None


def short_ids(objects: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    """Give every object that shares its name with another one the beginning of its id.

    ``objects`` are pairs of id and name, of one kind (policies, or groups, or filters); one object
    may come several times. The result maps the id, as it was passed, to its first block, or to as
    many blocks as tell the objects of that name apart. An object that alone has its name is not in
    it, and neither is one without a name: people see its whole id anyway.
    """
    by_name: dict[str, dict[str, None]] = defaultdict(dict)
    for object_id, name in objects:
        if name:
            by_name[name][object_id] = None
    shortened: dict[str, str] = {}
    for same_name in by_name.values():
        lowered = {object_id.lower() for object_id in same_name}
        if len(lowered) > 1:
            blocks = _blocks_needed(lowered)
            shortened |= {each: _beginning(each.lower(), blocks) for each in same_name}
    return shortened


def _blocks_needed(ids: set[str]) -> int:
    most = max(each.count("-") for each in ids) + 1
    fitting = (n for n in range(1, most) if len({_beginning(each, n) for each in ids}) == len(ids))
    return next(fitting, most)


def _beginning(object_id: str, blocks: int) -> str:
    return "-".join(object_id.split("-")[:blocks])
