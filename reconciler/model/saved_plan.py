"""A plan as it is saved and shown. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reconciler.model.plan import Plan


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan with the moment when the tenant had been read, and the release that made it."""

    plan: Plan
    created_at: datetime
    reconciler_version: str
