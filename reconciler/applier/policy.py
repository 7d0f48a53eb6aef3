"""Carry out one policy's part of a plan. Does I/O through `reconciler.ports`.

The loop of `PolicyRun` is the whole of the contract's laws of apply:

    read the policy           a reading that is not whole raises, and nothing is written
    judge each operation      done: skip it;  conflict: somebody touched what we change, refuse
    nothing left to do        then it is settled
    write what is left        once, merged on that very reading
    no clear answer           wait and begin again at the reading; never repeat a write blind
    accepted                  read again until the change shows

Graph has no ETag, so one round trip lies between reading and writing. What falls into it and can
be seen afterwards is named in the outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import assert_never

from reconciler.applier.approval import Approver
from reconciler.applier.route import Method, Route
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
    Surprise,
    Verdict,
    body_digest,
    describe,
    judge,
    merge,
    surprises,
)
from reconciler.model import Assignment
from reconciler.plan import Create, Delete, Key, Operation, PolicyPlan, Update, action_of, key_of
from reconciler.ports import Journal, Receipt, Tenant, Wanted
from reconciler.timing import Backoff, Deadline

READ_BACK_WAITS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
"""Seconds before each reading after a write. Graph's delay has no documented bound."""

WRITE_TRIES = 8
"""Writes per policy before a tenant that answers nothing clear is given up on."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a policy's run works with; shared by all policies of a run."""

    tenant: Tenant
    route: Route
    approver: Approver
    journal: Journal
    deadline: Deadline
    backoff: Backoff


@dataclass(frozen=True, slots=True)
class _Reading:
    """One complete reading of a policy, parted by where the assignments come from."""

    assignments: tuple[Assignment, ...]
    direct: dict[Key, Assignment]
    inherited: frozenset[Key]


@dataclass(slots=True)
class PolicyRun:
    """The course of one policy. ``in_doubt`` holds while a write is sent and not yet seen."""

    plan: PolicyPlan
    means: Means
    in_doubt: bool = False
    sent: dict[Key, Operation] = field(default_factory=dict)
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
            return self._ended(Status.UNKNOWN if self.in_doubt else Status.FAILED, str(fault))
        except ReconcilerError as fault:
            return self._ended(Status.UNKNOWN if self.in_doubt else Status.FAILED, str(fault))
        except Exception as bug:  # noqa: BLE001 - a bug in one policy must not hide the others' outcome
            text = f"internal error ({type(bug).__name__}); please report it"
            return self._ended(Status.UNKNOWN if self.in_doubt else Status.FAILED, text)

    def _run(self) -> PolicyOutcome:
        for attempt in count(1):
            reading = self._read()
            verdicts = self._judge(reading)
            conflicts = [v for v in verdicts if v.standing is Standing.CONFLICT]
            if conflicts:
                return self._conflicting(conflicts)
            self.in_doubt = False
            to_do = [v.operation for v in verdicts if v.standing is Standing.TO_DO]
            if not to_do:
                return self._settled()
            if self.refusal is not None:
                raise self.refusal
            expected = self._try(to_do, reading, attempt)
            if expected is not None:
                return self._read_back(expected)
        raise AssertionError("unreachable")

    def _try(
        self, to_do: Sequence[Operation], reading: _Reading, attempt: int
    ) -> tuple[Wanted, ...] | None:
        """Write once. None means that it is for the next reading to tell how things stand.

        A refusal is kept until then: after an unclear answer the write may have happened all the
        same, and then Graph refuses the repeat of what is already true.
        """
        try:
            return self._write(to_do, reading)
        except ApprovalError:
            raise
        except RouteMissingError as missing:
            if not self.means.route.falls_back:
                self.refusal = _without_route(missing)
        except (ThrottledError, OutcomeUnknownError) as unclear:
            if attempt >= WRITE_TRIES:
                raise
            self._wait(unclear, attempt)
        except GraphError as refused:
            self.refusal = refused
        return None

    def _read(self) -> _Reading:
        live = self.means.tenant.read_policy(self.plan.policy)
        direct, inherited, problems = split(self.plan.policy, live.assignments)
        if problems:
            raise ReconcilerError(f"{problems[0].message}; {problems[0].help}")
        return _Reading(live.assignments, direct, frozenset(inherited))

    def _judge(self, reading: _Reading) -> list[Verdict]:
        return [
            judge(operation, reading.direct, reading.inherited)
            for operation in self.plan.operations
        ]

    def _write(self, to_do: Sequence[Operation], reading: _Reading) -> tuple[Wanted, ...]:
        """Send what is left, and return the whole set that the policy should then have."""
        expected = merge(reading.direct, to_do)
        if self.means.route.method(to_do) is Method.ASSIGN:
            self._send("assign", to_do, expected, reading, partial(self._assign, expected))
        else:
            for operation in to_do:
                self._write_one(operation, reading)
        return expected

    def _assign(self, wanted: Sequence[Wanted], code: str | None) -> Receipt:
        return self.means.tenant.assign(self.plan.policy, wanted, approval_code=code)

    def _write_one(self, operation: Operation, reading: _Reading) -> None:
        """Send one operation by the call that Microsoft documents for it."""
        tenant, policy = self.means.tenant, self.plan.policy
        live = reading.direct.get(key_of(operation.target))

        def call(code: str | None) -> Receipt:
            match operation:
                case Create():
                    return self.means.route.create(
                        lambda: tenant.create(
                            policy, operation.target, operation.filter, approval_code=code
                        )
                    )
                case Update():
                    return tenant.update(policy, _there(live), operation.after, approval_code=code)
                case Delete():
                    return tenant.delete(policy, _there(live), approval_code=code)
                case _:
                    assert_never(operation)

        self._send(action_of(operation).value, [operation], (), reading, call)

    def _send(
        self,
        method: str,
        operations: Sequence[Operation],
        wanted: Sequence[Wanted],
        reading: _Reading,
        call: Callable[[str | None], Receipt],
    ) -> None:
        """Make one write between two lines of the journal."""
        policy, journal = self.plan.policy, self.means.journal
        journal.record(
            "write",
            policy,
            method=method,
            operations=[describe(operation) for operation in operations],
            before=[_audit(assignment) for assignment in reading.assignments],
        )
        self.in_doubt = True
        try:
            receipt = self.means.approver.send(
                policy, body_digest(method, wanted, operations), call
            )
        except OutcomeUnknownError as unclear:
            self._remember(operations)
            journal.record("unknown", policy, error=str(unclear), request_id=unclear.request_id)
            raise
        except ReconcilerError as refused:
            self.in_doubt = False
            journal.record("refused", policy, error=str(refused), **_facts(refused))
            raise
        self._remember(operations)
        self.request_id = receipt.request_id
        journal.record("accepted", policy, request_id=receipt.request_id)

    def _remember(self, operations: Sequence[Operation]) -> None:
        self.sent |= {key_of(operation.target): operation for operation in operations}

    def _wait(self, unclear: GraphError, attempt: int) -> None:
        asked = unclear.retry_after
        seconds = self.means.backoff.seconds(attempt) if asked is None else asked
        self.means.deadline.sleep(seconds, str(unclear))

    def _read_back(self, expected: Sequence[Wanted]) -> PolicyOutcome:
        """Read until everything that was sent shows; stale readings are expected on the way."""
        short: list[Surprise] = []
        for wait in READ_BACK_WAITS:
            if wait:
                self.means.deadline.sleep(wait, "waiting for Graph to show the change")
            found = surprises(expected, self._read().direct)
            short = [surprise for surprise in found if not surprise.is_extra]
            if not short:
                self.in_doubt = False
                self.notes += [str(surprise) for surprise in found]
                return self._settled()
        missing = "; ".join(str(surprise) for surprise in short)
        return self._ended(
            Status.UNKNOWN,
            "Graph accepted the write but does not show it as sent: "
            f"{missing}; look at the policy, then plan again",
        )

    def _settled(self) -> PolicyOutcome:
        written = tuple(op for op in self.plan.operations if key_of(op.target) in self.sent)
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
        return self._ended(
            Status.STALE, f"changed since it was planned, so it was left alone: {reasons}"
        )

    def _queued(self, queued: ApprovalError) -> PolicyOutcome:
        self.request_id = queued.request_id
        is_pending = queued.approval_status is ApprovalStatus.PENDING
        return PolicyOutcome(
            self.plan.policy,
            Status.PENDING_APPROVAL if is_pending else Status.FAILED,
            self.plan.operations,
            error=str(queued),
            request_id=queued.request_id,
            approval_code=queued.approval_code,
            notes=tuple(self.notes),
        )

    def _stopped(self, stopped: ReconcilerError) -> PolicyOutcome:
        """Settle a write in flight by one more reading; what was never sent was not tried."""
        if not self.in_doubt:
            return self._ended(Status.NOT_TRIED, str(stopped))
        try:
            verdicts = self._judge(self._read())
        except ReconcilerError:
            verdicts = []
        if verdicts and all(verdict.standing is Standing.DONE for verdict in verdicts):
            return self._settled()
        return self._ended(
            Status.UNKNOWN, f"{stopped}; a write was sent and its effect is not visible yet"
        )

    def _ended(self, status: Status, error: str) -> PolicyOutcome:
        return PolicyOutcome(
            self.plan.policy,
            status,
            self.plan.operations,
            error=error,
            request_id=self.request_id,
            notes=tuple(self.notes),
        )


def _there(live: Assignment | None) -> Assignment:
    if live is None:
        raise AssertionError("an operation that is to do has something live to work on")
    return live


def _without_route(missing: RouteMissingError) -> GraphError:
    return GraphError(
        f"{missing.message}; set writes: auto or writes: assign in tenant.yaml",
        attempted=missing.attempted,
        status=missing.status,
        code=missing.code,
        request_id=missing.request_id,
    )


def _facts(refused: ReconcilerError) -> dict[str, object]:
    facts: dict[str, object] = {}
    if isinstance(refused, GraphError):
        facts["request_id"] = refused.request_id
    if isinstance(refused, ApprovalError):
        facts["approval_code"] = refused.approval_code
    return facts


def _audit(assignment: Assignment) -> dict[str, object]:
    """Write an assignment so that it could be put back by hand: its target as Graph showed it."""
    return {"id": assignment.id, "source": assignment.source, "target": assignment.raw_target}
