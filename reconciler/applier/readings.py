"""Whether a reading of a policy can be believed, by what was seen there before. Pure.

Terms. A *reading* is one complete list of a policy's assignments, as Graph shows it. The *history* of a
policy is everything that the plan and the readings of this run have shown there.

Premise. Graph is eventually consistent, and has no version or ETag that would tell an old reading
from a new one. A reading may come from a replica that lags: it lacks what a colleague, or our own
last run, added a moment ago. ``assign`` replaces the whole set, so merging on such a reading
removes what it does not show.

The obvious way, to believe the reading directly before the write because it is the latest, fails
for that reason: latest to arrive is not latest in the tenant.

Rule. A reading *contradicts* the history where it

- lacks an assignment that was seen, or shows it with another filter or other properties, unless
  the plan removes it, or changes that filter;
- lacks an assignment of a policy set that was seen;
- shows again what this run removed, or an old filter that this run changed, after that was seen.

A contradiction may be lag, or somebody's edit. Nobody can tell which, so the caller reads again,
and does not write the policy while it lasts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconciler.applier.merge import has_same_properties
from reconciler.differ.compare import split
from reconciler.model.errors import ReconcilerError
from reconciler.model.plan import Change, Delete, Key, PolicyPlan, Update, key_of
from reconciler.model.state import Assignment, LivePolicy, Moment, Target
from reconciler.model.wording import describe_filter, describe_target


@dataclass(frozen=True, slots=True)
class Reading:
    """One complete reading of a policy.

    ``direct`` holds what was made on the policy itself, ``inherited`` everything else, both by
    identity. ``read_at`` is the moment directly before the request went out.
    """

    assignments: tuple[Assignment, ...]
    direct: Mapping[Key, Assignment]
    inherited: Mapping[Key, Sequence[Assignment]]
    read_at: Moment | None

    @classmethod
    def of(cls, live: LivePolicy) -> Reading:
        """Sort a policy's assignments. Raises `ReconcilerError` where two cannot be told apart."""
        direct, inherited, duplicates = split(live.policy, live.assignments)
        if duplicates:
            raise ReconcilerError(f"{duplicates[0].message}; {duplicates[0].help}")
        return cls(live.assignments, direct, inherited, live.read_at)


@dataclass(frozen=True, slots=True)
class Contradiction:
    """One thing in a reading that does not fit what was seen before.

    ``is_declared`` says that the desired state declares this assignment, and the reading does not
    show it as declared.
    """

    target: Target
    what: str
    is_declared: bool = False

    def __str__(self) -> str:
        """Name the target and what is odd about it."""
        return f"{describe_target(self.target)} {self.what}"


class History:
    """What the plan and the readings of this run have shown of one policy."""

    def __init__(self, plan: PolicyPlan) -> None:
        self._changes: dict[Key, Change] = {key_of(each.target): each for each in plan.changes}
        self._declared = {key_of(keep.assignment.target) for keep in plan.kept}
        self._covered = {
            key_of(each.assignment.target)
            for each in plan.inherited
            if each.declared_at is not None
        }
        self._direct: dict[Key, Assignment] = {}
        self._inherited: Counter[tuple[Key, str]] = Counter()
        self._targets: dict[Key, Target] = {}
        self._confirmed: set[Key] = set()
        self._note(plan.live)

    def add(self, reading: Reading, confirmed: Iterable[Change]) -> None:
        """Take in a reading. ``confirmed`` are the changes that this run sent and the reading shows.

        A believed reading and a doubtful one count alike: what either showed must not be lost.
        """
        self._note(reading.assignments)
        for change in confirmed:
            key = key_of(change.target)
            self._confirmed.add(key)
            if key in reading.direct:
                self._direct[key] = reading.direct[key]

    def _note(self, assignments: Iterable[Assignment]) -> None:
        found = list(assignments)
        for assignment in found:
            key = key_of(assignment.target)
            self._targets.setdefault(key, assignment.target)
            if assignment.is_direct:
                self._direct.setdefault(key, assignment)
        self._inherited |= _count_inherited(found)

    def contradictions(self, reading: Reading) -> tuple[Contradiction, ...]:
        """Name everything in a reading that does not fit the history, in order of target."""
        found = [*self._of_direct(reading), *self._of_inherited(reading)]
        return tuple(sorted(found, key=lambda each: each.target.sort_key))

    def _of_direct(self, reading: Reading) -> Iterator[Contradiction]:
        for key, was in self._direct.items():
            now = reading.direct.get(key)
            change = self._changes.get(key)
            if isinstance(change, Delete):
                if now is not None and key in self._confirmed:
                    yield Contradiction(was.target, "is assigned again", is_declared=True)
                continue
            what = _difference(was, now, change, is_confirmed=key in self._confirmed)
            if what is not None:
                yield Contradiction(was.target, what, self._is_missed(key, reading))

    def _of_inherited(self, reading: Reading) -> Iterator[Contradiction]:
        gone = self._inherited - _count_inherited(reading.assignments)
        for key in {key for key, _ in gone}:
            is_declared = key in self._covered and key not in reading.direct
            what = "is no longer assigned by a policy set"
            yield Contradiction(self._targets[key], what, is_declared)

    def _is_missed(self, key: Key, reading: Reading) -> bool:
        """Whether the desired state wants what is not as it was; a policy set may stand in."""
        is_covered = key not in reading.direct and key in reading.inherited
        is_wanted = key in self._declared or key in self._changes
        return is_wanted and not (is_covered and self._direct[key].filter is None)


def _difference(
    was: Assignment, now: Assignment | None, change: Change | None, *, is_confirmed: bool
) -> str | None:
    if now is None:
        return "is no longer assigned"
    # The filter of an update in flight may be the old or the new one; a third is for `judge` to tell.
    is_in_flight = isinstance(change, Update) and not is_confirmed
    if was.filter != now.filter and not is_in_flight:
        return f"is assigned with another filter ({describe_filter(now.filter)})"
    return None if has_same_properties(was, now) else "has other properties"


def _count_inherited(assignments: Iterable[Assignment]) -> Counter[tuple[Key, str]]:
    """Count by identity and source: the id of such an assignment is Graph's own and may change."""
    return Counter(
        (key_of(found.target), found.source.casefold())
        for found in assignments
        if not found.is_direct
    )
