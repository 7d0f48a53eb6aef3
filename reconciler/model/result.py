"""What an apply did: one outcome per policy. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from reconciler.model.errors import ExitCode
from reconciler.model.plan import (
    Action,
    Change,
    PlanTenant,
    Summary,
    action_of,
    change_lines,
    digest_of_lines,
)
from reconciler.model.state import Policy


class Status(StrEnum):
    """How a policy came out; the spelling is that of the JSON of ``apply``."""

    APPLIED = "applied"
    """Every change is there, and this run wrote at least one; each was read back."""
    ALREADY = "already"
    """Every change was there before; nothing was written."""
    STALE = "stale"
    """Somebody changed it since the plan, or Graph's readings do not agree. A new plan is needed."""
    FAILED = "failed"
    """Graph refused, or could not be read. What was written is in ``written``."""
    UNKNOWN = "unknown"
    """A write was sent, and no reading told whether it happened."""
    PENDING_APPROVAL = "pending_approval"
    """The write waits for a second administrator; nothing of it is in the tenant yet."""
    NOT_TRIED = "not_tried"
    """The run ended before it; nothing of it was sent."""


@dataclass(frozen=True, slots=True)
class PolicyOutcome:
    """What became of one policy."""

    policy: Policy
    status: Status
    changes: tuple[Change, ...]
    """What the plan wanted of it."""
    written: tuple[Change, ...] = ()
    """The part of ``changes`` that this run sent and saw confirmed. It may be less than all, or
    nothing, whatever the status says."""
    error: str | None = None
    """What went wrong, or what is waited for, and what to do; None where all went well."""
    request_id: str | None = None
    """The id of the last write, for Microsoft's support."""
    approval_code: str | None = None
    """The code of a write that waits for a second administrator, for ``--approval-code``."""
    notes: tuple[str, ...] = ()
    """What somebody else changed meanwhile; nothing of it is an error."""


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """What became of a whole plan.

    ``digest`` is the plan's. ``outcomes`` holds one entry for each policy that the plan changes, in
    the plan's order. ``interrupted`` says that the user stopped the run. ``faults`` names what
    failed beside the policies, such as a journal on a full disk: what was written to the tenant
    stands in the outcomes all the same, and the run ends as an error.
    """

    tenant: PlanTenant
    digest: str
    outcomes: tuple[PolicyOutcome, ...]
    interrupted: bool = False
    faults: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether everything that the plan wanted is now true."""
        return all(o.status in (Status.APPLIED, Status.ALREADY) for o in self.outcomes)

    @property
    def summary(self) -> Summary:
        """Count the changes that this run carried out and saw confirmed."""
        return count(op for outcome in self.outcomes for op in outcome.written)

    @property
    def left(self) -> tuple[Change, ...]:
        """The changes that are still to be done, as far as this run knows."""
        return tuple(
            change
            for outcome in self.outcomes
            if outcome.status not in (Status.APPLIED, Status.ALREADY)
            for change in outcome.changes
            if change not in outcome.written
        )

    @property
    def left_digest(self) -> str | None:
        """Name what is left as a plan of it would be named; None where nothing is left."""
        left = self.left
        return digest_of_lines(self.tenant.id, change_lines(left)) if left else None

    def having(self, *statuses: Status) -> tuple[PolicyOutcome, ...]:
        """The outcomes with one of these statuses."""
        return tuple(outcome for outcome in self.outcomes if outcome.status in statuses)

    @property
    def exit_code(self) -> ExitCode:
        """A stop beats a failure, which beats a stale plan, which beats a pending approval."""
        if self.interrupted:
            return ExitCode.INTERRUPTED
        if self.faults or self.having(Status.FAILED, Status.UNKNOWN, Status.NOT_TRIED):
            return ExitCode.ERROR
        if self.having(Status.STALE):
            return ExitCode.STALE
        if self.having(Status.PENDING_APPROVAL):
            return ExitCode.PENDING_APPROVAL
        return ExitCode.OK


def count(changes: Iterable[Change]) -> Summary:
    """Count changes by kind."""
    actions = [action_of(change) for change in changes]
    return Summary(
        create=actions.count(Action.CREATE),
        update=actions.count(Action.UPDATE),
        delete=actions.count(Action.DELETE),
    )
