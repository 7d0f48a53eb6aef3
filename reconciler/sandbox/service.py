"""What all routes share: the tenant, how this Graph behaves, and the one way a write is committed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.sandbox.approvals import Desk, Write
from reconciler.sandbox.faults import FaultKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from reconciler.sandbox.exchange import SandboxRequest
    from reconciler.sandbox.faults import Faults
    from reconciler.sandbox.state import SandboxState
    from reconciler.sandbox.tenant_file import JsonObject

MODES = ("production", "documented")


@dataclass(frozen=True, slots=True)
class Service:
    """One tenant's Graph. Its routes are called with the state's lock held."""

    state: SandboxState
    documented: bool
    """As the reference page says, and not as observed in real tenants."""
    page_size: int
    faults: Faults
    on_write: Callable[[SandboxState], None]
    clock: Callable[[], float]
    new_id: Callable[[], str]

    @property
    def desk(self) -> Desk:
        """Where writes wait for approval."""
        return Desk(self.state, self.clock, self.new_id)

    def commit(
        self, call: SandboxRequest, policy_id: str, assignments: Iterable[JsonObject]
    ) -> None:
        """Carry out a write that is known to be right, unless it must be approved first."""
        write = Write(call.method, call.path, policy_id, call.body)
        approvals_before = self.state.approvals
        try:
            code = self.desk.admit(write, call.headers)
        finally:
            if self.state.approvals != approvals_before:
                self.on_write(self.state)
        before = self.state.assignments_of(policy_id)
        self.state.set_assignments(policy_id, assignments)
        if code is not None:
            self.state.complete_approval(code)
        stale = self.faults.take(call.method, call.address, FaultKind.STALE_READS)
        if stale is not None and stale.reads is not None:
            self.state.hold_stale(policy_id, before, stale.reads)
        self.on_write(self.state)
