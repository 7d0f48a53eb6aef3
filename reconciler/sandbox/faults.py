"""Planned faults: what the sandbox does wrong on purpose, to which request and how often. Reads a file on request."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from reconciler.sandbox.json_file import read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


class FaultKind(StrEnum):
    """What goes wrong."""

    STATUS = "status"
    """An error status instead of an answer; nothing is committed unless `after` is set."""
    BATCH_STATUS = "batch_status"
    """The same for one entry inside `$batch`; `path` is searched in the version and the entry's url."""
    RESET_BEFORE = "reset_before"
    """The connection drops before the request is carried out."""
    RESET_AFTER = "reset_after"
    """The request is carried out, then the connection drops."""
    TRUNCATED = "truncated"
    """The request is carried out; half of the announced body arrives."""
    HTML = "html"
    """A proxy's page instead of JSON; nothing is committed unless `after` is set."""
    EXPIRED_TOKEN = "expired_token"  # noqa: S105 - the name of a fault
    """The bearer token in use is refused from now on."""
    SLOW = "slow"
    """The answer takes `seconds` longer."""
    STALE_READS = "stale_reads"
    """After the write is committed, the next `reads` readings of that policy show the set before it."""
    LAGGING_READS = "lagging_reads"
    """A reading of a policy's assignments shows an older state, by whatever route it is read.

    The state is the one `behind` changes ago (1 unless said; further back than the tenant file: no
    assignments at all), without the assignments whose id `lacks` is found in. With `lacks` alone it
    is the state of now without them. `path` is searched in the address of the policy's assignments,
    `/beta/deviceManagement/FAMILY/POLICY-ID/assignments`; `times` counts readings.
    """
    SHORT_PAGES = "short_pages"
    """A policy's assignments come in pages of `size`; `path` and `times` as for `lagging_reads`.

    Once the first page is delivered, somebody else takes away the assignments whose id `removes` is
    found in, so that the second page starts too late and passes over others.
    """
    SWAPPED_ANSWER = "swapped_answer"
    """The answer belongs to another request: to a GET of `of`, or else to the reading before this one.

    A write is carried out first. In a `$batch`, an entry's answer is swapped where `path` fits it.
    """
    BODY = "body"
    """The body is `text` as it stands, with the status `code` (200 unless said).

    With `find`, the request is carried out, and every part of its answer that `find` fits becomes `text`.
    Without it, nothing is committed unless `after` is set.
    """


_TAKES: Mapping[FaultKind, frozenset[str]] = {
    FaultKind.STATUS: frozenset(
        {"code", "retry_after", "error_code", "message", "intune", "after"}
    ),
    FaultKind.BATCH_STATUS: frozenset({"code", "retry_after", "error_code", "message", "intune"}),
    FaultKind.RESET_BEFORE: frozenset(),
    FaultKind.RESET_AFTER: frozenset(),
    FaultKind.TRUNCATED: frozenset(),
    FaultKind.HTML: frozenset({"code", "after"}),
    FaultKind.EXPIRED_TOKEN: frozenset(),
    FaultKind.SLOW: frozenset({"seconds"}),
    FaultKind.STALE_READS: frozenset({"reads"}),
    FaultKind.LAGGING_READS: frozenset({"behind", "lacks"}),
    FaultKind.SHORT_PAGES: frozenset({"size", "removes"}),
    FaultKind.SWAPPED_ANSWER: frozenset({"of"}),
    FaultKind.BODY: frozenset({"code", "text", "find", "after"}),
}
_NEEDS: Mapping[FaultKind, str] = {
    FaultKind.STATUS: "code",
    FaultKind.BATCH_STATUS: "code",
    FaultKind.SLOW: "seconds",
    FaultKind.STALE_READS: "reads",
    FaultKind.SHORT_PAGES: "size",
    FaultKind.BODY: "text",
}
_SELECTORS = frozenset({"kind", "method", "path", "times", "skip"})
_MATCHED_LATER = frozenset(
    {
        FaultKind.BATCH_STATUS,
        FaultKind.STALE_READS,
        FaultKind.LAGGING_READS,
        FaultKind.SHORT_PAGES,
    }
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One planned fault. Which parameters it takes depends on its kind; others are refused."""

    kind: str
    method: str | None = None
    path: str | None = None
    """A regular expression searched in the decoded path and query, version included."""
    times: int | None = 1
    """How many requests it hits; None is every one."""
    skip: int = 0
    """How many matching requests pass first."""
    code: int | None = None
    """The HTTP status."""
    retry_after: str | None = None
    """The raw Retry-After header; None leaves it out, as Intune often does ([O] section 7)."""
    error_code: str | None = None
    message: str | None = None
    intune: bool = False
    """Wrap the message in JSON in a string, as Intune does ([O] section 7)."""
    after: bool = False
    """Carry the request out first."""
    seconds: float | None = None
    reads: int | None = None
    behind: int | None = None
    """How many changes of the policy's set a reading misses."""
    lacks: str | None = None
    """A regular expression searched in assignment ids."""
    size: int | None = None
    """Assignments a page."""
    removes: str | None = None
    """A regular expression searched in assignment ids."""
    of: str | None = None
    """Path and query, version included, of the request whose answer comes."""
    text: str | None = None
    find: str | None = None
    """A regular expression searched in the body of the answer."""

    def __post_init__(self) -> None:
        """Refuse a fault whose parameters do not fit its kind."""
        if self.kind not in set(FaultKind):
            raise ValueError(f"unknown kind of fault {self.kind!r}; known: {', '.join(FaultKind)}")
        kind = FaultKind(self.kind)
        for field in fields(self):
            foreign = field.name not in _SELECTORS | _TAKES[kind]
            if foreign and getattr(self, field.name) != field.default:
                raise ValueError(f"a fault of kind {kind} takes no {field.name!r}")
        for name in ("times", "skip", "code", "reads", "behind", "size"):
            number = getattr(self, name)
            if number is not None and (type(number) is not int or number < 0):
                raise ValueError(f"{name!r} must be a whole number and not {number!r}")
        needed = _NEEDS.get(kind)
        if needed is not None and getattr(self, needed) is None:
            raise ValueError(f"a fault of kind {kind} needs {needed!r}")
        if self.size == 0:
            raise ValueError("a page holds at least one entry")
        for pattern in (self.path, self.lacks, self.removes, self.find):
            if pattern is not None:
                _check_pattern(pattern)

    def matches(self, method: str, path: str) -> bool:
        """Whether the request is one that this fault is meant for."""
        if self.method is not None and self.method.upper() != method.upper():
            return False
        return self.path is None or re.search(self.path, path) is not None


def _check_pattern(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error


@dataclass(slots=True)
class _Countdown:
    fault: Fault
    skip: int
    times: int | None

    def hit(self) -> bool:
        """Count one matching request; whether the fault strikes."""
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None:
            if self.times <= 0:
                return False
            self.times -= 1
        return True


class Faults:
    """The faults still to come, in order. Safe between threads.

    A request is offered to the faults one after the other; the first that strikes ends the offer,
    so a later fault does not see it, nor count it as skipped.
    """

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._countdowns = [_Countdown(fault, fault.skip, fault.times) for fault in faults]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a JSON list of faults; ValueError names the file and the entry that is wrong."""
        document = read_json(path)
        if not isinstance(document, list):
            raise ValueError(f"{path}: a list of faults is expected")  # noqa: TRY004 - a mistake in a file, not in the code
        return cls(
            _parse(entry, f"{path}: fault {number}")
            for number, entry in enumerate(document, start=1)
        )

    def add(self, fault: Fault) -> None:
        """Plan one more, after those there are."""
        with self._lock:
            self._countdowns.append(_Countdown(fault, fault.skip, fault.times))

    def take(self, method: str, path: str, *kinds: FaultKind) -> Fault | None:
        """The fault of one of `kinds` that strikes this request, if any; without kinds, one for a whole request."""
        with self._lock:
            for countdown in self._countdowns:
                fault = countdown.fault
                wanted = fault.kind in kinds if kinds else fault.kind not in _MATCHED_LATER
                if wanted and fault.matches(method, path) and countdown.hit():
                    return fault
        return None

    @property
    def are_spent(self) -> bool:
        """Whether every fault with a limit has struck as often as planned."""
        with self._lock:
            return all(
                countdown.times is None or countdown.times == 0 for countdown in self._countdowns
            )


def _parse(entry: Any, where: str) -> Fault:
    if not isinstance(entry, dict):
        raise ValueError(f"{where}: an object is expected")  # noqa: TRY004 - a mistake in a file, not in the code
    known = [field.name for field in fields(Fault)]
    strange = [name for name in entry if name not in known]
    if strange:
        raise ValueError(f'{where}: unknown field "{strange[0]}"; known: {", ".join(known)}')
    if "kind" not in entry:
        raise ValueError(f'{where}: "kind" is missing; known: {", ".join(FaultKind)}')
    try:
        return Fault(**entry)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from error
