"""Carry out one policy's part of a plan. Does I/O through `reconciler.model.ports`.

The loop of `PolicyRun` is the whole of the contract's laws of apply:

    wait                      for all there is to wait for: our turn, a token, an approval's state
    read the policy           a reading that is not whole raises, and nothing is written
    judge each change      done: skip it;  conflict: somebody touched what we change, refuse
    nothing left to do        then it is settled
    write what is left        one request, merged on that very reading
    no clear answer           wait and begin again at the reading; never repeat a write blind
    accepted                  read again until the change shows; judge again by that reading

Graph has no ETag, so one round trip lies between reading and writing. What falls into it and can
be seen afterwards is named in the outcome.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from itertools import chain, repeat

from reconciler.applier.merge import (
    ChangeState,
    Judgement,
    judge_all,
    read_back_differences,
)
from reconciler.applier.requests import (
    ApplyContext,
    Write,
    announce,
    next_write,
    record_refusal,
)
from reconciler.differ.compare import split
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
    ThrottledError,
)
from reconciler.model.plan import Change, Key, PolicyPlan, key_of
from reconciler.model.result import PolicyOutcome, Status
from reconciler.model.state import Assignment, Target
from reconciler.model.wording import describe_change, describe_target

READ_BACK_WAITS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
"""Seconds before each reading after a write; the last one repeats. Graph's delay has no bound."""

DOUBT_WAITS = (0.5, 1.0, 2.0, 4.0)
"""Seconds before each further reading that is to tell what became of an unclear write."""

CONFLICT_READINGS = 5
"""Readings after a write that may show something else than it before that is taken for an edit."""

WRITE_TRIES = 8
"""Writes of one thing before a tenant that answers nothing clear is given up on.

A 429 is clear: it is waited for as long as the deadline allows.
"""

WRITE_TRIES_TOLD_WHEN = 32
"""The same where Graph says each time when to come again."""

LOG = logging.getLogger("reconciler.applier")

LONG_WAIT = 5.0
"""Seconds after which a person begins to wonder, and is told."""

LAST_LOOK = 15.0
"""Seconds over the deadline for the one reading that tells how a write in flight went."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """One complete reading of a policy; ``direct`` leaves out what policy sets assigned."""

    assignments: tuple[Assignment, ...]
    direct: dict[Key, Assignment]


@dataclass(slots=True)
class PolicyRun:
    """The course of one policy.

    ``sent`` holds every change that may have had an effect, ``judgements`` how the latest reading
    judged the plan's changes: what is sent and not judged to be done is in doubt. ``lost`` names
    what the plan saw as declared and there, and that reading does not show so any more. ``unclear``
    and ``throttled`` count answers since the last success.
    """

    plan: PolicyPlan
    context: ApplyContext
    sent: dict[Key, Change] = field(default_factory=dict)
    judgements: tuple[Judgement, ...] = ()
    request_id: str | None = None
    refusal: GraphError | None = None
    unclear: int = 0
    throttled: int = 0
    has_renewed: bool = False
    lost: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)

    def outcome(self) -> PolicyOutcome:
        """Run to the end, whatever that is; no failure of one policy gets out of here."""
        try:
            return self._run()
        except MultiAdminApprovalError as queued:
            return self._queued(queued)
        except (DeadlineError, Interrupted) as stopped:
            return self._stopped(stopped)
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
            reading = self._settle_doubt(self._read())
            if (ended := self._nothing_to_write()) is not None:
                return ended
            if self.refusal is not None:
                raise self.refusal
            sent = self._try(reading)
            if sent is not None:
                self._read_back(sent, reading)
                if (ended := self._nothing_to_write()) is not None:
                    return ended
                self.unclear = 0

    def _settle_doubt(self, reading: _Reading) -> _Reading:
        """After an unclear answer look a few times more: one reading may lag behind the write.

        To write again on a stale reading would undo what somebody did after our first write.
        """
        for wait in DOUBT_WAITS if self.sent else ():
            if not self._in_doubt:
                break
            self.context.deadline.sleep(
                wait, "waiting for Graph to show whether the write happened"
            )
            reading = self._read()
        return reading

    def _nothing_to_write(self) -> PolicyOutcome | None:
        """End where the latest reading leaves nothing to write, or forbids it."""
        conflicts = [v for v in self.judgements if v.state is ChangeState.CONFLICT]
        if conflicts:
            return self._conflicting(conflicts)
        return None if self._to_do else self._settled()

    def _try(self, reading: _Reading) -> Write | None:
        """Write once. None means that it is for the next reading to tell how things stand.

        A refusal is kept until then: after an unclear answer the write may have happened all the
        same, and then Graph refuses the repeat of what is already true.
        """
        write = next_write(self.plan.policy, self._to_do, reading.direct, self.context)
        try:
            self._make(write, reading)
        except MultiAdminApprovalError:
            raise
        except RouteMissingError as missing:
            if write.create_place is None or not self.context.route.falls_back:
                self.refusal = missing if write.replaces else _without_route(missing)
        except NotExecutedError as hindered:
            self._count_renewal(hindered)
        except ThrottledError as throttled:
            self.throttled += 1
            self._wait(throttled, self.throttled)
        except OutcomeUnknownError as unclear:
            self.unclear += 1
            self._wait(unclear, self.unclear)
            told_when = unclear.retry_after is not None
            if self.unclear >= (WRITE_TRIES_TOLD_WHEN if told_when else WRITE_TRIES):
                self.refusal = unclear
        except GraphError as refused:
            self.refusal = refused
        else:
            return write
        return None

    def _count_renewal(self, hindered: NotExecutedError) -> None:
        """A fresh token is worth one repeat; an approval code that did not fit is not tried again."""
        if hindered.status == 401 and self.has_renewed:
            self.refusal = hindered
        self.has_renewed |= hindered.status == 401

    @property
    def _to_do(self) -> list[Change]:
        return [v.change for v in self.judgements if v.state is ChangeState.TO_DO]

    def _read(self) -> _Reading:
        """Read the policy, and judge the plan's changes by what is there."""
        live = self.context.tenant.read_policy(self.plan.policy)
        direct, inherited, problems = split(self.plan.policy, live.assignments)
        if problems:
            raise ReconcilerError(f"{problems[0].message}; {problems[0].help}")
        self.judgements = judge_all(self.plan.changes, direct, inherited)
        self.lost = tuple(describe_target(target) for target in _lost(self.plan, direct, inherited))
        return _Reading(live.assignments, direct)

    def _make(self, write: Write, reading: _Reading) -> None:
        """Make one write between two lines of the journal.

        From the moment it is sent it counts as sent, until Graph itself says that it is refused.
        """
        policy, journal = self.plan.policy, self.context.journal
        announce(write, policy, reading.assignments, journal)
        before = dict(self.sent)
        self.sent |= {key_of(change.target): change for change in write.changes}
        try:
            with self._finding_the_route(write):
                receipt = self.context.multi_admin_approver.send(policy, write.encoded)
        except OutcomeUnknownError as unclear:
            journal.record("unknown", policy, error=str(unclear), request_id=unclear.request_id)
            raise
        except ReconcilerError as refused:
            self.sent = before
            record_refusal(refused, policy, journal)
            raise
        self.request_id = receipt.request_id
        journal.record("accepted", policy, request_id=receipt.request_id)

    def _finding_the_route(self, write: Write) -> AbstractContextManager[None]:
        place = write.create_place
        return nullcontext() if place is None else self.context.route.trying(place)

    def _wait(self, unclear: GraphError, tries: int) -> None:
        seconds = self.context.backoff.wait(tries, unclear.retry_after)
        level = logging.WARNING if seconds >= LONG_WAIT else logging.INFO
        LOG.log(level, "%s; reading it again in %.1f s", unclear, seconds)
        self.context.deadline.sleep(seconds, str(unclear))

    def _read_back(self, sent: Write, before: _Reading) -> None:
        """Read until everything that was sent shows; stale readings are expected on the way.

        Our own change is waited for until the deadline. What somebody else changed meanwhile is
        named; where the request replaced the whole set it may be our doing, and is no success.
        """
        last = READ_BACK_WAITS[-1]
        for number, wait in enumerate(chain(READ_BACK_WAITS, repeat(last)), start=1):
            if wait:
                self.context.deadline.sleep(wait, "waiting for Graph to show the change")
            reading = self._read()
            if self._is_contradicted and number >= CONFLICT_READINGS:
                return
            if self._in_doubt:
                continue
            found = read_back_differences(sent.expected, before.assignments, reading.assignments)
            short = [surprise for surprise in found if sent.replaces and not surprise.is_extra]
            if not short:
                self.notes += [str(surprise) for surprise in found]
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
            self.notes.append(str(fault))
        self.context.multi_admin_approver.forget(self.plan.policy)
        if self.lost:
            return self._ended(
                Status.STALE,
                "somebody else changed what the plan saw as declared and there: "
                f"{', '.join(self.lost)}; plan again",
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
        reasons = "; ".join(
            f"{describe_change(judgement.change)}: {judgement.reason}" for judgement in conflicts
        )
        left = "the rest of it was left" if self.sent else "it was left"
        return self._ended(
            Status.STALE, f"changed since it was planned, so {left} alone: {reasons}"
        )

    def _queued(self, queued: MultiAdminApprovalError) -> PolicyOutcome:
        self.request_id = queued.request_id
        is_pending = queued.approval_status is MultiAdminApprovalStatus.PENDING
        return PolicyOutcome(
            self.plan.policy,
            Status.PENDING_APPROVAL if is_pending else Status.FAILED,
            self.plan.changes,
            self._confirmed,
            error=str(queued),
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


def _lost(
    plan: PolicyPlan, direct: Mapping[Key, Assignment], inherited: Container[Key]
) -> Iterator[Target]:
    """Find what is declared, was there when the plan was made, and is not as it was any more."""
    for keep in plan.kept:
        key = key_of(keep.assignment.target)
        found = direct.get(key)
        if found is None and key in inherited and keep.assignment.filter is None:
            continue
        if found is None or found.filter != keep.assignment.filter:
            yield keep.assignment.target
    for cover in plan.inherited:
        key = key_of(cover.assignment.target)
        if cover.declared_at is not None and key not in inherited and key not in direct:
            yield cover.assignment.target


def _without_route(missing: RouteMissingError) -> GraphError:
    return GraphError(
        f"{missing.message}; set writes: auto or writes: assign in tenant.yaml",
        attempted=missing.attempted,
        status=missing.status,
        code=missing.code,
        request_id=missing.request_id,
    )
