"""What is sent to Graph, as frozen values. Pure.

A write is described twice. A `WriteRequest` says what it means: create, patch, delete one
assignment, or assign a policy's whole set. An `EncodedRequest` is the same as the bytes that go
out. It is made once, sent as it is, and its digest tells whether a later run sends the same bytes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TypeAlias

from reconciler.model.state import Assignment, Filter, Policy, Target


@dataclass(frozen=True, slots=True)
class AssignmentToSend:
    """One assignment of a whole set.

    ``raw_target`` is the JSON text of a live target as it was read, and goes back like that, with
    ``filter`` put in where it differs. It is None for a new assignment, which is written from
    ``target`` and ``filter``. ``raw_properties`` is the JSON object of everything else that Graph
    showed beside the target, and goes back field for field.
    """

    target: Target
    filter: Filter | None
    raw_target: str | None = None
    raw_properties: str = "{}"


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """POST one assignment, as Microsoft's reference page documents it."""

    policy: Policy
    target: Target
    filter: Filter | None


@dataclass(frozen=True, slots=True)
class PatchRequest:
    """PATCH the filter of one assignment. ``filter`` is the new one; None takes it off."""

    policy: Policy
    assignment: Assignment
    filter: Filter | None


@dataclass(frozen=True, slots=True)
class DeleteRequest:
    """DELETE one assignment."""

    policy: Policy
    assignment: Assignment


@dataclass(frozen=True, slots=True)
class AssignRequest:
    """POST a policy's whole direct set. Graph removes whatever is direct and not in it."""

    policy: Policy
    assignments: tuple[AssignmentToSend, ...]


WriteRequest: TypeAlias = CreateRequest | PatchRequest | DeleteRequest | AssignRequest


@dataclass(frozen=True, slots=True)
class EncodedRequest:
    """The bytes of a write.

    ``path`` is the address below Graph's own, with the version first:
    ``beta/deviceManagement/...``. ``body`` is empty where there is none. ``attempted`` says in
    words what the request does, for messages.
    """

    method: str
    path: str
    body: bytes
    attempted: str

    @property
    def version(self) -> str:
        """Graph's version that it goes to: ``v1.0`` or ``beta``."""
        return self.path.partition("/")[0]

    @property
    def digest(self) -> str:
        """The SHA-256 of what is sent (method, path and body) in hex.

        Multi Admin Approval finishes a queued write only when the very same request comes again
        (graph.md section 10), so this tells whether a remembered code can still fit.
        """
        parts = (self.method.encode(), self.path.encode(), self.body)
        lengths = b"".join(b"%d " % len(part) for part in parts)
        return hashlib.sha256(lengths + b"".join(parts)).hexdigest()
