"""Multi Admin Approval across runs: queue a write, remember it, finish it once it is approved.

Graph finishes a queued write only when the very same request comes again with its code, so a write
is remembered by the digest of what it would send (graph.md section 10). Whoever may not read
approval requests finds out by trying: a code that does not fit is a bare 403.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from reconciler.model.errors import (
    GraphError,
    MultiAdminApprovalError,
    MultiAdminApprovalStatus,
    NotExecutedError,
    ReconcilerError,
)
from reconciler.model.ports import PendingApproval, PendingApprovals, Progress, Receipt, Tenant
from reconciler.model.requests import EncodedRequest
from reconciler.model.state import Policy

_DECIDED = {
    MultiAdminApprovalStatus.REJECTED: "was rejected",
    MultiAdminApprovalStatus.CANCELLED: "was cancelled",
    MultiAdminApprovalStatus.EXPIRED: "has expired",
}


class MultiAdminApprover:
    """Sends writes through Multi Admin Approval. Safe to share between threads.

    ``codes`` are those given on the command line, which do not say whose they are. ``faults`` is
    told when a code cannot be remembered.
    """

    def __init__(
        self,
        tenant: Tenant,
        approvals: PendingApprovals,
        progress: Progress,
        codes: Sequence[str],
        faults: list[str],
    ) -> None:
        self._tenant = tenant
        self._approvals = approvals
        self._progress = progress
        self._codes = [code.lower() for code in codes]
        self._has_codes = bool(codes)
        self._faults = faults
        self._lock = threading.Lock()
        self._statuses: dict[str, MultiAdminApprovalStatus | None] = {}
        self._lacks_justification = False
        self._tried: dict[str, set[str]] = {}

    def lacks_justification_for(self, policy: Policy) -> bool:
        """Whether a write of this policy would be refused as another one was, for want of a reason.

        A write that was queued before goes with its code, and needs none.
        """
        return (
            self._lacks_justification
            and not self._has_codes
            and self._approvals.get(policy.id) is None
        )

    def remembers(self, policy: Policy, digest: str) -> bool:
        """Whether this very write was queued by an earlier run."""
        pending = self._approvals.get(policy.id)
        return pending is not None and pending.body_digest == digest

    def is_involved(self, policy: Policy) -> bool:
        """Whether a code may go with a write of this policy, so that its bytes must be the same."""
        return self._has_codes or self._approvals.get(policy.id) is not None

    def prepare(self, policy: Policy) -> None:
        """Ask where a remembered request stands, before the reading that a write will rest on."""
        pending = self._approvals.get(policy.id)
        if pending is not None:
            self._statuses[policy.id] = self._tenant.approval_status(pending.code)

    def send(self, policy: Policy, request: EncodedRequest) -> Receipt:
        """Make a write, once, with a code where there is one that may fit; remember it if queued.

        Raises `NotExecutedError` where a code did not fit: the next one is for the next reading.
        Raises `MultiAdminApprovalError` where a request still waits, and `ReconcilerError` where it was
        turned down; asking again is then for the next run.
        """
        codes = self._codes_for(policy, request.digest, self._approvals.get(policy.id))
        tried = self._tried.setdefault(policy.id, set())
        code = next((code for code in codes if code not in tried), None)
        if code is None:
            return self._ask(policy, request)
        try:
            receipt = self._tenant.send(request, code)
        except GraphError as refused:
            if refused.status != 403 or isinstance(refused, MultiAdminApprovalError):
                raise
            tried.add(code)
            raise NotExecutedError(
                f"the approval code {code} does not fit this write",
                attempted=refused.attempted,
                status=refused.status,
                code=refused.code,
                request_id=refused.request_id,
            ) from refused
        self.forget(policy)
        with self._lock:
            self._codes = [left for left in self._codes if left != code]
        return receipt

    def _ask(self, policy: Policy, request: EncodedRequest) -> Receipt:
        """Make the write without a code, and remember it where Graph queues it."""
        try:
            return self._tenant.send(request)
        except MultiAdminApprovalError as queued:
            if queued.approval_code is not None:
                self._remember(policy, PendingApproval(queued.approval_code, request.digest))
                raise
            pending = self._approvals.get(policy.id)
            fits = pending is not None and pending.body_digest == request.digest
            is_blocked = queued.approval_status is MultiAdminApprovalStatus.BLOCKED
            if pending is None or (is_blocked and not fits):
                self._lacks_justification |= is_blocked
                raise
            raise _still_open(queued, pending, fits=fits) from queued

    def _codes_for(
        self, policy: Policy, digest: str, pending: PendingApproval | None
    ) -> Sequence[str]:
        """List the codes worth trying for a write: a remembered one that fits, then those given."""
        with self._lock:
            given = tuple(self._codes)
        if pending is None:
            return given
        status = self._statuses.get(policy.id)
        fits = pending.body_digest == digest
        if status is MultiAdminApprovalStatus.PENDING:
            raise _waits(policy, pending, fits=fits)
        if status in _DECIDED:
            self.forget(policy)
            decision = f'the approval request {pending.code} for "{policy.name}" {_DECIDED[status]}'
            if fits and not given:
                raise ReconcilerError(f"{decision}; run apply again to ask for a new approval")
            self._progress.note(decision)
            return given
        if status is MultiAdminApprovalStatus.COMPLETED:
            self.forget(policy)
            return given
        if not fits:
            self._progress.note(
                f'"{policy.name}" changed since its write was queued, so approval '
                f"{pending.code} no longer fits and a new one is needed"
            )
            return given
        return (pending.code, *given)

    def _remember(self, policy: Policy, pending: PendingApproval) -> None:
        """Keep a code for the next run. It is in the report too, so a full disk hides nothing."""
        try:
            self._approvals.put(policy.id, pending)
        except ReconcilerError as fault:
            self._faults.append(str(fault))
            self._progress.note(str(fault))

    def forget(self, policy: Policy) -> None:
        """Let go of the remembered request of a policy, which is finished or closed."""
        pending = self._approvals.get(policy.id)
        if pending is None:
            return
        try:
            self._approvals.forget(policy.id, pending.code)
        except ReconcilerError as fault:
            self._progress.note(str(fault))


def _waits(policy: Policy, pending: PendingApproval, *, fits: bool) -> MultiAdminApprovalError:
    advice = (
        ""
        if fits
        else "; the policy changed since, so that approval will not fit and a new one will be "
        "needed: cancel the request in the Intune portal, then run apply again"
    )
    return MultiAdminApprovalError(
        f"the request still waits for a second administrator{advice}",
        attempted=f'assigning "{policy.name}"',
        approval_code=pending.code,
    )


def _still_open(
    queued: MultiAdminApprovalError, pending: PendingApproval, *, fits: bool
) -> MultiAdminApprovalError:
    """Name the remembered request behind a refusal that names none."""
    message = (
        "Graph does not take the code of this request: it still waits for a second administrator, "
        "or somebody else asked for it, or it is over and --justification is needed to ask anew"
        if fits
        else "the request that was queued for an earlier state is still open; cancel it in the "
        "Intune portal, or wait until it expires, then run apply again"
    )
    return MultiAdminApprovalError(
        message,
        attempted=queued.attempted,
        approval_code=pending.code,
        status=queued.status,
        code=queued.code,
        request_id=queued.request_id,
    )
