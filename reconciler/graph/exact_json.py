"""JSON that goes back as it came: no number loses a digit. Pure: no I/O.

A float holds about 17 digits, so 0.12345678901234567890 would come back changed. What a float cannot
hold is read as a `Decimal`, and written with all its digits again.
"""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from reconciler.model.nesting import is_nested_deeper

_MAX_DEPTH = 50
"""Levels. Graph's own JSON has about ten."""


def loads(content: bytes | str) -> Any:
    """Read JSON. Raises `ValueError` for what is not JSON (NaN, for one), or is nested too deeply."""
    try:
        value = json.loads(content, parse_float=_number, parse_constant=_no_constant)
        is_too_deep = is_nested_deeper(value, _MAX_DEPTH)
    except RecursionError:
        is_too_deep = True
    if is_too_deep:
        raise ValueError("the JSON is nested too deeply")
    return value


def dumps(value: object, *, sort_keys: bool = False, ensure_ascii: bool = True) -> str:
    """Write JSON without blanks. Raises `ValueError` for NaN and infinities."""
    try:
        return _encoder(sort_keys, ensure_ascii).encode(value)
    except TypeError:  # a Decimal, which json does not write
        return _written(value, sort_keys=sort_keys, ensure_ascii=ensure_ascii)


@cache
def _encoder(sort_keys: bool, ensure_ascii: bool) -> json.JSONEncoder:
    """`json.dumps` would make one for each call, and a tenant has a call for each assignment."""
    return json.JSONEncoder(
        sort_keys=sort_keys,
        ensure_ascii=ensure_ascii,
        separators=(",", ":"),
        allow_nan=False,
    )


def _number(text: str) -> float | Decimal:
    number = float(text)
    try:
        exact = Decimal(text)
    except InvalidOperation:
        raise ValueError("the JSON holds a number that is out of every range") from None
    return number if Decimal(repr(number)) == exact else exact


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _written(value: object, *, sort_keys: bool, ensure_ascii: bool) -> str:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        names = sorted(value) if sort_keys else value
        members = (
            f"{json.dumps(name, ensure_ascii=ensure_ascii)}:"
            f"{_written(value[name], sort_keys=sort_keys, ensure_ascii=ensure_ascii)}"
            for name in names
        )
        return f"{{{','.join(members)}}}"
    if isinstance(value, list | tuple):
        entries = (
            _written(entry, sort_keys=sort_keys, ensure_ascii=ensure_ascii) for entry in value
        )
        return f"[{','.join(entries)}]"
    return json.dumps(value, ensure_ascii=ensure_ascii, allow_nan=False)
