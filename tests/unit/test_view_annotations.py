"""Workflow commands: one a line, errors first, and nothing in a name starts another."""

from __future__ import annotations

import re

from reconciler.model.diagnostics import Location, error, warning
from reconciler.views import annotations as annotations_view
from tests.support.build_impact import blocking, devices, with_impact
from tests.support.build_plans import (
    WINDOWS,
    create,
    group,
    only,
    plan,
    policy_plan,
    update,
)
from tests.support.example_plans import HOSTILE_NAMES, STATES, broad_and_deleting, hostile
from tests.support.golden import assert_golden

COMMAND = re.compile(r"::(error|warning) ((?:[a-z]+=[^,:]*)(?:,[a-z]+=[^,:]*)*)::(.*)")


def test_the_commands_are_as_reviewed():
    for name in ("stopped", "incomplete", "hostile"):
        text = annotations_view.render_plan(STATES[name](), root="desired-state")
        assert_golden(f"annotations/{name}.txt", text)


def test_properties_and_messages_are_escaped():
    place = Location("a,b:c%.yaml", 3, 5)
    text = annotations_view.render(
        [error("x", "50% of\n::error::it", place, help="mend")], root="r"
    )
    assert text == (
        "::error file=r/a%2Cb%3Ac%25.yaml,line=3,col=5,title=reconciler%3A x"
        "::50%25 of<U+000A>::error::it%0Amend\n"
    )


def test_errors_come_first():
    place = Location("a.yaml", 1, 1)
    found = [warning("w", "a", place), error("e", "b", Location("b.yaml", 1, 1))]
    first, second = annotations_view.render(found, root="").splitlines()
    assert first.startswith("::error ")
    assert second.startswith("::warning ")


def test_nothing_found_says_nothing():
    assert annotations_view.render([], root="") == ""


def test_a_name_cannot_start_a_command():
    lines = annotations_view.render_plan(hostile(), root="").split("\n")
    assert lines.pop() == ""
    assert all(COMMAND.fullmatch(line) for line in lines)
    assert len(lines) >= 2 * len(HOSTILE_NAMES)


def test_a_stop_takes_the_place_of_its_warning():
    text = annotations_view.render_plan(broad_and_deleting(), root="")
    assert text.count("::error ") == 3
    assert "::warning " in text
    assert not re.search("::warning .*(broad-target|reaches-everybody)", text)


def test_a_danger_that_nothing_else_states_is_a_warning_with_its_reach():
    change = create(WINDOWS, group("Sales"))
    made = with_impact(
        plan(policy_plan(WINDOWS, change)), {change: devices(1240)}, {WINDOWS: blocking()}
    )
    text = annotations_view.render_plan(made, root="r")
    assert text == (
        "::warning file=r/policies/windows.yaml,line=7,col=9,title=reconciler%3A blocks-at-once::"
        'Windows 11 - Baseline: include group "Sales" may reach many devices, and the policy blocks '
        "at once%0Areaches at most 1,240 devices\n"
    )


def test_a_danger_that_a_warning_states_is_told_once_with_its_reach():
    change = update(WINDOWS, group("Sales"), only("Corporate"), None)
    found = warning("filter-widened", "wider", change.declared_at, help="look", policy=WINDOWS.name)
    made = plan(policy_plan(WINDOWS, change), diagnostics=(found,))
    [line] = annotations_view.render_plan(
        with_impact(made, {change: devices(40)}), root=""
    ).splitlines()
    assert line.endswith("::Windows 11 - Baseline: wider%0Alook; reaches at most 40 devices")


def test_a_file_name_passes_no_control_character_on():
    place = Location("\x1b[31m\u202egnp.yaml", 1, 1)
    text = annotations_view.render([error("x", "m", place)], root="r")
    assert text.startswith("::error file=r/<U+001B>[31m<U+202E>gnp.yaml,line=1,")
