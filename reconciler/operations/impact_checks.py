"""Which numbers of a plan's impact this sign-in can see, tried on one group, filter and policy. Does I/O."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from reconciler.graph.client import GraphClient
from reconciler.graph.impact import read_impact
from reconciler.graph.probes import sample_questions
from reconciler.model.impact import ImpactReadings, Unknown
from reconciler.operations.health import Check, Health


def impact_checks(client: GraphClient, now: datetime) -> Iterator[Check]:
    """Try every number once. None of them is needed, so none is missing. Raises `Interrupted` alone."""
    readings = read_impact(client, sample_questions(client), now)
    for title, value in _values(readings):
        if isinstance(value, Unknown):
            yield Check(f"impact: {title}", Health.NOTE, f"unknown ({value.reason})")
        else:
            yield Check(f"impact: {title}", Health.OK, "can be seen")


def _values(readings: ImpactReadings) -> Iterator[tuple[str, object]]:
    nothing = Unknown("not tried: this identity sees none in the tenant")
    members = next(iter(readings.members.values()), None)
    matches = next(iter(readings.filter_matches.values()), nothing)
    policy = next(iter(readings.policies.values()), None)
    yield "users in groups", members.users if members else nothing
    yield "devices in groups", members.devices if members else nothing
    yield "devices that a filter matches", matches
    yield "actions for noncompliance", policy.actions if policy else nothing
    yield "status of devices today", policy.today if policy else nothing
    yield "devices without a policy", readings.tenant.secure_by_default
    yield "Conditional Access policies", readings.tenant.conditional_access_policies
