"""Look groups up in Microsoft Entra: names to ids and back, in few requests. Does I/O.

Names go fifteen to a ``$filter`` and twenty filters to a ``$batch``; ids go twenty to a batch, as
``GET /groups/{id}``, which needs GroupMember.Read.All alone where getByIds would need
Directory.Read.All. Sources: graph.md section 6.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from reconciler.graph import wire
from reconciler.graph.client import GraphClient, Version, items, next_link, object_of
from reconciler.graph.responses import GraphResponse
from reconciler.model.errors import GraphError
from reconciler.model.identifiers import is_guid
from reconciler.model.ports import GroupSearch
from reconciler.model.state import Group
from reconciler.runtime.retry import TransientError

NAMES_PER_FILTER = 15
"""Expressions in one ``$filter`` (graph.md section 6)."""

LONGEST_EQUAL = 120
"""``eq`` and ``in`` match no value longer than this, though names may have 256 characters (graph.md section 6)."""

LONGEST_FILTER = 1500
"""Characters of one ``$filter`` as it stands in the address, where a letter may take nine.

Graph documents 2,048 for a whole address (graph.md section 6); the rest of it needs about 150.
"""

_SELECT = "$select=id,displayName,membershipRule,visibility"
_LARGEST_PAGE = 999
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


def list_groups(client: GraphClient) -> tuple[Group, ...]:
    """Read every group of the tenant, page by page."""
    attempted = "reading all groups"
    pages = client.pages(Version.V1, f"groups?{_SELECT}&$top={_LARGEST_PAGE}", attempted=attempted)
    return tuple(_group(item, attempted) for item in pages)


def _match(names: Sequence[str], groups: Iterable[Group]) -> dict[str, tuple[Group, ...]]:
    by_folded: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        by_folded[group.name.casefold()].append(group)
    return {name: tuple(by_folded.get(name.casefold(), ())) for name in names}


def _by_name(client: GraphClient, names: Sequence[str]) -> Iterator[Group]:
    attempted = "looking up groups by name"
    short = [name for name in names if len(name) <= LONGEST_EQUAL]
    filters = [f"displayName in ({','.join(names)})" for names in _chunks(map(_literal, short))]
    filters += [
        f"startswith(displayName,{_literal(name[:LONGEST_EQUAL])})"
        for name in names
        if len(name) > LONGEST_EQUAL
    ]
    paths = {text: _path(text) for text in filters}
    responses = client.batch(Version.V1, paths, attempted=attempted)
    for text in filters:
        yield from _groups(client, _success(client, responses[text], attempted), attempted)


def _chunks(literals: Iterable[str]) -> Iterator[list[str]]:
    """Put names together for one filter each, within both of Graph's limits."""
    chunk: list[str] = []
    length = 0
    for literal in literals:
        longer = len(quote(literal, safe="", errors="replace")) + len("%2C")
        if chunk and (len(chunk) == NAMES_PER_FILTER or length + longer > LONGEST_FILTER):
            yield chunk
            chunk, length = [], 0
        chunk.append(literal)
        length += longer
    if chunk:
        yield chunk


def _by_id(client: GraphClient, ids: Sequence[str]) -> Iterator[Group]:
    """Look groups up by id. What is no GUID is no group's id, and is not asked for."""
    attempted = "looking up groups by id"
    paths = {id: f"groups/{id}?{_SELECT}" for id in ids if is_guid(id)}
    responses = client.batch(Version.V1, paths, attempted=attempted)
    for id in paths:
        if responses[id].status != 404:
            yield _group(_success(client, responses[id], attempted), attempted)


def _nearby(client: GraphClient, names: Sequence[str]) -> dict[str, tuple[Group, ...]]:
    """Fetch groups that begin alike; suggestions are a kindness, so a failure is no error here."""
    attempted = "looking up similar group names"
    paths = {
        name: _path(f"startswith(displayName,{_literal(name[:_NEARBY_PREFIX])})")
        + f"&$top={_NEARBY_PAGE}"
        for name in names
    }
    responses = client.batch(Version.V1, paths, attempted=attempted)
    nearby: dict[str, tuple[Group, ...]] = {}
    for name in names:
        with contextlib.suppress(GraphError, TransientError):
            page = _success(client, responses[name], attempted)
            nearby[name] = tuple(_group(item, attempted) for item in items(page, attempted))
    return nearby


def _path(filter_text: str) -> str:
    return f"groups?$filter={quote(filter_text, safe='', errors='replace')}&{_SELECT}"


def _literal(name: str) -> str:
    """Write an OData string; a quote inside is doubled."""
    return "'" + name.replace("'", "''") + "'"


def _success(client: GraphClient, response: GraphResponse, attempted: str) -> Mapping[str, Any]:
    client.transport.raise_for(response, attempted)
    return object_of(response, attempted)


def _groups(client: GraphClient, page: Mapping[str, Any], attempted: str) -> Iterator[Group]:
    """Read groups that a filter on names found. Raises `GraphError` for one without a name.

    Graph then knows the name and does not show it, so every name would seem to be missing.
    """
    link = next_link(page, attempted)
    rest = client.follow(link, attempted=attempted) if link is not None else ()
    for item in (*items(page, attempted), *rest):
        group = _group(item, attempted)
        if not group.name:
            raise GraphError(
                f"Graph shows the group {group.id} without its name: the permission "
                "GroupMember.Read.All is missing (`reconciler doctor` tells which are there)",
                attempted=attempted,
                code="NameNotShown",
            )
        yield group


def _group(item: Mapping[str, Any], attempted: str) -> Group:
    return wire.group(wire.parse(wire.GroupItem, item, attempted))
