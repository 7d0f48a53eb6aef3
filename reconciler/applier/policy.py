"""Carry out one policy's part of a plan. Does I/O through `reconciler.ports`.

The loop of `PolicyRun` is the whole of the contract's laws of apply:

    read the policy           a reading that is not whole raises, and nothing is written
    judge each operation      done: skip it;  conflict: somebody touched what we change, refuse
    nothing left to do        then it is settled
    write what is left        one request, merged on that very reading
    no clear answer           wait and begin again at the reading; never repeat a write blind
    accepted                  read again until the change shows; judge again by that reading

Graph has no ETag, so one round trip lies between reading and writing. What falls into it and can
be seen afterwards is named in the outcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, repeat

from reconciler.applier.request import Means, Request, announce, next_request, record_refusal
from reconciler.apply_result import PolicyOutcome, Status
from reconciler.differ import split
from reconciler.errors import (
    ApprovalError,
    ApprovalStatus,
    DeadlineError,
    GraphError,
    Interrupted,
    OutcomeUnknownError,
    ReconcilerError,
    RouteMissingError,
    ThrottledError,
)
from reconciler.merge import (
    Standing,
    Verdict,
    describe,
    judge_all,
    surprises,
)
from reconciler.model import Assignment
from reconciler.plan import Key, Operation, PolicyPlan, key_of

READ_BACK_WAITS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
"""Seconds before each reading after a write; the last one repeats. Graph's delay has no bound."""

WRITE_TRIES = 8
"""Writes of one thing before a tenant that answers nothing clear is given up on.

A 429 is clear: it is waited for as long as the deadline allows.
"""


@dataclass(frozen=True, slots=True)
class _Reading:
    """One complete reading of a policy; ``direct`` leaves out what policy sets assigned."""

    assignments: tuple[Assignment, ...]
    direct: dict[Key, Assignment]


@dataclass(slots=True)
class PolicyRun:
    """The course of one policy.

    ``sent`` holds every operation that may have had an effect, ``verdicts`` how the latest reading
    judged the plan's operations: what is sent and not judged to be done is in doubt.
    """

    plan: PolicyPlan
    means: Means
    sent: dict[Key, Operation] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()
    request_id: str | None = None
    refusal: GraphError | None = None
    notes: list[str] = field(default_factory=list)

    def outcome(self) -> PolicyOutcome:
        """Run to the end, whatever that is; no failure of one policy gets out of here."""
        try:
            return self._run()
        except ApprovalError as queued:
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
        reading = self._read()
        tries = 0
        while True:
            conflicts = [v for v in self.verdicts if v.standing is Standing.CONFLICT]
            if conflicts:
                return self._conflicting(conflicts)
            to_do = [v.operation for v in self.verdicts if v.standing is Standing.TO_DO]
            if not to_do:
                return self._settled()
            if self.refusal is not None:
                raise self.refusal
            tries += 1
            sent = self._try(to_do, reading, tries)
            if sent is None:
                reading = self._read()
            else:
                reading, tries = self._read_back(sent), 0

    def _try(self, to_do: Sequence[Operation], reading: _Reading, tries: int) -> Request | None:
        """Write once. None means that it is for the next reading to tell how things stand.

        A refusal is kept until then: after an unclear answer the write may have happened all the
        same, and then Graph refuses the repeat of what is already true.
        """
        request = next_request(self.plan.policy, to_do, reading.direct, self.means)
        try:
            self._make(request, reading)
        except ApprovalError:
            raise
        except RouteMissingError as missing:
            if not self.means.route.falls_back:
                self.refusal = _without_route(missing)
        except ThrottledError as throttled:
            self._wait(throttled, tries)
        except OutcomeUnknownError as unclear:
            self._wait(unclear, tries)
            if tries >= WRITE_TRIES:
                self.refusal = unclear
        except GraphError as refused:
            self.refusal = refused
        else:
            return request
        return None

    def _read(self) -> _Reading:
        """Read the policy, and judge the plan's operations by what is there."""
        live = self.means.tenant.read_policy(self.plan.policy)
        direct, inherited, problems = split(self.plan.policy, live.assignments)
        if problems:
            raise ReconcilerError(f"{problems[0].message}; {problems[0].help}")
        self.verdicts = judge_all(self.plan.operations, direct, inherited)
        return _Reading(live.assignments, direct)

    def _make(self, request: Request, reading: _Reading) -> None:
        """Make one write between two lines of the journal.

        From the moment it is sent it counts as sent, until Graph itself says that it is refused.
        """
        policy, journal = self.plan.policy, self.means.journal
        announce(request, policy, reading.assignments, journal)
        before = dict(self.sent)
        self.sent |= {key_of(operation.target): operation for operation in request.operations}
        try:
            receipt = self.means.approver.send(policy, request.digest, request.call)
        except OutcomeUnknownError as unclear:
            journal.record("unknown", policy, error=str(unclear), request_id=unclear.request_id)
            raise
        except ReconcilerError as refused:
            self.sent = before
            record_refusal(refused, policy, journal)
            raise
        self.request_id = receipt.request_id
        journal.record("accepted", policy, request_id=receipt.request_id)

    def _wait(self, unclear: GraphError, tries: int) -> None:
        asked = unclear.retry_after
        seconds = self.means.backoff.seconds(tries) if asked is None else asked
        self.means.deadline.sleep(seconds, str(unclear))

    def _read_back(self, sent: Request) -> _Reading:
        """Read until everything that was sent shows; stale readings are expected on the way.

        Our own change is waited for until the deadline. What somebody else changed meanwhile is
        named; where the request replaced the whole set it may be our doing, and is no success.
        """
        last = READ_BACK_WAITS[-1]
        for number, wait in enumerate(chain(READ_BACK_WAITS, repeat(last)), start=1):
            if wait:
                self.means.deadline.sleep(wait, "waiting for Graph to show the change")
            reading = self._read()
            if self._in_doubt:
                continue
            found = surprises(sent.expected, reading.direct)
            short = [surprise for surprise in found if sent.replaces and not surprise.is_extra]
            if not short:
                self.notes += [str(surprise) for surprise in found]
                return reading
            if number >= len(READ_BACK_WAITS):
                raise ReconcilerError(
                    "Graph accepted the write but does not show it as sent: "
                    f"{'; '.join(map(str, short))}; look at the policy, then plan again"
                )
        raise AssertionError("unreachable")

    @property
    def _confirmed(self) -> tuple[Operation, ...]:
        """What this run sent and the latest reading shows."""
        return tuple(
            verdict.operation
            for verdict in self.verdicts
            if verdict.standing is Standing.DONE and key_of(verdict.operation.target) in self.sent
        )

    @property
    def _in_doubt(self) -> bool:
        return len(self._confirmed) < len(self.sent)

    def _settled(self) -> PolicyOutcome:
        written = self._confirmed
        self.means.journal.record("settled", self.plan.policy, written=len(written))
        return PolicyOutcome(
            self.plan.policy,
            Status.APPLIED if written else Status.ALREADY,
            self.plan.operations,
            written,
            request_id=self.request_id,
            notes=tuple(self.notes),
        )

    def _conflicting(self, conflicts: Sequence[Verdict]) -> PolicyOutcome:
        reasons = "; ".join(
            f"{describe(verdict.operation)}: {verdict.reason}" for verdict in conflicts
        )
        left = "the rest of it was left" if self.sent else "it was left"
        return self._ended(
            Status.STALE, f"changed since it was planned, so {left} alone: {reasons}"
        )

    def _queued(self, queued: ApprovalError) -> PolicyOutcome:
        self.request_id = queued.request_id
        is_pending = queued.approval_status is ApprovalStatus.PENDING
        return PolicyOutcome(
            self.plan.policy,
            Status.PENDING_APPROVAL if is_pending else Status.FAILED,
            self.plan.operations,
            self._confirmed,
            error=str(queued),
            request_id=queued.request_id,
            approval_code=queued.approval_code,
            notes=tuple(self.notes),
        )

    def _stopped(self, stopped: ReconcilerError) -> PolicyOutcome:
        """Settle a write in flight by one more reading; what was never sent was not tried."""
        if self.sent:
            with suppress(ReconcilerError):
                self._read()
        if self.verdicts and all(verdict.standing is Standing.DONE for verdict in self.verdicts):
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
            self.plan.operations,
            self._confirmed,
            error=error,
            request_id=self.request_id,
            notes=tuple(self.notes),
        )


def _without_route(missing: RouteMissingError) -> GraphError:
    return GraphError(
        f"{missing.message}; set writes: auto or writes: assign in tenant.yaml",
        attempted=missing.attempted,
        status=missing.status,
        code=missing.code,
        request_id=missing.request_id,
    )
