"""What all JSON documents share: encoding, kind, version, checksum. No I/O."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from reconciler.model.errors import PlanFileError
from reconciler.model.nesting import is_nested_deeper
from reconciler.model.text import escape_json

FORMAT_VERSION = "1.0"

_MAX_DEPTH = 100
"""Levels: more than a document with the deepest value of Graph in it has."""


class Kind(StrEnum):
    """What a document is; the spelling is that of its ``kind``."""

    PLAN = "plan"
    RESULT = "result"
    VALIDATION = "validation"
    FAILURE = "failure"
    SNAPSHOT = "snapshot"


_TITLES = {
    Kind.PLAN: "a plan",
    Kind.RESULT: "the result of an apply",
    Kind.VALIDATION: "the result of validate",
    Kind.FAILURE: "the failure of a command",
    Kind.SNAPSHOT: "a snapshot of a tenant",
}


def decode(content: bytes, *, source: str) -> str:
    """Decode a document's file: UTF-8 or UTF-16, as PowerShell's ``>`` writes it.

    Raises `PlanFileError`; ``source`` names the file in it.
    """
    try:
        return content.decode(json.detect_encoding(content))
    except UnicodeDecodeError:
        raise PlanFileError(
            f"{source} is not a plan: it is neither UTF-8 nor UTF-16 text"
        ) from None


def parse(text: str, *, source: str) -> dict[str, Any]:
    """Read the JSON of a document of reconciler, whatever its kind and version.

    Raises `PlanFileError`; ``source`` names the file in it.
    """
    try:
        document = json.loads(text)
        is_too_deep = is_nested_deeper(document, _MAX_DEPTH)
    except json.JSONDecodeError as broken:
        place = f"line {broken.lineno}, column {broken.colno}"
        raise PlanFileError(
            f"{source} is not a plan: it is not JSON, or was cut off ({place})"
        ) from None
    except ValueError:
        raise PlanFileError(f"{source} is not a plan: a number in it is too long") from None
    except RecursionError:
        is_too_deep = True
    if is_too_deep:
        raise PlanFileError(f"{source} is not a plan: it is nested too deep")
    if not isinstance(document, dict) or "format_version" not in document:
        raise PlanFileError(
            f"{source} is not a plan of reconciler; a plan is made with: "
            "reconciler plan --out plan.json"
        )
    return document


def kind_of(document: Mapping[str, Any], *, source: str) -> Kind:
    """The kind of a parsed document, whose format this release can read.

    Raises `PlanFileError` for a document of another program, or of a format of a later release.
    """
    kind = next((each for each in Kind if each.value == document.get("kind")), None)
    version = str(document.get("format_version"))
    if version.partition(".")[0] != FORMAT_VERSION.partition(".")[0]:
        raise PlanFileError(
            f"{source} has {kind or Kind.PLAN} format {version}, and this release reads "
            f"{FORMAT_VERSION}; make a new one, or use the release that made it"
        )
    if kind is None:
        raise PlanFileError(
            f'{source} is not a plan of reconciler that this release reads: its "kind" is none of '
            f"{', '.join(Kind)}; make a new plan"
        )
    return kind


def expect_kind(document: Mapping[str, Any], expected: Kind, *, source: str) -> None:
    """Raise `PlanFileError` where a parsed document is not of the kind that is needed."""
    kind = kind_of(document, source=source)
    if kind is not expected:
        raise PlanFileError(f"{source} is {_TITLES[kind]}, not {_TITLES[expected]}")


@dataclass(frozen=True, slots=True)
class LongList:
    """A list with an entry for each policy or assignment: each entry is made when it is written.

    All of them at once, as values and as text, would take ten times the memory of the plan.
    """

    make: Callable[[], Iterator[dict[str, Any]]]
    """Gives the entries from the first one on, as often as it is called."""


def checksum(document: Mapping[str, Any]) -> str:
    """Hash a document's canonical JSON without its ``checksum``; every other member counts."""
    digest = hashlib.sha256()
    for part in _canonical_parts({k: v for k, v in document.items() if k != "checksum"}):
        digest.update(part.encode())
    return f"sha256:{digest.hexdigest()}"


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_READABLE = json.JSONEncoder(indent=2, ensure_ascii=False)
_ON_ONE_LINE = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def _canonical_parts(value: object) -> Iterator[str]:
    """Canonical JSON (keys sorted, no blanks) piece by piece; lists entry by entry."""
    if isinstance(value, list | LongList):
        entries = value.make() if isinstance(value, LongList) else value
        yield from _joined(map(_CANONICAL.encode, entries), "[", ",", "]")
    elif isinstance(value, dict):
        yield "{"
        for number, key in enumerate(sorted(value)):
            yield f"{',' if number else ''}{_CANONICAL.encode(key)}:"
            yield from _canonical_parts(value[key])
        yield "}"
    else:
        yield _CANONICAL.encode(value)


def _joined(texts: Iterable[str], start: str, between: str, end: str) -> Iterator[str]:
    yield start
    for number, text in enumerate(texts):
        yield f"{between}{text}" if number else text
    yield end


def json_parts(document: Mapping[str, Any]) -> Iterator[str]:
    """Write a document as JSON text, piece by piece, with a final newline; harmless on a terminal.

    An entry of a `LongList` takes one line.
    """
    yield from _readable_parts(document, "")
    yield "\n"


def _readable_parts(value: object, indent: str) -> Iterator[str]:
    deeper = f"{indent}  "
    if isinstance(value, LongList):
        lines = (f"\n{deeper}{escape_json(_ON_ONE_LINE.encode(entry))}" for entry in value.make())
        yield from _joined(lines, "[", ",", f"\n{indent}]")
    elif isinstance(value, dict) and _holds_long_list(value):
        for number, (key, each) in enumerate(value.items()):
            yield f"{',' if number else '{'}\n{deeper}{_READABLE.encode(key)}: "
            yield from _readable_parts(each, deeper)
        yield f"\n{indent}}}"
    else:
        yield escape_json(_READABLE.encode(value)).replace("\n", f"\n{indent}")


def _holds_long_list(value: Mapping[str, Any]) -> bool:
    return any(
        isinstance(each, LongList) or (isinstance(each, dict) and _holds_long_list(each))
        for each in value.values()
    )


def unreadable(source: str, kind: Kind, why: Exception) -> PlanFileError:
    """Make the error for a document that has the right kind and the wrong contents."""
    reason = str(why)
    if isinstance(why, ValidationError):
        reason = ".".join(str(part) for part in why.errors()[0]["loc"])
    return PlanFileError(
        f"{source} is not {_TITLES[kind]} that this release can read ({reason}); make a new {kind}"
    )


def schema_of(model: dict[str, Any], kind: Kind) -> dict[str, Any]:
    """Complete a JSON Schema that pydantic made."""
    return model | {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"reconciler {kind}",
    }
