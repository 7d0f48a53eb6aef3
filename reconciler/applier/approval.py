"""Multi Admin Approval across runs: queue a write, remember it, finish it once it is approved.

Graph finishes a queued write only when the very same request comes again with its code, so a write
is remembered by the digest of what it would send (graph.md section 10).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from reconciler.errors import ApprovalError, ApprovalStatus, GraphError, ReconcilerError
from reconciler.model import Policy
from reconciler.ports import Approvals, PendingApproval, Progress, Receipt, Tenant

_DECIDED = {
    ApprovalStatus.REJECTED: "was rejected",
    ApprovalStatus.CANCELLED: "was cancelled",
    ApprovalStatus.EXPIRED: "has expired",
}


class Approver:
    """Sends writes through Multi Admin Approval. Safe to share between threads.

    ``codes`` are those given on the command line, which do not say whose they are.
    """

    def __init__(
        self, tenant: Tenant, approvals: Approvals, progress: Progress, codes: Sequence[str] = ()
    ) -> None:
        self._tenant = tenant
        self._approvals = approvals
        self._progress = progress
        self._codes = [code.lower() for code in codes]
        self._lock = threading.Lock()

    def codes_for(self, policy: Policy, body_digest: str) -> tuple[str, ...]:
        """List the codes worth trying for a write.

        Raises `ApprovalError` where the remembered request still waits, and `ReconcilerError`
        where it was turned down; asking again is then for the next run.
        """
        pending = self._approvals.get(policy.id)
        if pending is None:
            with self._lock:
                return tuple(self._codes)
        status = self._tenant.approval_status(pending.code)
        if status is ApprovalStatus.PENDING:
            raise _still_waits(policy, pending.code)
        if status in _DECIDED:
            self._approvals.forget(policy.id)
            raise ReconcilerError(
                f'the approval request {pending.code} for "{policy.name}" {_DECIDED[status]}; '
                "run apply again to ask anew"
            )
        if pending.body_digest != body_digest:
            self._approvals.forget(policy.id)
            self._progress.note(
                f'"{policy.name}" has moved since its write was queued, so approval '
                f"{pending.code} no longer fits and a new one is needed"
            )
            return ()
        if status is ApprovalStatus.COMPLETED:
            self._approvals.forget(policy.id)
            return ()
        return (pending.code,)

    def send(
        self, policy: Policy, body_digest: str, call: Callable[[str | None], Receipt]
    ) -> Receipt:
        """Make a write, with a code where there is one that fits, and remember it if queued."""
        for code in self.codes_for(policy, body_digest):
            try:
                receipt = call(code)
            except GraphError as refused:
                if refused.status != 403 or isinstance(refused, ApprovalError):
                    raise
                if self._approvals.get(policy.id) is not None:
                    raise _still_waits(policy, code) from refused
                continue
            self._approvals.forget(policy.id)
            with self._lock:
                self._codes = [left for left in self._codes if left != code]
            return receipt
        try:
            return call(None)
        except ApprovalError as queued:
            if queued.approval_code is not None:
                self._approvals.put(policy.id, PendingApproval(queued.approval_code, body_digest))
            raise


def _still_waits(policy: Policy, code: str) -> ApprovalError:
    return ApprovalError(
        "the request still waits for a second administrator",
        attempted=f'assigning "{policy.name}"',
        approval_code=code,
    )
