"""Take one part of a tenant file as what it must be; ValueError says where it is not. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

JsonObject = dict[str, Any]
"""One JSON object in Graph's own words; what the sandbox does not know is kept."""

_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def is_guid(text: object) -> bool:
    """Whether the value is a GUID in the form that Graph writes."""
    return isinstance(text, str) and _GUID.fullmatch(text) is not None


def object_at(value: object, where: str) -> JsonObject:
    """The value, which must be an object."""
    if not isinstance(value, dict):
        raise ValueError(f"{where} must be an object")  # noqa: TRY004 - a mistake in a file
    return value


def text_at(owner: JsonObject, key: str, where: str) -> str:
    """The string behind `key`, which must be there and not empty."""
    value = owner.get(key)
    if not isinstance(value, str) or not value:
        raise ValueError(
            f"{where}.{key} must be a string that is not empty"
            if key in owner
            else f"{where}.{key} is missing"
        )
    return value


def guid_at(owner: JsonObject, key: str, where: str) -> str:
    """The GUID behind `key`, which must be there."""
    value = text_at(owner, key, where)
    if not is_guid(value):
        raise ValueError(f"{where}.{key}: {value!r} is not a GUID")
    return value


def moment_at(owner: JsonObject, key: str, where: str) -> None:
    """Check that a time with its zone stands behind `key`."""
    text = text_at(owner, key, where)
    try:
        has_zone = datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        has_zone = False
    if not has_zone:
        raise ValueError(f"{where}.{key}: {text!r} is not a time with its zone")


def entries_at(owner: JsonObject, key: str, where: str) -> Iterator[tuple[JsonObject, str]]:
    """Each object of the list behind `key`, with its place; the list itself is called `where`."""
    value = owner[key]
    if not isinstance(value, list):
        raise ValueError(f"{where} must be a list")  # noqa: TRY004 - a mistake in a file
    for index, entry in enumerate(value):
        yield object_at(entry, f"{where}[{index}]"), f"{where}[{index}]"


def check_number(value: object, where: str, *, at_most: int | None = None) -> None:
    """Check that the value is a whole number from 0."""
    if type(value) is not int or value < 0 or (at_most is not None and value > at_most):
        limit = "" if at_most is None else f" to {at_most}"
        raise ValueError(f"{where} must be a whole number from 0{limit}")


def check_flag(value: object, where: str) -> None:
    """Check that the value is true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{where} must be true or false")  # noqa: TRY004 - a mistake in a file


def check_choices(value: object, where: str, choices: Collection[str]) -> None:
    """Check that the value is a list of some of `choices`."""
    if not isinstance(value, list) or any(one not in choices for one in value):
        raise ValueError(f"{where} must be a list of {', '.join(choices)}")
