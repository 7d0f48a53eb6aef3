"""A plan on a snapshot is the plan on the tenant that it was made of."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.differ.compare import diff
from reconciler.documents import snapshots
from reconciler.graph.tenant import GraphTenant
from reconciler.model.plan import change_lines, digest_of_lines
from reconciler.model.ports import Directory
from reconciler.model.state import (
    Cloud,
    LivePolicy,
    LiveState,
    ResolvedPolicy,
    ResolvedState,
    TenantIdentity,
)
from reconciler.sandbox import SandboxApp, SandboxState
from tests.support import build
from tests.support.clocks import FakeClock
from tests.support.in_process import tenant_on
from tests.support.strategies import (
    POLICY_IDS,
    directories,
    hostile_names,
    resolved_policies,
)

MOMENT = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
NAME = hostile_names.filter(lambda name: name.isprintable())


def offline(snapshot: snapshots.Snapshot) -> GraphTenant:
    clock = FakeClock()
    return tenant_on(SandboxApp(SandboxState.as_read(snapshot.graph)), clock)


def plan_of(resolved: ResolvedState, directory: Directory) -> tuple[str, list[str]]:
    difference = diff(resolved, directory)
    lines = change_lines(change for policy in difference.policies for change in policy.changes)
    messages = [each.message for each in difference.diagnostics]
    return digest_of_lines(build.TENANT, lines), messages


@st.composite
def states(draw):
    ids = draw(st.lists(st.sampled_from(POLICY_IDS), max_size=4, unique=True))
    return tuple(draw(resolved_policies(id)) for id in ids)


def as_read(directory: Directory) -> Directory:
    """The client never gives half a surrogate pair on, so no name that was read holds one."""

    def whole(name: str) -> str:
        return name.encode("utf-8", "replace").decode()

    groups = {
        id: replace(group, name=whole(group.name)) for id, group in directory.groups.by_id.items()
    }
    filters = {id: replace(each, name=whole(each.name)) for id, each in directory.filters.items()}
    return Directory(replace(directory.groups, by_id=groups), filters)


@settings(max_examples=200, deadline=None)
@given(states(), directories().map(as_read), st.none() | NAME)
def test_a_plan_on_a_snapshot_is_the_online_plan(policies, directory, display_name):
    live = LiveState({each.live.policy.id: each.live for each in policies})
    parts = snapshots.dump_parts(
        live,
        directory,
        identity=TenantIdentity(build.TENANT, display_name, ("contoso.example",)),
        cloud=Cloud.GLOBAL,
        names=(),
        ids=directory.groups.by_id.keys(),
        all_groups=False,
        created_at=MOMENT,
        reconciler_version="0.1.0",
    )
    tenant = offline(snapshots.loads("".join(parts), source="snapshot.json"))
    assert tenant.identify() == TenantIdentity(build.TENANT, display_name, ("contoso.example",))
    read = tenant.read_policies()
    assert read.policies.keys() == live.policies.keys()
    assert not read.unreadable
    groups = tenant.find_groups(names=(), ids=directory.groups.by_id)
    known = Directory(groups, tenant.read_filters())
    assert known.groups.by_id == directory.groups.by_id
    assert {id: each.name for id, each in known.filters.items()} == {
        id: each.name for id, each in directory.filters.items()
    }
    again = tuple(
        ResolvedPolicy(
            LivePolicy(each.live.policy, read.policies[each.live.policy.id].assignments),
            each.ownership,
            each.assignments,
            each.location,
        )
        for each in policies
    )
    assert plan_of(ResolvedState(build.config(), again), known) == plan_of(
        ResolvedState(build.config(), policies), directory
    )
