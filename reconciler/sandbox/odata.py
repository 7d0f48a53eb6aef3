"""OData query options: which a route takes, what they select, and pages with absolute next links. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from reconciler.sandbox.errors import bad_request

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from reconciler.sandbox.checks import JsonObject

_NOT_IN_BRACKETS = re.compile(r",(?![^(]*\))")
_KEPT_WITHOUT_METADATA = ("@odata.nextLink", "@odata.count")


@dataclass(frozen=True, slots=True)
class Options:
    """The query options of one request, checked against what its route takes."""

    values: Mapping[str, str]

    @classmethod
    def parse(cls, pairs: Sequence[tuple[str, str]], allowed: Collection[str]) -> Options:
        """Take the decoded pairs of a query; Refusal for an option that is unknown, repeated or empty."""
        values: dict[str, str] = {}
        for name, value in pairs:
            if name not in allowed:
                raise bad_request(f"The query option '{name}' is not supported here.")
            if name in values:
                raise bad_request(f"The query option '{name}' may appear only once.")
            if not value:
                raise bad_request(f"The query option '{name}' has no value.")
            values[name] = value
        return cls(values)

    def expanded(self, *allowed: str) -> frozenset[str]:
        """What comes along; Refusal for an expansion that the route does not take."""
        items = _NOT_IN_BRACKETS.split(self.values.get("$expand", ""))
        names = frozenset(item.strip() for item in items) - {""}
        for name in sorted(names.difference(allowed)):
            raise bad_request(f"Parsing OData Select and Expand failed: could not expand '{name}'.")
        return names

    @property
    def selected(self) -> tuple[str, ...] | None:
        """The selected properties, or None for all."""
        select = self.values.get("$select")
        return None if select is None else tuple(name.strip() for name in select.split(","))


def project(
    entity: JsonObject, options: Options, known: Collection[str], type_name: str
) -> JsonObject:
    """The entity with the selected properties; Refusal for one that its type does not have."""
    selected = options.selected
    if selected is None:
        return entity
    # An annotation stays: a derived type is named whatever is selected.
    result = {key: value for key, value in entity.items() if "@" in key}
    for name in selected:
        if name not in known:
            raise bad_request(
                f"Parsing OData Select and Expand failed: Could not find a property named '{name}' on type '{type_name}'."
            )
        result[name] = entity.get(name)
    return result


@dataclass(frozen=True, slots=True)
class Page:
    """Where a page starts and ends, and the token of the next one."""

    start: int
    stop: int
    next_token: str | None


def page(options: Options, total: int, page_size: int) -> Page:
    """The asked-for page; a `$top` above the service's own page size does not lift it."""
    size = page_size
    top = options.values.get("$top")
    if top is not None:
        if not (top.isascii() and top.isdigit()) or int(top) == 0:
            raise bad_request(f"Invalid value '{top}' for $top query option found.")
        size = min(int(top), page_size)
    token = options.values.get("$skiptoken")
    start = 0 if token is None else _read_token(token)
    stop = min(start + size, total)
    return Page(start, stop, _write_token(stop) if stop < total else None)


def next_link(url: str, options: Options, token: str) -> str:
    """The absolute address of the next page, with the options of this one."""
    values = {**options.values, "$skiptoken": token}
    query = "&".join(
        f"{quote(name, safe='$')}={quote(value, safe='$,()')}" for name, value in values.items()
    )
    return f"{url}?{query}"


def without_metadata(value: object) -> object:
    """What is left at `odata.metadata=none`: no annotation but those that page and count ([D] section 4)."""
    if isinstance(value, dict):
        kept = {
            key: part
            for key, part in value.items()
            if "@odata." not in key or key in _KEPT_WITHOUT_METADATA
        }
        return {key: without_metadata(part) for key, part in kept.items()}
    if isinstance(value, list):
        return [without_metadata(part) for part in value]
    return value


def _write_token(start: int) -> str:
    return base64.urlsafe_b64encode(f"from:{start}".encode()).decode().rstrip("=")


def _read_token(token: str) -> int:
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        text = ""
    prefix, _, start = text.partition(":")
    if prefix != "from" or not start.isdigit():
        raise bad_request("Skip token is not valid.")
    return int(start)
