"""Carry out one policy's part of a plan. Does I/O through `reconciler.model.ports`.

Terms. A *reading* is one complete list of the policy's assignments. A change is *judged* by a
reading: to do, done, or in conflict with somebody's edit. It is *sent* once its request went out
without a clear refusal, *confirmed* once a reading shows it, and *in doubt* in between.

Premise. Graph has no ETag, and its readings may lag behind its writes. So nothing here trusts one
response: a write rests on a reading that was just made and that fits everything seen before, and it
counts only once a later reading shows it. One round trip lies between reading and writing. What
falls into it and can be seen afterwards is named in the outcome.

Algorithm, the loop of `PolicyRun`:

    wait                      for all there is to wait for: our turn, a token, an approval's state
    read the policy           again while the reading contradicts what was seen, or leaves a doubt
    judge each change         done: skip it;  conflict: somebody touched what we change, end
    nothing left to do        then it is settled
    still contradictory       end as stale: a whole-set write could remove what is not shown
    write what is left        one request, merged on that very reading, while it is fresh
    no clear response         wait and begin again at the reading; never repeat a write blind
    accepted                  read until the change shows, or until a third state does, then judge

Every way round the loop is bounded: an unclear response, a fresh token and a reading that is too old
each have a number of tries, a missing route is met once per run, a code is tried once, and a 429
waits as long as the deadline allows.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from itertools import chain, repeat

from reconciler.applier.merge import (
    ChangeState,
    Judgement,
    ReadBackDifference,
    is_third_state,
    judge_all,
    read_back_differences,
)
from reconciler.applier.readings import Contradiction, History, Reading
from reconciler.applier.requests import (
    ApplyContext,
    Write,
    announce,
    next_write,
    record_refusal,
)
from reconciler.model.errors import (
    DeadlineError,
    GraphError,
    Interrupted,
    MultiAdminApprovalError,
    MultiAdminApprovalStatus,
    NotExecutedError,
    OutcomeUnknownError,
    ReconcilerError,
    RouteMissingError,
    StalePlanError,
    ThrottledError,
)
from reconciler.model.plan import Change, Key, PolicyPlan, key_of
from reconciler.model.result import PolicyOutcome, Status
from reconciler.model.state import LivePolicy, Moment
from reconciler.model.wording import Names, describe_change

READ_BACK_WAITS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
"""Seconds before each reading after a write; the last one repeats. Graph's delay has no bound."""

DOUBT_WAITS = (0.5, 1.0, 2.0, 4.0)
"""Seconds before each further reading, while one leaves a doubt about an unclear write."""

LAG_WAITS = (*DOUBT_WAITS, 8.0)
"""Seconds before each further reading, while one contradicts what was seen before."""

CONFLICT_READINGS = 5
"""Readings after a write that may show a third state before that is taken for somebody's edit."""

LONGEST_AGE = 5.0
"""Seconds from the request of a reading to the write that rests on it."""

FRESH_TRIES = 5
"""Readings that may grow too old in a row before the policy is given up on."""

WRITE_TRIES = 8
"""Maximum number of writes without a clear response. A 429 is clear, and does not count."""

WRITE_TRIES_TOLD_WHEN = 32
"""The same where Graph says each time when to come again."""

LOG = logging.getLogger("reconciler.applier")

LONG_WAIT = 5.0
"""Seconds after which a person begins to wonder, and is told."""

LAST_LOOK = 15.0
"""Seconds over the deadline for the one reading that tells how a write in flight went."""


class _AgedReadingError(NotExecutedError):
    """The reading is too old to write on; nothing was sent."""


@dataclass(slots=True)
class PolicyRun:
    """The course of one policy.

    ``history`` is what plan and readings have shown of it. ``sent`` holds every change that may
    have had an effect, by identity. ``judgements`` say how the latest reading judged the plan's
    changes, and ``contradictions`` what in it does not fit the history. ``refusal`` is Graph's last
    word on a write, and ends the run unless the next reading shows that all is done. ``unclear``,
    ``throttled`` and ``aged`` count tries since the last success.
    """

    plan: PolicyPlan
    context: ApplyContext
    history: History = field(init=False)
    sent: dict[Key, Change] = field(default_factory=dict)
    judgements: tuple[Judgement, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    request_id: str | None = None
    refusal: ReconcilerError | None = None
    unclear: int = 0
    throttled: int = 0
    aged: int = 0
    has_renewed: bool = False
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin with what the plan saw."""
        self.history = History(self.plan)

    def outcome(self) -> PolicyOutcome:
        """Run to the end, whatever that is; no failure of one policy gets out of here."""
        try:
            return self._run()
        except MultiAdminApprovalError as queued:
            return self._queued(queued)
        except (DeadlineError, Interrupted) as stopped:
            return self._stopped(stopped)
        except StalePlanError as stale:
            return self._ended(Status.STALE, str(stale))
        except GraphError as fault:
            self.request_id = fault.request_id or self.request_id
            return self._failed(str(fault))
        except ReconcilerError as fault:
            return self._failed(str(fault))
        except Exception as bug:  # noqa: BLE001 - a bug in one policy must not hide the others' outcome
            return self._failed(f"internal error ({type(bug).__name__}); please report it")

    def _run(self) -> PolicyOutcome:
        while True:
            self.context.multi_admin_approver.prepare(self.plan.policy)
            self.context.tenant.prepare_write()
            reading, is_believed = self._read_with_care()
            if (ended := self._nothing_to_write()) is not None:
                return ended
            if self.refusal is not None:
                raise self.refusal
            if not is_believed:
                raise self._stale_reading()
            sent = self._try(reading)
            if sent is not None:
                self._read_back(sent, reading)
                if (ended := self._nothing_to_write()) is not None:
                    return ended
                self.unclear = self.aged = 0

    def _read_with_care(self) -> tuple[Reading, bool]:
        """Read, and read again while one reading is not enough; tell whether to believe the last.

        After an unclear write one reading may lag behind it, and to write again on that would undo
        what somebody did after our first write. After a contradiction two readings in a row must
        fit: replicas take turns.
        """
        reading = self._read()
        fitting, needed = (0, 2) if self.contradictions else (1, 1)
        for number, wait in enumerate(LAG_WAITS):
            is_doubtful = self._in_doubt and number < len(DOUBT_WAITS)
            if fitting >= needed and not is_doubtful:
                break
            self.context.deadline.sleep(wait, "waiting for Graph's readings to agree")
            reading = self._read()
            fitting, needed = (0, 2) if self.contradictions else (fitting + 1, needed)
        return reading, fitting >= needed

    def _stale_reading(self) -> StalePlanError:
        what = "; ".join(map(str, self.contradictions))
        if not what:
            return StalePlanError(
                "Graph's readings do not agree, so it was not written; plan again"
            )
        return StalePlanError(
            f"not written, because Graph does not show what was seen before: {what}. Somebody "
            "changed it, or Graph's reading is out of date; plan again"
        )

    def _nothing_to_write(self) -> PolicyOutcome | None:
        """End where the latest reading leaves nothing to write, or forbids it."""
        conflicts = [v for v in self.judgements if v.state is ChangeState.CONFLICT]
        if conflicts:
            return self._conflicting(conflicts)
        return None if self._to_do else self._settled()

    def _try(self, reading: Reading) -> Write | None:
        """Write once. None means that it is for the next reading to tell how things stand.

        A refusal is kept until then: after an unclear response the write may have happened all the
        same, and then Graph refuses the repeat of what is already true.
        """
        write = next_write(self.plan.policy, self._to_do, reading, self.context)
        try:
            self._make(write, reading)
        except MultiAdminApprovalError:
            raise
        except GraphError as fault:
            self._take_in(fault, write)
            return None
        return write

    def _take_in(self, fault: GraphError, write: Write) -> None:
        """Wait, or count, as a write without success asks for; or keep it as Graph's last word."""
        match fault:
            case RouteMissingError():
                if write.create_place is None or not self.context.route.falls_back:
                    self.refusal = fault if write.replaces else _without_route(fault)
            case _AgedReadingError():
                self.aged += 1
                if self.aged >= FRESH_TRIES:
                    self.refusal = fault
            case NotExecutedError():
                self._count_renewal(fault)
            case ThrottledError():
                self.throttled += 1
                self._wait(fault, self.throttled)
            case OutcomeUnknownError():
                self.unclear += 1
                self._wait(fault, self.unclear)
                told_when = fault.retry_after is not None
                if self.unclear >= (WRITE_TRIES_TOLD_WHEN if told_when else WRITE_TRIES):
                    self.refusal = fault
            case _:
                self.refusal = fault

    def _count_renewal(self, hindered: NotExecutedError) -> None:
        """A fresh token is worth one repeat; an approval code that did not fit is not tried again."""
        if hindered.status == 401 and self.has_renewed:
            self.refusal = hindered
        self.has_renewed |= hindered.status == 401

    @property
    def _to_do(self) -> list[Change]:
        return [v.change for v in self.judgements if v.state is ChangeState.TO_DO]

    def _read(self) -> Reading:
        """Read the policy, and judge the plan's changes by what is there."""
        return self._take(self.context.tenant.read_policy(self.plan.policy))

    def _take(self, live: LivePolicy) -> Reading:
        reading = Reading.of(live)
        self.judgements = judge_all(self.plan.changes, reading.direct, reading.inherited)
        self.contradictions = self.history.contradictions(reading)
        self.history.add(reading, self._confirmed)
        return reading

    def _make(self, write: Write, reading: Reading) -> None:
        """Make one write between two lines of the journal.

        From the moment it is sent it counts as sent, until Graph itself says that it is refused.
        """
        policy, journal = self.plan.policy, self.context.journal
        announce(write, policy, reading.assignments, journal)
        before = dict(self.sent)
        self.sent |= {key_of(change.target): change for change in write.changes}
        try:
            with self._finding_the_route(write):
                self._refuse_aged(reading, write)
                receipt = self.context.multi_admin_approver.send(policy, write.encoded)
        except OutcomeUnknownError as unclear:
            journal.record("unknown", policy, error=str(unclear), request_id=unclear.request_id)
            raise
        except ReconcilerError as refused:
            self.sent = before
            try:
                record_refusal(refused, policy, journal)
            except ReconcilerError as fault:  # it must not hide an approval code
                self.context.faults.append(str(fault))
            raise
        self.request_id = receipt.request_id
        journal.record("accepted", policy, request_id=receipt.request_id)

    def _refuse_aged(self, reading: Reading, write: Write) -> None:
        """Raise where the machine slept, or the disk was slow, since the reading was asked for."""
        clock = self.context.clock
        now = Moment(clock.now(), clock.monotonic())
        if reading.read_at is not None and reading.read_at.age(now) > LONGEST_AGE:
            raise _AgedReadingError(
                f"the reading that it rests on was more than {LONGEST_AGE:.0f} s old each time, "
                "so nothing was sent; check the speed of the network and of the journal's disk",
                attempted=write.encoded.attempted,
            )

    def _finding_the_route(self, write: Write) -> AbstractContextManager[None]:
        place = write.create_place
        return nullcontext() if place is None else self.context.route.trying(place)

    def _wait(self, unclear: GraphError, tries: int) -> None:
        seconds = self.context.backoff.wait(tries, unclear.retry_after)
        level = logging.WARNING if seconds >= LONG_WAIT else logging.INFO
        LOG.log(level, "%s; reading it again in %.1f s", unclear, seconds)
        self.context.deadline.sleep(seconds, str(unclear))

    def _read_back(self, sent: Write, before: Reading) -> None:
        """Read until everything that was sent shows; lagging readings are expected on the way.

        Our own change is waited for until the deadline. A third state, neither that before the
        write nor that after it, is somebody's edit where it stays. What somebody else changed
        beside our change is named; where the request replaced the whole set it may be our doing,
        and is no success.
        """
        last, third_states = READ_BACK_WAITS[-1], 0
        for number, wait in enumerate(chain(READ_BACK_WAITS, repeat(last)), start=1):
            if wait:
                self.context.deadline.sleep(wait, "waiting for Graph to show the change")
            reading = self._read()
            if self._is_contradicted and number >= CONFLICT_READINGS:
                return
            found = read_back_differences(sent.expected, before.assignments, reading.assignments)
            if self._in_doubt:
                third_states += is_third_state(before.direct, sent.expected, reading.direct)
                if third_states >= CONFLICT_READINGS:
                    raise _overwritten(found)
                continue
            short = [each for each in found if sent.replaces and not each.is_extra]
            if not short:
                self.notes += [str(each) for each in found]
                return
            if number >= len(READ_BACK_WAITS):
                raise ReconcilerError(
                    "Graph accepted the write but does not show it as sent: "
                    f"{'; '.join(map(str, short))}; look at the policy, then plan again"
                )

    @property
    def _is_contradicted(self) -> bool:
        return any(judgement.state is ChangeState.CONFLICT for judgement in self.judgements)

    @property
    def _confirmed(self) -> tuple[Change, ...]:
        """What this run sent and the latest reading shows."""
        return tuple(
            judgement.change
            for judgement in self.judgements
            if judgement.state is ChangeState.DONE and key_of(judgement.change.target) in self.sent
        )

    @property
    def _in_doubt(self) -> bool:
        return len(self._confirmed) < len(self.sent)

    def _settled(self) -> PolicyOutcome:
        written = self._confirmed
        try:
            self.context.journal.record("settled", self.plan.policy, written=len(written))
        except ReconcilerError as fault:  # all is done and seen; only the last line is missing
            self.context.faults.append(str(fault))
        self.context.multi_admin_approver.forget(self.plan.policy)
        lost = [str(each) for each in self.contradictions if each.is_declared]
        if lost:
            return self._ended(
                Status.STALE,
                "somebody else changed what the plan saw as declared and there: "
                f"{'; '.join(lost)}; plan again",
            )
        return PolicyOutcome(
            self.plan.policy,
            Status.APPLIED if written else Status.ALREADY,
            self.plan.changes,
            written,
            request_id=self.request_id,
            notes=tuple(self.notes),
        )

    def _conflicting(self, conflicts: Sequence[Judgement]) -> PolicyOutcome:
        names = Names.of_changes(self.plan.changes)
        reasons = "; ".join(
            f"{describe_change(each.change, names)}: {each.reason}" for each in conflicts
        )
        left = "the rest of it was left" if self.sent else "it was left"
        return self._ended(
            Status.STALE, f"changed since it was planned, so {left} alone: {reasons}"
        )

    def _queued(self, queued: MultiAdminApprovalError) -> PolicyOutcome:
        """Report a write that waits as waiting, in words that do not read as a failure."""
        is_pending = queued.approval_status is MultiAdminApprovalStatus.PENDING
        return PolicyOutcome(
            self.plan.policy,
            Status.PENDING_APPROVAL if is_pending else Status.FAILED,
            self.plan.changes,
            self._confirmed,
            error=queued.message if is_pending else str(queued),
            request_id=queued.request_id,
            approval_code=queued.approval_code,
            notes=tuple(self.notes),
        )

    def _stopped(self, stopped: ReconcilerError) -> PolicyOutcome:
        """Settle a write in flight by one more reading; what was never sent was not tried."""
        if self.sent:
            with suppress(ReconcilerError), self.context.deadline.grace(LAST_LOOK):
                self._read()
        if self.judgements and all(
            judgement.state is ChangeState.DONE for judgement in self.judgements
        ):
            return self._settled()
        if self._in_doubt:
            return self._ended(
                Status.UNKNOWN, f"{stopped}; a write was sent and its effect is not visible yet"
            )
        return self._ended(Status.NOT_TRIED, str(stopped))

    def _failed(self, error: str) -> PolicyOutcome:
        return self._ended(Status.UNKNOWN if self._in_doubt else Status.FAILED, error)

    def _ended(self, status: Status, error: str) -> PolicyOutcome:
        return PolicyOutcome(
            self.plan.policy,
            status,
            self.plan.changes,
            self._confirmed,
            error=error,
            request_id=self.request_id,
            notes=tuple(self.notes),
        )

    def look_again(self, live: LivePolicy, outcome: PolicyOutcome) -> PolicyOutcome:
        """Take one more reading, after the run's last write, and name what it no longer shows.

        What this run wrote or found done, or the desired state declares, makes the policy stale
        where it is gone; anything else is a note. Raises `ReconcilerError` where a reading cannot
        be sorted.
        """
        self._take(live)
        is_settled = outcome.status in (Status.APPLIED, Status.ALREADY)
        done = {key_of(v.change.target) for v in self.judgements if v.state is ChangeState.DONE}
        due = outcome.changes if is_settled else outcome.written
        undone = [each for each in due if key_of(each.target) not in done]
        own = {key_of(each.target) for each in undone}
        # Where it is not settled, its error has named the others.
        others = [c for c in self.contradictions if is_settled and key_of(c.target) not in own]
        gone = [f"{describe_change(each)}: no longer so" for each in undone] + list(
            map(str, others)
        )
        if not gone:
            return outcome
        if not undone and not any(each.is_declared for each in others):
            return replace(outcome, notes=(*outcome.notes, *gone))
        return replace(
            outcome,
            status=Status.STALE if is_settled else outcome.status,
            written=tuple(each for each in outcome.written if each not in undone),
            error="; ".join(([outcome.error] if outcome.error else []) + [_undone(gone)]),
        )


def _undone(gone: Iterable[str]) -> str:
    return (
        "it was as planned, and is not any more at the end of the run, so somebody else wrote this "
        f"policy at the same time: {'; '.join(gone)}; plan again"
    )


def _overwritten(found: Iterable[ReadBackDifference]) -> StalePlanError:
    return StalePlanError(
        "Graph accepted the write, and then showed another state again and again, so somebody "
        f"else wrote this policy at the same time: {'; '.join(map(str, found))}; plan again"
    )


def _without_route(missing: RouteMissingError) -> GraphError:
    return GraphError(
        f"{missing.message}; set writes: auto or writes: assign in tenant.yaml",
        attempted=missing.attempted,
        status=missing.status,
        code=missing.code,
        request_id=missing.request_id,
    )
