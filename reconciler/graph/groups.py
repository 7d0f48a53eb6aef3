"""Look groups up in Microsoft Entra: names to ids and back, in few requests. Does I/O.

Names go fifteen to a ``$filter`` and twenty filters to a ``$batch``; ids go twenty to a batch, as
``GET /groups/{id}``, which needs GroupMember.Read.All alone where getByIds would need
Directory.Read.All. Sources: graph.md section 6.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from reconciler.graph import wire
from reconciler.graph.client import GraphClient, Version, items, next_link
from reconciler.graph.responses import GraphResponse
from reconciler.model.errors import GraphError
from reconciler.model.ports import GroupSearch
from reconciler.model.state import Group

NAMES_PER_FILTER = 15
"""Expressions in one ``$filter`` ([D] graph.md section 6)."""

LONGEST_EQUAL = 120
"""``eq`` and ``in`` match no value longer than this, though names may have 256 characters ([D])."""

_SELECT = "$select=id,displayName,membershipRule"
_NEARBY_PREFIX = 3
_NEARBY_PAGE = 50


def find_groups(
    client: GraphClient, names: Iterable[str], ids: Iterable[str], other_names: Iterable[str] = ()
) -> GroupSearch:
    """Look up every group asked for; then names near those that led nowhere, to suggest them.

    ``other_names`` are looked up as well, without suggestions.
    """
    to_suggest = set(names)
    wanted_names = sorted(to_suggest.union(other_names))
    by_id = {group.id: group for group in _by_name(client, wanted_names)}
    for group in _by_id(client, sorted(set(ids) - by_id.keys())):
        by_id[group.id] = group
    by_name = _match(wanted_names, by_id.values())
    missing = [name for name in sorted(to_suggest) if not by_name[name]]
    return GroupSearch(by_id=by_id, by_name=by_name, nearby=_nearby(client, missing))


def _match(names: Sequence[str], groups: Iterable[Group]) -> dict[str, tuple[Group, ...]]:
    by_folded: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        by_folded[group.name.casefold()].append(group)
    return {name: tuple(by_folded.get(name.casefold(), ())) for name in names}


def _by_name(client: GraphClient, names: Sequence[str]) -> Iterator[Group]:
    attempted = "looking up groups by name"
    short = [name for name in names if len(name) <= LONGEST_EQUAL]
    filters = [
        f"displayName in ({','.join(map(_literal, short[at : at + NAMES_PER_FILTER]))})"
        for at in range(0, len(short), NAMES_PER_FILTER)
    ]
    filters += [
        f"startswith(displayName,{_literal(name[:LONGEST_EQUAL])})"
        for name in names
        if len(name) > LONGEST_EQUAL
    ]
    answers = client.batch(Version.V1, {text: _path(text) for text in filters}, attempted=attempted)
    for text in filters:
        yield from _groups(client, _success(client, answers[text], attempted), attempted)


def _by_id(client: GraphClient, ids: Sequence[str]) -> Iterator[Group]:
    attempted = "looking up groups by id"
    answers = client.batch(
        Version.V1,
        {id: f"groups/{quote(id, safe='')}?{_SELECT}" for id in ids},
        attempted=attempted,
    )
    for id in ids:
        answer = answers[id]
        if answer.status == 404:
            continue
        yield _group(_success(client, answer, attempted), attempted)


def _nearby(client: GraphClient, names: Sequence[str]) -> dict[str, tuple[Group, ...]]:
    """Fetch groups that begin alike; suggestions are a kindness, so a failure is no error here."""
    attempted = "looking up similar group names"
    paths = {
        name: _path(f"startswith(displayName,{_literal(name[:_NEARBY_PREFIX])})")
        + f"&$top={_NEARBY_PAGE}"
        for name in names
    }
    answers = client.batch(Version.V1, paths, attempted=attempted)
    return {
        name: tuple(_group(item, attempted) for item in items(answers[name].body, attempted))
        for name in names
        if answers[name].is_success
    }


def _path(filter_text: str) -> str:
    return f"groups?$filter={quote(filter_text, safe='')}&{_SELECT}"


def _literal(name: str) -> str:
    """Write an OData string; a quote inside is doubled."""
    return "'" + name.replace("'", "''") + "'"


def _success(client: GraphClient, answer: GraphResponse, attempted: str) -> Mapping[str, Any]:
    client.transport.raise_for(answer, attempted)
    if not isinstance(answer.body, dict):
        raise GraphError("the answer is no object", attempted=attempted, code="UnexpectedAnswer")
    return answer.body


def _groups(client: GraphClient, page: Mapping[str, Any], attempted: str) -> Iterator[Group]:
    for item in items(page, attempted):
        yield _group(item, attempted)
    link = next_link(page, attempted)
    if link is not None:
        for item in client.follow(link, attempted=attempted):
            yield _group(item, attempted)


def _group(item: Mapping[str, Any], attempted: str) -> Group:
    return wire.group(wire.parse(wire.GroupItem, item, attempted))
