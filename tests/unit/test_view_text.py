"""The text view: whole screens against golden files, and what holds for every plan.

UPDATE_GOLDEN=1 writes the golden files anew; review what changed as a diff.
"""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from reconciler.cli.paint import paint
from reconciler.views import apply_text, problems, text
from tests import build_plans
from tests.e2e.run_cli import plain

GOLDEN = Path(__file__).parents[1] / "golden" / "text"
PLANS = ("ordinary", "unchanged", "broad_and_deleting", "incomplete")
WIDTHS = (40, 80, 120)


def check(name, found):
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        file.write_text(found, encoding="utf-8")
    assert found == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", PLANS)
def test_a_plan_reads_as_it_always_did(name, width):
    made = getattr(build_plans, name)()
    check(f"{name}.{width}", text.render(made, width=width, root="desired-state"))


@pytest.mark.parametrize("width", [80, 120])
def test_a_verbose_plan_reads_as_it_always_did(width):
    check(f"verbose.{width}", text.render(build_plans.ordinary(), width=width, verbose=True))


@pytest.mark.parametrize("name", PLANS)
def test_a_coloured_plan_looks_as_it_always_did(name):
    made = getattr(build_plans, name)()
    painted = paint(text.render(made, width=80, verbose=True))
    check(f"{name}.painted", painted.replace("\x1b", "<ESC>"))


@pytest.mark.parametrize("width", [80, 120])
def test_a_result_reads_as_it_always_did(width):
    check(f"result.{width}", apply_text.render(build_plans.mixed_outcomes(), width=width))


@pytest.mark.parametrize("name", [*PLANS, "hostile"])
def test_colours_change_nothing_but_colours(name):
    shown = text.render(getattr(build_plans, name)(), width=80, verbose=True)
    assert plain(paint(shown)) == shown


@pytest.mark.parametrize("width", WIDTHS)
def test_no_name_brings_a_control_character_or_a_line_of_its_own(width):
    made = build_plans.hostile()
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
    shown = text.render(build_plans.broad_and_deleting(), width=width)
    stops = shown[shown.index("Apply would stop") :].splitlines()
    room = max(width, 40)
    assert [line for line in stops if len(line) > room and "sha256:" not in line] == []


def test_every_operation_says_its_sign_and_its_verb():
    shown = text.render(build_plans.ordinary(), width=200)
    operations = [line.split()[:2] for line in shown.splitlines() if line.startswith("  ")]
    assert [pair for pair in operations if pair[0] in "+~-"] == [
        ["+", "create"],
        ["+", "create"],
        ["+", "create"],
        ["~", "change"],
    ]


def test_an_empty_root_leaves_file_names_as_they_are():
    made = build_plans.ordinary()
    assert text.render(made, width=80) == text.render(made, width=80, root=".")


@pytest.mark.parametrize("column", [1, 50, 300, 999])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_long_line_is_cut_around_the_place_and_the_caret_points_at_it(width, column):
    line = "".join(chr(97 + index % 26) for index in range(400))
    place = build_plans.Location("a.yaml", 7, column, line)
    shown = problems.render([build_plans.error("x", "wrong", place)], width=width)
    _, excerpt, caret = shown.splitlines()
    assert len(excerpt) <= width
    under = excerpt[caret.index("^")] if caret.index("^") < len(excerpt) else None
    assert under == (line[column - 1] if column <= len(line) else None)
