"""Each folder below tests/cases/differ is a tenant, what is wanted of it, and what a plan then says.

Nothing in between is replaced: the loader reads the YAML, the client asks the embedded Graph.
``desired.yaml`` holds the policies, after a ``---`` where it begins with what stands in
``tenant.yaml``. The impact is read where live.json has members of groups. ``UPDATE_CASES=1`` rewrites every expected.txt; read the difference before keeping it.
"""

import json
import os
import random
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler import loader
from reconciler.differ.guardrails import Limits
from reconciler.differ.risk import risk_of
from reconciler.model.errors import ExitCode, ReconcilerError
from reconciler.model.impact import Unknown
from reconciler.model.plan import Create, Delete, Update, key_of
from reconciler.operations import applying, planning
from reconciler.operations.connect import SandboxAccess, Session, connect, kept_file
from reconciler.operations.selection import Selection
from reconciler.runtime.deadline import Deadline
from reconciler.runtime.retry import Backoff
from tests.support.build import TENANT
from tests.support.clocks import FakeClock
from tests.support.in_process import Heard

CASES = Path(__file__).parents[1] / "cases" / "differ"
FOLDERS = sorted(CASES.iterdir())
each_case = pytest.mark.parametrize("case", FOLDERS, ids=lambda case: case.name)


def test_each_case_has_a_number_of_its_own():
    assert len({folder.name[:3] for folder in FOLDERS}) == len(FOLDERS)


@each_case
def test_a_plan_says_what_it_would_do(case, tmp_path):
    with opened(case, tmp_path) as make:
        shown = describe(make())
    expected = case / "expected.txt"
    if os.environ.get("UPDATE_CASES"):
        expected.write_text(shown, encoding="utf-8")
    assert shown == expected.read_text(encoding="utf-8")


@each_case
def test_after_an_apply_the_plan_is_empty_and_nothing_live_is_lost(case, tmp_path):
    with opened(case, tmp_path) as make:
        before = make()
        if before is None or not before.applyable:
            return
        had = targets(case / "live.json")
        make.apply(before)
        after = make()
        has = targets(make.kept)
    assert after.is_empty
    assert {each for each in after.diagnostics if each.code not in AFTER_REMOVAL} <= set(
        before.diagnostics
    )
    assert lasting(after.diagnostics) == lasting(before.diagnostics)
    deleted = {op.live.id for op in before.changes if isinstance(op, Delete)}
    updated = {op.live.id for op in before.changes if isinstance(op, Update)}
    kept = {key: raw for key, raw in had.items() if key[1] not in deleted | updated}
    assert has.items() >= kept.items()
    created = sum(isinstance(op, Create) for op in before.changes)
    assert len(has) == len(had) - len(deleted) + created


ABOUT_CHANGES = frozenset(
    [
        "broad-target",
        "empty-group",
        "exclude-to-include",
        "exclusion-removed",
        "filter-disabled",
        "filter-inverted",
        "filter-matches-nothing",
        "filter-widened",
        "include-to-exclude",
        "last-include-removed",
        "only-exclusions",
        "reaches-nobody",
        "scope-tag-group",
        "still-assigned-by-policy-set",
    ]
)


AFTER_REMOVAL = frozenset(["removal-of-policy-set"])
"""The direct assignment is gone, and what the policy set assigns is left: announced by a warning."""


def lasting(diagnostics):
    left_out = ABOUT_CHANGES | AFTER_REMOVAL
    return [each for each in diagnostics if each.code not in left_out]


class Planner:
    """Plans, and applies, one case on one copy of its tenant."""

    def __init__(self, root, session, connection):
        self.root, self.session, self.connection = root, session, connection

    def __call__(self):
        loaded = loader.load(self.root)
        assert loaded.state, [
            f"{diagnostic.location}: {diagnostic.message}" for diagnostic in loaded.diagnostics
        ]
        return planning.plan(
            loaded.state,
            loaded.diagnostics,
            session=self.session,
            connection=self.connection,
            selection=Selection(),
            limits=Limits(),
            impact='"members"' in self.session.sandbox.file.read_text(encoding="utf-8"),
        )

    def apply(self, plan):
        options = applying.ApplyOptions(
            journal=None,
            state_folder=self.root / ".reconciler",
            approval_codes=(),
            reconciler_version="0.1.0",
        )
        result = applying.write(plan, options, session=self.session, connection=self.connection)
        assert result.exit_code is ExitCode.OK, [outcome.error for outcome in result.outcomes]

    @property
    def kept(self):
        kept = kept_file(self.session.sandbox)
        return kept if kept.exists() else self.session.sandbox.file


@contextmanager
def opened(case, root):
    write_root(case / "desired.yaml", root)
    is_documented = "scope_tag_group" in (case / "desired.yaml").read_text(encoding="utf-8")
    clock = FakeClock()
    session = Session(
        clock=clock,
        deadline=Deadline(clock, 600),
        backoff=Backoff(random.Random(1)),
        progress=Heard(),
        environ={},
        interactive=False,
        parallelism=1,
        is_stopped=lambda: False,
        sandbox=SandboxAccess(
            file=case / "live.json",
            state_folder=root / ".reconciler",
            mode="documented" if is_documented else "production",
            reset=False,
        ),
    )
    state = loader.load(root).state
    with connect(session, cloud=state.config.cloud, tenant=TENANT) as connection:
        yield Planner(root, session, connection)


def write_root(source, root):
    """Part the file into a tenant root's two files; places in the policies stay those of the file."""
    head, mark, policies = source.read_text(encoding="utf-8").partition("---\n")
    if not mark:
        head, policies = "", head
    (root / "tenant.yaml").write_text(f"tenant: {TENANT}\nlabel: contoso\n{head}", encoding="utf-8")
    above = "#\n" * (head + mark).count("\n")
    (root / "desired.yaml").write_text(above + policies, encoding="utf-8")


def targets(tenant_file):
    """Every assignment's target, as Graph stores it."""
    tenant = json.loads(tenant_file.read_text(encoding="utf-8"))
    return {
        (policy["id"], entry["id"], entry.get("source", "direct")): json.dumps(entry["target"])
        for family in ("deviceCompliancePolicies", "compliancePolicies")
        for policy in tenant.get(family, [])
        for entry in policy.get("assignments", [])
    }


# --- the plan as text


def describe(plan):
    reach = plan.impact.reach if plan.impact else {}
    lines = [line for policy in plan.policies for line in describe_policy(policy, reach)]
    lines += [describe_diagnostic(diagnostic) for diagnostic in plan.diagnostics]
    lines += [
        f"stop {stop.code} {place(stop.declared_at)}: {stop.message}" for stop in plan.stopped_by
    ]
    lines += describe_risk(risk_of(plan))
    lines.append(f"exit: plan {plan_exit(plan)}, apply {apply_exit(plan)}")
    return "".join(f"{line}\n" for line in lines)


def describe_risk(risk):
    codes = " ".join(reason.code for reason in risk.reasons)
    yield f"risk: {risk.level}{codes and f' ({codes})'}"


def describe_policy(policy, reach):
    yield f"{policy.policy.name} ({policy.policy.platform}) {policy.ownership}"
    for change in policy.changes:
        yield f"  {describe_change(change)}"
        if change in reach:
            yield f"    {describe_reach(reach[change])}"
    if policy.hold:
        yield f"  held until {policy.hold.until}: {policy.hold.reason}"
    for change in policy.held:
        yield f"  held {describe_change(change)}"
    for line in policy.scheduled:
        wanted = f"{describe_target(line.target)}, filter {format_filter(line.filter)}"
        yield f"  scheduled {wanted}, from {line.starts}, {place(line.declared_at)}"
    for keep in policy.kept:
        yield f"  keep {describe_live(keep.assignment)}, {place(keep.declared_at)}"
    for change in policy.unmanaged:
        yield f"  unmanaged {describe_live(change.assignment)}"
    for change in policy.inherited:
        covers = f", covers {place(change.declared_at)}" if change.declared_at else ""
        yield f"  inherited {describe_live(change.assignment)}, from {change.assignment.source}{covers}"


def describe_reach(reach):
    members = {
        name: getattr(reach, name) for name in ("users", "devices", "filter_matches", "at_most")
    }
    return "reach " + ", ".join(
        f"{name} unknown ({value.reason})" if isinstance(value, Unknown) else f"{name} {value}"
        for name, value in members.items()
    )


def describe_change(change):
    match change:
        case Create():
            consent = ", broad" if change.broad else ""
            wanted = (
                f"{describe_target(change.target)}, filter {format_filter(change.filter)}{consent}"
            )
            return f"create {wanted}, {place(change.declared_at)}"
        case Update():
            filters = f"filter {format_filter(change.live.filter)} -> {format_filter(change.after)}"
            consent = ", broad" if change.broad else ""
            assert key_of(change.target) == key_of(change.live.target)
            return f"update {describe_target(change.target)}, {filters}{consent}, {place(change.declared_at)}"
        case Delete():
            line = f", {place(change.declared_at)}" if change.declared_at else ""
            return f"delete {describe_live(change.live)}{line}"


def describe_live(assignment):
    return f"{describe_target(assignment.target)}, filter {format_filter(assignment.filter)}"


def format_filter(filter):
    return "none" if filter is None else f"{filter.mode} {filter.name or filter.id}"


def describe_target(target):
    words = [str(target.kind)]
    words += [f'"{target.name}"'] if target.name else []
    words += [target.id] if target.id else []
    words += (
        [f"({target.target_type or target.odata_type})"]
        if target.target_type or target.odata_type
        else []
    )
    return " ".join(words)


def describe_diagnostic(diagnostic):
    help = f" | {diagnostic.help}" if diagnostic.help else ""
    where = f"{place(diagnostic.location)}, {diagnostic.policy}"
    return f"{diagnostic.severity} {diagnostic.code} {where}: {diagnostic.message}{help}"


def place(location):
    return f"at {location.line}:{location.column}" if location else "nowhere"


def plan_exit(plan):
    """As the plan command ends with --detailed-exitcode."""
    return 1 if not plan.complete else 0 if plan.is_empty else 2


def apply_exit(plan):
    try:
        applying.refuse_unsafe(plan)
    except ReconcilerError as refusal:
        return int(refusal.exit_code)
    return 0
