"""The stages of one plan in this process, each apart: what share of the work it is."""

from __future__ import annotations

import gc
import random
from pathlib import Path
from time import process_time
from typing import Protocol, TypeVar

from reconciler.differ.compare import diff
from reconciler.differ.cover import cover
from reconciler.differ.lint import lint
from reconciler.differ.resolve import resolve
from reconciler.graph.client import GraphClient
from reconciler.graph.tenant import GraphTenant
from reconciler.graph.transport import Transport
from reconciler.loader import load
from reconciler.model.plan import Plan, PlanTenant
from reconciler.model.state import Cloud
from reconciler.operations.planning import read_tenant
from reconciler.operations.selection import Selection
from reconciler.runtime.clock import SystemClock
from reconciler.runtime.deadline import Deadline
from reconciler.runtime.http_client import open_client
from reconciler.runtime.retry import Backoff
from reconciler.views import text
from tests.benchmarks.processes import serving

T = TypeVar("T")


class _Prepared(Protocol):
    @property
    def root(self) -> Path: ...
    @property
    def file(self) -> Path: ...


class _AnyToken:
    def token(self, *, fresh: bool = False) -> str:
        return "any"

    def describe(self) -> str:
        return "a benchmark"


def shares(prepared: _Prepared) -> dict[str, float]:
    """The share of each stage of a plan in the processor time of all of them."""
    gc.disable()  # as the program does
    taken: dict[str, float] = {}
    began = process_time()

    def stage(name: str, result: T) -> T:
        nonlocal began
        taken[name] = process_time() - began
        began = process_time()
        return result

    clock = SystemClock()
    with serving(prepared.file) as served, open_client(served.url, {}, connections=4) as http:
        transport = Transport(
            http=http,
            graph=served.url,
            tokens=_AnyToken(),
            clock=clock,
            deadline=Deadline(clock, 600),
            backoff=Backoff(random.Random(0)),
        )
        tenant = GraphTenant(GraphClient(transport, parallelism=4))
        began = process_time()
        desired = stage("load the files", load(prepared.root)).state
        assert desired is not None
        reading = stage("read the tenant", read_tenant(desired, tenant, Selection(), 4))
    began = process_time()
    resolved = stage("resolve names", resolve(reading.chosen, reading.live, reading.directory))
    policies = diff(resolved.state, reading.directory).policies
    found = (*lint(policies, reading.directory), *cover(policies, reading.directory, {}))
    plan = Plan(
        tenant=PlanTenant("t", "large", None, Cloud.GLOBAL),
        policies=stage("compare and lint", policies),
        writes=desired.config.writes,
        guardrails=desired.config.guardrails,
        complete=True,
        diagnostics=found,
    )
    stage("render as text", text.render(plan, width=100))
    return {name: each / sum(taken.values()) for name, each in taken.items()}
