"""What all routes share: the tenant, how this Graph behaves, and the one way a write is committed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.sandbox.faults import FaultKind
from reconciler.sandbox.multi_admin_approval import ApprovalQueue, QueuedWrite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from reconciler.sandbox.checks import JsonObject
    from reconciler.sandbox.exchange import SandboxRequest
    from reconciler.sandbox.faults import Faults
    from reconciler.sandbox.state import SandboxState

MODES = ("production", "documented")
COUNT_FORMS = ("digits", "digits-bom", "number", "base64", "base64-bom")
"""How a `$batch` may carry the number of a `$count`: text or a number, and text with or without a
byte-order mark or base64 around it. Which one Graph takes is [U] section 12."""


@dataclass(frozen=True, slots=True)
class Service:
    """One tenant's Graph. Its routes are called with the state's lock held."""

    state: SandboxState
    documented: bool
    """As the reference page says, and not as observed in real tenants."""
    page_size: int
    count_form: str
    """One of `COUNT_FORMS`."""
    faults: Faults
    on_write: Callable[[SandboxState], None]
    clock: Callable[[], float]
    new_id: Callable[[], str]

    @property
    def approval_queue(self) -> ApprovalQueue:
        """Where writes wait for approval."""
        return ApprovalQueue(self.state, self.clock, self.new_id)

    def read_assignments(
        self, request: SandboxRequest, family: str, policy_id: str
    ) -> list[JsonObject]:
        """A policy's assignments as Graph shows them at this moment, which may be an older state."""
        address = f"/{request.version}/deviceManagement/{family}/{policy_id}/assignments"
        fault = self.faults.take("GET", address, FaultKind.LAGGING_READS)
        if fault is None:
            return self.state.read_assignments(policy_id)
        default = 1 if fault.lacks is None else 0
        shown = self.state.assignments_before(
            policy_id, default if fault.behind is None else fault.behind
        )
        if fault.lacks is None:
            return shown
        return [one for one in shown if not re.search(fault.lacks, one["id"])]

    def short_pages(
        self, request: SandboxRequest, family: str, policy_id: str, total: int
    ) -> int | None:
        """The size of pages where a fault makes this policy's assignments come in several, else None.

        What the fault removes goes before the second page is asked for.
        """
        address = f"/{request.version}/deviceManagement/{family}/{policy_id}/assignments"
        fault = self.faults.take("GET", address, FaultKind.SHORT_PAGES)
        if fault is None:
            return None
        if fault.removes is not None and total > (fault.size or 0):
            before = self.state.assignments_of(policy_id)
            after = [one for one in before if not re.search(fault.removes, one["id"])]
            self.state.set_assignments(policy_id, after)
            self.on_write(self.state)
        return fault.size

    def commit(
        self, request: SandboxRequest, policy_id: str, assignments: Iterable[JsonObject]
    ) -> None:
        """Carry out a checked write, unless it must be approved first."""
        write = QueuedWrite(request.method, request.path, policy_id, request.body)
        approvals_before = self.state.approvals
        try:
            code = self.approval_queue.admit(write, request.headers)
        finally:
            if self.state.approvals != approvals_before:
                self.on_write(self.state)
        before = self.state.assignments_of(policy_id)
        self.state.set_assignments(policy_id, assignments)
        if code is not None:
            self.state.complete_approval(code)
        stale = self.faults.take(request.method, request.address, FaultKind.STALE_READS)
        if stale is not None and stale.reads is not None:
            self.state.hold_stale(policy_id, before, stale.reads)
        self.on_write(self.state)
