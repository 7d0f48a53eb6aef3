"""The impact and the risk of a plan, through the installed command over a real socket."""

from __future__ import annotations

import json
import subprocess

import pytest

from reconciler.sandbox import Fault, Faults, SandboxServer, SandboxState
from tests.support import tenants
from tests.support.clocks import FakeClock
from tests.support.in_process import CANARY, app_on
from tests.support.recorded_sandbox import RecordedSandbox
from tests.support.run_cli import COMMAND, TIME_LIMIT, environment

PARTS = ("transitiveMembers", "evaluateAssignmentFilter", "conditionalAccess", "settings",
         "deviceStatusOverview", "scheduledActionsForRule", "evaluationMode")  # fmt: skip


@pytest.fixture
def root(tmp_path):
    return tenants.declare(tmp_path / "root", {"Policy 1": ["group: Group 1"]})


def served(*faults, live=None, **figures):
    document = tenants.tenant(live or {1: []})
    return app_on(tenants.with_figures(document, **figures), FakeClock(), faults=faults)


def command(app, *arguments, cwd):
    with SandboxServer(app) as server:
        graph = {"RECONCILER_GRAPH_URL": server.url, "RECONCILER_ACCESS_TOKEN": CANARY}
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            cwd=cwd,
            env=environment(graph),
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
            check=False,
        )


def planned(app, root, *options):
    ran = command(app, "plan", root, "--format", "json", *options, cwd=root.parent)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def asked(app):
    """The readings about the impact that the tenant got."""
    return [path for _, path, _ in (*app.requests, *app.batched) if any(p in path for p in PARTS)]


def test_a_plan_tells_reach_consequence_and_risk(root):
    app = served(members={1: {"users": 0, "devices": 1240}}, block_after=0)
    plan = planned(app, root)

    (change,) = plan["changes"]
    assert change["reach"] == {
        "users": 0, "devices": 1240, "filter_matches": None, "at_most": 1240, "unknown": {},
    }  # fmt: skip
    (policy,) = plan["impact"]["policies"]
    assert policy["policy"]["name"] == "Policy 1"
    assert policy["actions"] == [{"type": "block", "after_days": 0.0}]
    assert policy["today"]["noncompliant"] == 10
    assert plan["impact"]["tenant"]["conditional_access_policies"] == 1
    assert plan["risk"]["level"] == "dangerous"
    assert [reason["code"] for reason in plan["risk"]["reasons"]] == ["blocks-at-once"]


def test_numbers_move_neither_digest_nor_exit_code(root):
    plans = [
        planned(served(members={1: {"users": users, "devices": devices}}), root)
        for users, devices in ((0, 3), (7, 20000))
    ]
    plans.append(
        planned(served(Fault("batch_status", path="transitiveMembers", code=403, times=None)), root)
    )
    plans.append(planned(served(), root, "--no-impact"))
    assert len({plan["digest"] for plan in plans}) == 1
    assert [plan["risk"]["level"] for plan in plans] == ["routine", "routine", "review", "routine"]


def test_no_impact_asks_nothing(root):
    app = served()
    plan = planned(app, root, "--no-impact")
    assert plan["impact"] is None
    assert "reach" not in plan["changes"][0]
    assert asked(app) == []


def test_a_plan_without_changes_asks_nothing(root):
    app = served(live={1: [tenants.target("group", tenants.group(1))]})
    plan = planned(app, root)
    assert (plan["impact"], plan["changes"], plan["risk"]["level"]) == (None, [], "routine")
    assert asked(app) == []


def test_apply_asks_nothing_with_a_saved_plan_or_without(root, tmp_path):
    app = served()
    command(app, "plan", root, "--out", tmp_path / "plan.json", cwd=tmp_path)
    before = len(asked(app))
    applied = command(app, "apply", tmp_path / "plan.json", "--auto-approve", cwd=tmp_path)
    assert applied.returncode == 0, applied.stderr
    assert before > 0
    assert len(asked(app)) == before

    other = served()
    assert command(other, "apply", root, "--auto-approve", cwd=tmp_path).returncode == 0
    assert asked(other) == []


def test_a_plan_is_made_even_where_nothing_can_be_counted(root):
    app = served(
        *(Fault("status", path=part, code=503, times=None) for part in PARTS),
        Fault("batch_status", path="transitiveMembers", code=403, times=None),
        Fault("batch_status", path="deviceCompliancePolicies", code=500, times=None),
    )
    plan = planned(app, root)
    (change,) = plan["changes"]
    assert change["reach"]["devices"] is None
    assert change["reach"]["unknown"].keys() == {"users", "devices", "at_most"}
    assert plan["impact"]["policies"][0]["unknown"].keys() == {"actions", "today"}
    assert plan["risk"]["level"] == "review"


def test_doctor_names_what_is_missing_for_a_number(root):
    ran = command(served(withheld=["Policy.Read.All"]), "doctor", root, cwd=root.parent)
    assert "ok      impact: devices in groups: can be seen\n" in ran.stdout
    assert "note    impact: Conditional Access policies: unknown (403: needs Policy.Read.All)" in ran.stdout  # fmt: skip
    assert ran.returncode == 0


def test_slow_numbers_of_one_root_take_no_time_from_the_next(tmp_path):
    """Nothing of the impact may make a plan fail, that of another tenant root neither."""
    for number in (1, 2, 3):
        root = tenants.declare(tmp_path / str(number), {f"Policy {number}": ["group: Group 1"]})
        label = (root / "tenant.yaml").read_text().replace("label: test", f"label: root-{number}")
        (root / "tenant.yaml").write_text(label)
    document = tenants.with_figures(tenants.tenant({1: [], 2: [], 3: []}))
    slow = Fault("slow", path="conditionalAccess", seconds=10, times=None)
    app = RecordedSandbox(SandboxState(document), faults=Faults([slow]))
    ran = command(app, "plan", ".", "--parallelism", "1", "--timeout", "12", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("Digest: sha256:") == 3
