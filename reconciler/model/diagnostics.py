"""Errors and warnings as values: collected, sorted, shown all at once. Pure.

``help`` says how to fix what is wrong. It never points to a target that reaches more, to a higher limit
or to the removal of an assignment or exclusion: people follow it without a second look.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Severity(StrEnum):
    """An error keeps a policy from being planned; a warning informs."""

    ERROR = "error"
    WARNING = "warning"


class Location(NamedTuple):
    """A place in a file of the desired state; places sort by file, line and column.

    ``file`` is relative to the tenant root, with forward slashes; ``line`` and ``column`` count
    from 1. ``text`` is the line itself, for showing it under the message, and "" where unknown.

    A named tuple, as every line of a root has one or more: a frozen dataclass takes about three times
    as long to make and to hash.
    """

    file: str
    line: int
    column: int
    text: str = ""

    def __str__(self) -> str:
        """Write it the way editors and terminals make clickable."""
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """An error or a warning: a stable ``code`` to search for, what is wrong, where, and how to fix it.

    ``policy`` names the policy concerned where there is one.
    """

    severity: Severity
    code: str
    message: str
    location: Location | None = None
    help: str = ""
    policy: str = ""

    @property
    def is_error(self) -> bool:
        """Whether it keeps something from being planned."""
        return self.severity is Severity.ERROR


def error(
    code: str, message: str, location: Location | None = None, *, help: str = "", policy: str = ""
) -> Diagnostic:
    """Make a diagnostic that keeps its subject from being planned."""
    return Diagnostic(Severity.ERROR, code, message, location, help, policy)


def warning(
    code: str, message: str, location: Location | None = None, *, help: str = "", policy: str = ""
) -> Diagnostic:
    """Make a diagnostic that informs."""
    return Diagnostic(Severity.WARNING, code, message, location, help, policy)


ONE_SIDE = "write it under exclude if it must not get the policy, under include if it must"
"""Help for a group that is included and excluded on one policy."""


KEEP_ONE_LINE = "keep the line that is meant"
"""Help for a target that a policy declares and removes."""


def contradicts_default(line: Location, default: Location, policy: str) -> Diagnostic:
    """The error for a line about a group that ``defaults.exclude`` excludes from every policy."""
    return error(
        "default-exclusion",
        f"defaults.exclude excludes this group from every policy of this root ({default})",
        line,
        help="for Intune an exclusion wins: remove this line, unless the policy is meant to be without "
        "the defaults (defaults: false)",
        policy=policy,
    )


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether any of them is an error."""
    return any(diagnostic.is_error for diagnostic in diagnostics)


def sort_diagnostics(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Sort by place, those without a place first, and drop exact repeats."""
    unique = dict.fromkeys(diagnostics)
    return tuple(
        sorted(
            unique,
            key=lambda d: (
                d.location is not None,
                (d.location.file, d.location.line, d.location.column) if d.location else (),
                d.severity,
                d.code,
                d.message,
            ),
        )
    )
