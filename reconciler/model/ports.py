"""What the pipeline needs of the outside world, as protocols. Pure: no implementation, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from reconciler.model.errors import GraphError, MultiAdminApprovalStatus
from reconciler.model.requests import EncodedRequest, WriteRequest
from reconciler.model.state import (
    AssignmentFilter,
    Group,
    LivePolicy,
    LiveState,
    Policy,
    TenantIdentity,
)


class Clock(Protocol):
    """Time as a parameter, so that tests can hold it still."""

    def now(self) -> datetime:
        """The wall clock, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait. Raises `Interrupted` as soon as the user asks to stop."""
        ...


class Progress(Protocol):
    """Told what is being done, for a person who waits; silence is a valid implementation."""

    def stage(self, title: str, total: int | None = None) -> None:
        """A new stage begins; ``total`` is how many steps it has, where that is known."""
        ...

    def advance(self, count: int = 1) -> None:
        """So many more steps of the stage are done."""
        ...

    def read(self, count: int) -> None:
        """So many more objects were read; of interest in a stage without a total alone.

        A stage with one counts its own steps, and reads on the way to each of them.
        """
        ...

    def note(self, message: str) -> None:
        """Say one thing that the user should know, once."""
        ...

    def end(self) -> None:
        """The last stage is over, and a result follows."""
        ...


@dataclass(frozen=True, slots=True)
class GroupSearch:
    """What the directory knows of the groups asked for.

    ``by_id`` holds every group that was found, however it was asked for; ``by_name`` holds every group whose name equals an asked name when case is ignored; ``nearby``
    holds, for names that lead nowhere, groups with a similar beginning. ``not_covered`` holds the
    names and ids asked for of which nothing can be said: a snapshot does not cover them.
    """

    by_id: Mapping[str, Group]
    by_name: Mapping[str, tuple[Group, ...]]
    nearby: Mapping[str, tuple[Group, ...]]
    not_covered: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Directory:
    """Names and ids of everything that assignments point at; ``filters`` is keyed by id."""

    groups: GroupSearch
    filters: Mapping[str, AssignmentFilter]

    def group_name(self, group_id: str | None) -> str | None:
        """The display name of a group, None where it is unknown, gone, or has none."""
        group = self.groups.by_id.get(group_id or "")
        return (group.name or None) if group else None

    def membership_rule(self, group_id: str | None) -> str | None:
        """The rule of a dynamic group, None for assigned and unknown ones."""
        group = self.groups.by_id.get(group_id or "")
        return group.membership_rule if group else None


@dataclass(frozen=True, slots=True)
class Receipt:
    """Graph accepted a write. ``request_id`` is what Microsoft's support asks for."""

    request_id: str | None


class Reader(Protocol):
    """Reading a tenant: everything a plan needs."""

    def identify(self) -> TenantIdentity:
        """Name the tenant that the signed-in identity belongs to."""
        ...

    def read_policies(self, wanted: Callable[[Policy], bool] | None = None) -> LiveState:
        """Read every compliance policy; complete, or an exception.

        Only those ``wanted`` (all without it) are read with their assignments: what is wrong with
        the assignments of another one is no exception.
        """
        ...

    def read_policy(self, policy: Policy) -> LivePolicy:
        """Read one policy's assignments afresh; complete, or an exception.

        The result has its ``read_at``. A response that belongs to another policy is not taken.
        """
        ...

    def read_each(self, policies: Sequence[Policy]) -> Mapping[str, LivePolicy | GraphError]:
        """Read several policies' assignments afresh, by policy id, in as few requests as Graph allows.

        A policy that could not be read has its error in the result. Raises `ReconcilerError` where
        nothing could be read at all.
        """
        ...

    def read_filters(self) -> Mapping[str, AssignmentFilter]:
        """Read every assignment filter of the tenant, by id."""
        ...

    def find_groups(
        self, *, names: Iterable[str], ids: Iterable[str], other_names: Iterable[str] = ()
    ) -> GroupSearch:
        """Look groups up, by name and by id, in as few requests as Graph allows.

        ``other_names`` are looked up too, and need no similar names where they lead nowhere.
        """
        ...


class Writer(Protocol):
    """Writing to a tenant: `encode` a request once, then `send` it."""

    def prepare_write(self) -> None:
        """Wait for all that a write may have to wait for: its turn, and a token.

        Called directly before the reading that a write will rest on, so that nothing but the
        request itself lies between the two.
        """
        ...

    def encode(self, request: WriteRequest, *, reproducible: bool) -> EncodedRequest:
        """Write a request out in bytes, without sending it.

        ``reproducible`` makes the bytes independent of the order in which Graph writes the keys of
        an opaque target, as Multi Admin Approval needs.
        """
        ...

    def send(self, request: EncodedRequest, approval_code: str | None = None) -> Receipt:
        """Send these bytes, once. The request is never repeated here.

        ``approval_code`` finishes a write that was queued and is now approved. Raises
        `ThrottledError` or `NotExecutedError` where nothing happened, `OutcomeUnknownError` where
        nobody can tell, `MultiAdminApprovalError` where a second administrator must approve, and
        `GraphError` where Graph refused.
        """
        ...

    def approval_status(self, approval_code: str) -> MultiAdminApprovalStatus | None:
        """Where a queued write stands; None where this identity may not see it."""
        ...


class Tenant(Reader, Writer, Protocol):
    """A tenant that can be read and written."""


class Journal(Protocol):
    """Keeps what was, what was sent and what came back; each record is safe before the call ends."""

    def record(self, event: str, policy: Policy, **facts: object) -> None:
        """Write one line. ``facts`` are JSON values. Raises `OSError` where that fails."""
        ...


@dataclass(frozen=True, slots=True)
class PendingApproval:
    """A write that waits for a second administrator: its code, and which write it was."""

    code: str
    body_digest: str


class PendingApprovals(Protocol):
    """Remembers queued writes from one run to the next, by policy id."""

    def get(self, policy_id: str) -> PendingApproval | None:
        """The write of this policy that was queued and not yet finished."""
        ...

    def put(self, policy_id: str, pending: PendingApproval) -> None:
        """Remember a queued write."""
        ...

    def forget(self, policy_id: str, code: str) -> None:
        """Forget a request that is finished or closed. A newer one of the same policy stays."""
        ...
