"""What ``--policy`` selects: two wildcards, and every other character means itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.differ.guardrails import Limits
from reconciler.loader import load
from reconciler.model.diagnostics import Location
from reconciler.model.state import (
    DesiredPolicy,
    DesiredState,
    LivePolicy,
    LiveState,
    Ownership,
    Policy,
    Reference,
    TenantConfig,
)
from reconciler.operations import planning
from reconciler.operations.connect import Connection
from reconciler.operations.selection import Selection
from tests.support.clocks import FakeClock
from tests.support.in_process import Run, app_on
from tests.support.tenants import LINUX, declare, group, target, tenant

TENANT = "7d2f9a54-51d8-4c0e-9b57-0c1f5d6c7a11"


def policy_id(number):
    return f"aaaaaaaa-0000-4000-8000-{number:012x}"


def live(*names):
    policies = [
        Policy(policy_id(number), name, "classic", "#microsoft.graph.x", "windows10", False)
        for number, name in enumerate(names)
    ]
    return LiveState({policy.id: LivePolicy(policy, ()) for policy in policies})


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    """Declare policies by the given YAML lines."""

    def written(*references: str):
        folder: Path = tmp_path_factory.mktemp("root")
        (folder / "tenant.yaml").write_text(f"tenant: {TENANT}\n")
        lines = [f"  - {each}\n    include: [{{group: A}}]\n" for each in references]
        (folder / "p.yaml").write_text("policies:\n" + "".join(lines))
        state = load(folder).state
        assert state is not None
        return state

    return written


def selected(state, there, *globs):
    chosen, unmatched = Selection(globs).select(state, there)
    references = [policy.reference for policy in chosen.policies]
    return [each.name or each.id for each in references], [d.message for d in unmatched]


@pytest.mark.parametrize(
    ("names", "glob", "expected"),
    [
        (["[P] Win", "P Win"], "[P] Win", ["[P] Win"]),
        (["[P] Win", "P Win"], "[P]*", ["[P] Win"]),
        (["[!a]x", "bx"], "[!a]?", ["[!a]x"]),
        (["a.c", "abc"], "a.c", ["a.c"]),
        (["a.c", "abc"], "a?c", ["a.c", "abc"]),
        (["(x|y)+", "x"], "(x|y)+", ["(x|y)+"]),
        (["a{1}", "a"], "a{1}*", ["a{1}"]),
        (["C:\\d", "C:5"], "C:\\d", ["C:\\d"]),
        (["^a$", "a"], "^a$", ["^a$"]),
        (["Win", "win"], "win", ["win"]),
        (["Win", "WIN"], "w*", []),
        (["Windows - A", "macOS"], "**A", ["Windows - A"]),
        (["~a", "a"], "~a", ["~a"]),
        (["100% ok", "100"], "100%*", ["100% ok"]),
    ],
)
def test_only_the_star_and_the_question_mark_are_wildcards(write, names, glob, expected):
    quoted = ["name: '{}'".format(name.replace("'", "''")) for name in names]
    found, unmatched = selected(write(*quoted), live(*names), glob)
    assert found == expected
    assert bool(unmatched) is not bool(expected)


def test_a_glob_that_is_the_name_of_a_policy_means_that_policy_alone(write):
    names = ["Win*", "Windows"]
    state = write(*(f"name: '{name}'" for name in names))
    assert selected(state, live(*names), "Win*") == (["Win*"], [])


def test_an_id_selects_the_policy_that_is_declared_by_name_and_by_id(write):
    state = write("name: One", f"id: {policy_id(1)}")
    there = live("One", "Two")
    assert selected(state, there, policy_id(0).upper()) == (["One"], [])
    assert selected(state, there, policy_id(1)) == ([policy_id(1)], [])
    assert selected(state, there, "Tw?") == ([policy_id(1)], [])


def test_wildcards_are_held_against_names_and_not_against_ids(write):
    state = write(f"id: {policy_id(0)}", "name: Two")
    assert selected(state, live("One", "Two"), "aaaa*") == ([], [no_match("aaaa*")])


def test_a_policy_that_has_no_name_anywhere_is_in_the_selection_of_all(write):
    state = write(f"id: {policy_id(9)}", "name: Two")
    assert selected(state, live("Two"), "*") == ([policy_id(9), "Two"], [])


def test_an_empty_glob_selects_nothing(write):
    assert selected(write("name: Two"), live("Two"), "") == ([], [no_match("")])


def test_one_glob_that_matches_nothing_is_an_error_beside_one_that_does(write):
    state = write("name: One", "name: Two")
    assert selected(state, live("One", "Two"), "One", "Six") == (["One"], [no_match("Six")])


def no_match(glob):
    return f'--policy "{glob}" matches no declared policy'


@given(st.text(st.sampled_from("ab[]!-*?.\\^$(){}|+"), min_size=1, max_size=8))
def test_every_name_selects_itself_and_nothing_else(name):
    place = Location("p.yaml", 1, 1)
    config = TenantConfig(TENANT, "label", place)
    policies = tuple(
        DesiredPolicy(Reference(None, each, place), None, Ownership.ADDITIVE, ())
        for each in (name, f"{name}a", f"a{name}")
    )
    state = DesiredState(config, policies)
    chosen, unmatched = Selection((name,)).select(state, LiveState({}))
    assert [policy.reference.name for policy in chosen.policies] == [name]
    assert unmatched == ()


def test_only_declared_policies_that_may_be_selected_are_wanted(write):
    state = write("name: One", f"id: {policy_id(1)}", "name: Two")
    policies = list(live("One", "Other", "Two", "Nobody's").known())

    def wanted(*globs):
        is_wanted = Selection(globs).wanted(state)
        return [policy.name for policy in policies if is_wanted(policy)]

    assert wanted() == ["One", "Other", "Two"]
    assert wanted("O*") == ["One", "Other"]
    assert wanted("One", policy_id(2)) == ["One", "Two"]
    assert wanted("Nobody*") == []


def test_what_is_not_selected_is_not_read_not_warned_about_and_stops_nothing(tmp_path):
    """Its assignments are nonsense, its groups exist nowhere, and its lines earn a warning."""
    clock = FakeClock()
    app = app_on(tenant({1: [], 2: [target("group", group(1))]}), clock)
    root = declare(tmp_path / "root", {"Policy 1": ["group: Group 1"]})
    (root / "more.yaml").write_text(
        "x-unused: &unused {a: b}\npolicies:\n  - name: Policy 2\n    include: [{group: Nobody}, all_devices]\n"
        "  - name: Linux\n    include: [{group: Nobody either}]\n"
        "  - name: Nowhere\n    include: [{group: Group 1}]\n"
    )
    run = Run(Nonsense(app), root, clock=clock)
    loaded = load(root)
    assert loaded.state is not None
    assert [each.code for each in loaded.diagnostics] == ["unused-anchor"]
    made = planning.plan(
        loaded.state,
        loaded.diagnostics,
        session=run.session,
        connection=Connection(run.tenant, run.tokens, run.client),
        selection=Selection(("Policy 1",)),
        limits=Limits(),
    )
    assert (made.complete, made.diagnostics) == (True, ())
    assert [policy.policy.name for policy in made.policies] == ["Policy 1"]
    asked = [path for method, path, _ in app.requests]
    assert not [path for path in asked if "Nobody" in path or f"{LINUX}/assignments" in path]


class Nonsense:
    """Serves a list in which the second policy has an assignment without a target."""

    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        if not environ["PATH_INFO"].endswith("deviceCompliancePolicies"):
            return self.app(environ, start_response)
        heads = []
        page = json.loads(b"".join(self.app(environ, lambda *head: heads.append(head))))
        for entry in page["value"]:
            if entry["displayName"] == "Policy 2":
                entry["assignments"] = [{"id": 5}]
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(page).encode()]


@pytest.mark.parametrize(
    ("glob", "advice"),
    [
        ("Windos", 'nearest: "Windows"; write'),
        ("windows", 'nearest: "Windows"; write'),
        ("LINUX*", 'nearest: "Linux - A", "Linux - B"; write'),
        ("zzz", "write the exact name or the id"),
        ("zzz*", "write the exact name or the id"),
    ],
)
def test_the_nearest_names_are_suggested_for_one_that_matches_nothing(write, glob, advice):
    names = ["Windows", "Linux - A", "Linux - B"]
    state = write(*(f"name: {name}" for name in names))
    _, [unmatched] = Selection((glob,)).select(state, live(*names))
    assert unmatched.help.startswith(advice)
