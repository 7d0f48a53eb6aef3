"""The text view: whole screens against golden files, and what holds for every plan.

UPDATE_GOLDEN=1 writes the golden files anew; review what changed as a diff.
"""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

import pytest

from reconciler.cli.paint import paint
from reconciler.model import diagnostics, state
from reconciler.model.result import PolicyOutcome, Status
from reconciler.views import apply_text, text, validation
from tests.support import build_plans, example_plans
from tests.support.run_cli import plain

GOLDEN = Path(__file__).parents[1] / "golden" / "text"
PLANS = ("ordinary", "unchanged", "broad_and_deleting", "incomplete", "held", "counted")
WIDTHS = (40, 80, 120)


def check(name, found):
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        file.write_text(found, encoding="utf-8")
    assert found == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", PLANS)
def test_a_plan_reads_as_it_always_did(name, width):
    made = getattr(example_plans, name)()
    check(f"{name}.{width}", text.render(made, width=width, root="desired-state"))


def test_what_a_change_reaches_stands_below_it():
    shown = text.render(example_plans.counted(), width=80)
    change = '  + include group "Sales laptops"\n      filter: include "Corporate owned"\n'
    change += "      policies/windows.yaml:7\n"
    assert (
        f"{change}      reaches at most 1,240 devices: 1,240 in the group, filter matches 3,410\n"
        in shown
    )
    policy = "Windows 11 - Baseline  (Windows 10/11)\n"
    policy += "  noncompliant: block at once; today 2,049 compliant, 64 not, 3 pending, as of\n"
    assert f"{policy}    09:12 UTC\n" in shown


@pytest.mark.parametrize("width", [40, 80])
def test_impact_is_wrapped_to_the_screen(width):
    shown = text.render(example_plans.counted(), width=width)
    words = ("reaches", "noncompliant", "In this tenant", "Not known")
    assert [
        line for line in shown.splitlines() if line.strip().startswith(words) and len(line) > width
    ] == []


@pytest.mark.parametrize("width", [80, 120])
def test_a_verbose_plan_reads_as_it_always_did(width):
    check(f"verbose.{width}", text.render(example_plans.ordinary(), width=width, verbose=True))


@pytest.mark.parametrize("name", PLANS)
def test_a_coloured_plan_looks_as_it_always_did(name):
    made = getattr(example_plans, name)()
    painted = paint(text.render(made, width=80, verbose=True))
    check(f"{name}.painted", painted.replace("\x1b", "<ESC>"))


@pytest.mark.parametrize("width", [80, 120])
def test_a_result_reads_as_it_always_did(width):
    check(f"result.{width}", apply_text.render(example_plans.mixed_outcomes(), width=width))


@pytest.mark.parametrize("name", [*PLANS, "hostile"])
def test_colours_change_nothing_but_colours(name):
    shown = text.render(getattr(example_plans, name)(), width=80, verbose=True)
    assert plain(paint(shown)) == shown


@pytest.mark.parametrize("width", WIDTHS)
def test_no_name_brings_a_control_character_or_a_line_of_its_own(width):
    made = example_plans.hostile()
    shown = text.render(made, width=width, verbose=True)
    unseen = {
        character
        for character in shown
        if character != "\n" and unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Cs")
    }
    assert unseen == set()
    assert "\n| c | d |" not in shown


@pytest.mark.parametrize("width", [*WIDTHS, 1])
def test_running_text_is_wrapped_to_the_screen(width):
    shown = text.render(example_plans.broad_and_deleting(), width=width)
    stops = shown[shown.index("Apply would stop") :].splitlines()
    room = max(width, 40)
    assert [line for line in stops if len(line) > room and "sha256:" not in line] == []


def test_every_change_says_its_sign_and_its_side():
    shown = text.render(example_plans.ordinary(), width=200)
    changes = [line.split()[:2] for line in shown.splitlines() if line.startswith("  ")]
    assert [pair for pair in changes if pair[0] in "+~-"] == [
        ["+", "include"],
        ["+", "include"],
        ["+", "exclude"],
        ["~", "include"],
    ]


def test_an_empty_root_leaves_file_names_as_they_are():
    made = example_plans.ordinary()
    assert text.render(made, width=80) == text.render(made, width=80, root=".")


@pytest.mark.parametrize("column", [1, 50, 300, 999])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_long_line_is_cut_around_the_place_and_the_caret_points_at_it(width, column):
    line = "".join(chr(97 + index % 26) for index in range(400))
    place = diagnostics.Location("a.yaml", 7, column, line)
    shown = validation.render([diagnostics.error("x", "wrong", place)], width=width)
    _, excerpt, caret = shown.splitlines()
    assert len(excerpt) <= width
    under = excerpt[caret.index("^")] if caret.index("^") < len(excerpt) else None
    assert under == (line[column - 1] if column <= len(line) else None)


@pytest.mark.parametrize("width", range(40, 130))
def test_what_is_to_be_copied_is_never_broken(width):
    shown = text.render(example_plans.broad_and_deleting(), width=width)
    assert shown.count('"broad: true"') == 2
    assert shown.count("(max_deletes)") == 1


def test_a_deleted_exclusion_says_what_it_means():
    shown = text.render(example_plans.broad_and_deleting(), width=80)
    assert (
        '- exclude group "Contractors"\n      no longer excluded: its members may then be reached\n'
        in shown
    )
    changes, _, closing = shown.partition("\nApply would stop")
    assert changes.count("may then be reached") == 1
    assert closing.count("may then be reached") == 1


def test_an_incomplete_plan_without_changes_does_not_look_like_one_with_nothing_to_do():
    found = [
        diagnostics.error("x", "wrong", None, policy=build_plans.WINDOWS.name),
        diagnostics.error("x", "wrong", None, policy=build_plans.MACS.name),
        diagnostics.error("x", "wrong again", None, policy=build_plans.MACS.name),
        diagnostics.error("x", "wrong", None),
    ]
    planned = build_plans.policy_plan(build_plans.WINDOWS)
    made = build_plans.plan(planned, diagnostics=tuple(found))
    shown = text.render(made, width=80)
    assert 'Not planned because of the errors above: "macOS - FileVault"\n' in shown
    assert "Plan: " not in shown
    assert "sha256:" not in shown


def test_a_group_without_a_name_was_not_in_the_directory_and_other_targets_are_not_looked_up():
    kind = state.TargetKind.COLLECTION
    others = [state.Target(kind, "sms1"), build_plans.group(""), build_plans.ALL_USERS]
    made = build_plans.plan(
        build_plans.policy_plan(
            build_plans.WINDOWS,
            *(build_plans.create(build_plans.WINDOWS, each) for each in others),
            build_plans.delete(build_plans.WINDOWS, build_plans.group(None, id="g1")),
            build_plans.delete(build_plans.WINDOWS, build_plans.excluded(None)),
        )
    )
    shown = text.render(made, width=120)
    assert re.search(r"- include group g1 \(not in the directory\) +no longer assigned\n", shown)
    assert shown.count("(not in the directory)") == 2


@pytest.mark.parametrize("width", WIDTHS)
def test_a_terminal_breaks_no_diagnostic_inside_a_word(width):
    long = diagnostics.warning("x", "word " * 60 + "end", build_plans.at(), policy="macOS")
    shown = validation.render([long], width=width, on_screen=True)
    message = shown.splitlines()[: -len(("excerpt", "caret"))]
    assert max(map(len, message)) <= max(width, 40)
    assert " ".join(line.strip() for line in message).endswith("word end")
    assert all(line.startswith("    ") for line in message[1:])


def test_a_program_finds_a_diagnostic_on_one_line():
    long = diagnostics.warning("x", "word " * 60 + "end", build_plans.at())
    shown = validation.render([long], width=40)
    assert shown.splitlines()[0].endswith("word end")


def test_what_stops_the_plan_is_not_told_as_a_warning_too():
    shown = text.render(example_plans.broad_and_deleting(), width=200)
    assert shown.count("policies/windows.yaml:4:9") == 1
    assert "warning:" not in shown


def test_two_groups_of_one_name_are_told_apart():
    first = build_plans.group("Sales", id="4f1c0b2a-0000-4000-8000-000000000000")
    second = build_plans.group("Sales", id="5a1c0b2a-0000-4000-8000-000000000000")
    shown = text.render(
        build_plans.plan(
            build_plans.policy_plan(
                build_plans.WINDOWS, build_plans.create(build_plans.WINDOWS, first)
            ),
            build_plans.policy_plan(
                build_plans.MACS, build_plans.unmanaged(build_plans.MACS, second)
            ),
        ),
        width=120,
        verbose=True,
    )
    assert '+ include group "Sales" (4f1c0b2a)' in shown
    assert 'unmanaged include group "Sales" (5a1c0b2a)' in shown


CODES = ("9d8c7b6a-1111-4222-8333-abcdefabcdef", "0a8c7b6a-1111-4222-8333-abcdefabcdef")


def outcome(status, policy=build_plans.WINDOWS, **facts):
    change = build_plans.create(policy, build_plans.group("Sales"))
    written = (change,) if status is Status.APPLIED else ()
    return PolicyOutcome(policy, status, (change,), written, **facts)


def test_waiting_for_approval_does_not_read_as_failure_and_says_how_to_go_on():
    waiting = [
        outcome(Status.PENDING_APPROVAL, policy, approval_code=code)
        for policy, code in zip((build_plans.WINDOWS, build_plans.MACS), CODES, strict=True)
    ]
    made = example_plans.applied(*waiting, outcome(Status.APPLIED, build_plans.PHONES))
    shown = apply_text.render(made, width=80)
    assert "\nApply waiting for approval: 1 added, 0 changed, 0 removed.\n" in shown
    assert "\n  Tenant administration > Multi Admin Approval > Received requests\n" in shown
    assert f"\n  --approval-code {CODES[0]} --approval-code {CODES[1]}\n" in shown
    assert "incomplete" not in shown
    assert "Run plan to see what is left" not in shown


def test_a_failure_beside_what_waits_is_still_a_failure():
    made = example_plans.applied(
        outcome(Status.PENDING_APPROVAL, approval_code=CODES[0]),
        outcome(Status.FAILED, build_plans.MACS, error="no"),
    )
    assert "\nApply incomplete: 0 added" in apply_text.render(made, width=80)


def test_request_ids_of_what_went_well_are_shown_with_verbose_alone():
    made = example_plans.applied(outcome(Status.APPLIED, request_id="0f1e2d3c"))
    assert "0f1e2d3c" not in apply_text.render(made, width=80)
    assert "request-id 0f1e2d3c" in apply_text.render(made, width=80, verbose=True)
    failed = example_plans.applied(outcome(Status.FAILED, request_id="0f1e2d3c", error="no"))
    assert "request-id 0f1e2d3c" in apply_text.render(failed, width=80)
