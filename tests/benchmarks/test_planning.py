"""What a plan costs as a tenant grows: ratios of its own work, and counts of requests."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import httpx
import pytest

from reconciler import documents
from reconciler.differ.compare import diff
from reconciler.differ.guardrails import Limits
from reconciler.differ.lint import lint
from reconciler.differ.resolve import resolve
from reconciler.graph.client import GraphClient
from reconciler.graph.tenant import GraphTenant
from reconciler.graph.transport import Transport
from reconciler.loader import load
from reconciler.model.diagnostics import warning
from reconciler.operations import planning
from reconciler.operations.connect import Connection, Session
from reconciler.operations.selection import Selection
from reconciler.runtime.clock import SystemClock
from reconciler.runtime.deadline import Deadline
from reconciler.runtime.retry import Backoff
from reconciler.sandbox.state import SandboxState
from reconciler.views import annotations as annotations_view
from reconciler.views import html, markdown, sarif, text
from reconciler.views.markdown_context import Context
from tests.benchmarks.measure import best, table
from tests.benchmarks.tenants import (
    FILTERS,
    Size,
    directory,
    live_state,
    tenant_file,
    write_root,
)
from tests.support.build_plans import saved
from tests.support.example_plans import large
from tests.support.recorded_sandbox import RecordedSandbox

pytestmark = pytest.mark.benchmark

SMALL, LARGE = Size(50), Size(200)
PAGE = 25
NAMES_PER_FILTER, REQUESTS_PER_BATCH = 15, 20


class Silence:
    """Nobody watches."""

    def stage(self, title, total=None):
        pass

    def advance(self, count=1):
        pass

    def read(self, count):
        pass

    def note(self, message):
        pass

    def end(self):
        pass


class AnyToken:
    """The sandbox takes any."""

    def token(self, *, fresh=False):
        return "any"

    def describe(self):
        return "a benchmark"


def stages(size, folder):
    """Each stage of planning by itself, with what the stages before it give."""
    root = write_root(size, folder)
    live, names = live_state(size), directory(size)
    desired = load(root).state
    resolved = resolve(desired, live, names).state
    policies = diff(resolved, names).policies
    plan = large(size.policies * 3)
    assert sum(len(policy.changes) for policy in policies) == size.policies * 4
    return {
        "load": lambda: load(root),
        "resolve": lambda: resolve(desired, live, names),
        "diff": lambda: diff(resolved, names),
        "lint": lambda: lint(policies, names),
        "render": lambda: text.render(plan, width=100),
    }


def test_each_stage_of_a_plan_is_linear_in_the_assignments(tmp_path):
    few = stages(Size(150), tmp_path / "small")
    many = stages(Size(600), tmp_path / "large")
    rows = [("stage", "1,500 (ms)", "6,000 (ms)", "ratio")]
    ratios = {}
    for stage in few:
        short, long = best(few[stage], runs=5), best(many[stage], runs=3)
        ratios[stage] = long / short
        rows.append((stage, f"{short * 1e3:.1f}", f"{long * 1e3:.1f}", f"{ratios[stage]:.1f}"))
    table("planning, four times the assignments", rows)
    assert {stage: ratio for stage, ratio in ratios.items() if ratio > 8} == {}


def planned(size, folder, *, page_size=PAGE):
    """Plan on the embedded Graph, in process; gives the plan and the requests it took."""
    app = RecordedSandbox(SandboxState(tenant_file(size)), page_size=page_size)
    clock = SystemClock()
    session = Session(
        clock=clock,
        deadline=Deadline(clock, 60),
        backoff=Backoff(random.Random(0)),
        progress=Silence(),
        environ={},
        interactive=False,
        parallelism=4,
        is_stopped=lambda: False,
    )
    with httpx.Client(transport=httpx.WSGITransport(app=app)) as http:
        transport = Transport(
            http=http,
            graph="http://sandbox.localhost",
            tokens=AnyToken(),
            clock=clock,
            deadline=Deadline(clock, 60),
            backoff=Backoff(random.Random(0)),
        )
        client = GraphClient(transport, parallelism=4)
        made = planning.plan(
            load(write_root(size, folder)).state,
            (),
            session=session,
            connection=Connection(GraphTenant(client), AnyToken(), client),
            selection=Selection(),
            limits=Limits(),
        )
    assert made.complete
    return made, [path.partition("?")[0] for _method, path, _status in app.requests]


@pytest.mark.parametrize("policies", [10, 100, 300])
def test_a_plan_takes_a_request_per_page_and_a_handful_more(tmp_path, policies):
    size = Size(policies, groups=60)
    made, requests = planned(size, tmp_path / "root")
    pages = math.ceil(policies / PAGE) + 1 + math.ceil(FILTERS / PAGE)
    batches = math.ceil(math.ceil(size.groups / NAMES_PER_FILTER) / REQUESTS_PER_BATCH)
    table(
        "requests",
        [("policies", "pages", "requests"), tuple(map(str, (policies, pages, len(requests))))],
    )
    assert made.summary.create == policies * 2
    assert len(requests) <= pages + batches + 3
    assert not [path for path in requests if path.endswith("/assignments")]


def test_the_number_of_groups_costs_a_request_per_three_hundred(tmp_path):
    batches = {}
    for groups in (100, 600):
        _, requests = planned(Size(100, groups=groups), tmp_path / str(groups))
        batches[groups] = sum(path.endswith("/$batch") for path in requests)
    table("batches", [("groups", "batches"), *((str(n), str(made)) for n, made in batches.items())])
    assert batches[600] - batches[100] <= 3


def test_planning_a_tenant_four_times_as_large_takes_no_more_than_eight_times_as_long(tmp_path):
    short = best(lambda: planned(SMALL, tmp_path / f"s{next(NUMBERS)}"), runs=3)
    long = best(lambda: planned(LARGE, tmp_path / f"l{next(NUMBERS)}"), runs=2)
    rows = [("50 policies", "200 policies", "ratio")]
    table(
        "a whole plan (ms)",
        [*rows, (f"{short * 1e3:.0f}", f"{long * 1e3:.0f}", f"{long / short:.1f}")],
    )
    assert long / short < 8


NUMBERS = iter(range(10**6))


def with_warnings(plan):
    """Give each change a warning of its own, the most that a plan has to show."""
    found = (
        warning("broad-target", f"change {number}", change.declared_at)
        for number, change in enumerate(plan.changes)
    )
    return replace(plan, diagnostics=tuple(found))


def test_no_view_of_ten_thousand_changes_takes_longer_than_loading_and_comparing_them(tmp_path):
    size = Size(2_500)
    root = write_root(size, tmp_path / "root")
    live, names = live_state(size), directory(size)

    def work():
        policies = diff(resolve(load(root).state, live, names).state, names).policies
        return lint(policies, names)

    own = best(work, runs=1)
    shown = saved(with_warnings(large(10_000)))
    views = {
        "text": lambda: text.render(shown.plan, width=100),
        "json": lambda: documents.dumps(shown),
        "markdown": lambda: markdown.render(shown, Context()),
        "html": lambda: html.render(shown),
        "github": lambda: annotations_view.render_plan(shown.plan, root=""),
        "sarif": lambda: sarif.render(shown.plan.diagnostics, root="", version="0"),
    }
    taken = {name: best(view, runs=2) for name, view in views.items()}
    rows = [(name, f"{each * 1e3:.0f}", f"{each / own:.2f}") for name, each in taken.items()]
    table(
        f"10,000 changes; the plan's own work {own * 1e3:.0f} ms", [("view", "ms", "of it"), *rows]
    )
    assert {name: each for name, each in taken.items() if each > 2 * own} == {}
