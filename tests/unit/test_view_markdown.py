"""The pull-request comment says what changes, for whom, what is dangerous and what happens next."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model.diagnostics import error, warning
from reconciler.model.state import Filter, FilterMode, Guardrails, Target, TargetKind
from reconciler.views import markdown
from reconciler.views.markdown import Context, marker_prefix
from tests.support.build_plans import (
    WINDOWS,
    at,
    create,
    delete,
    excluded,
    group,
    plan,
    policy,
    policy_plan,
    saved,
    update,
)
from tests.support.example_plans import STATES, large, ordinary, unchanged
from tests.support.golden import assert_golden

CONTEXT = Context(
    commit="0123456789abcdef0123456789abcdef01234567",
    run_url="https://github.com/contoso/intune/actions/runs/42",
    root="desired-state",
)


@pytest.mark.parametrize("name", STATES)
def test_the_page_is_as_reviewed(name):
    assert_golden(f"markdown/{name}.md", markdown.render(saved(STATES[name]()), CONTEXT))


def test_a_plan_too_large_keeps_its_counts_and_says_what_is_missing():
    context = replace(CONTEXT, budget=9_000)
    text = markdown.render(saved(large(400)), context)
    assert len(text) <= 9_000
    assert_golden("markdown/too-large.md", text)


def test_mistakes_without_a_plan_are_shown():
    found = [
        error("unknown-key", 'unknown key "gruop"', at(), help='did you mean "group"?'),
        warning("empty", "this file declares nothing", at("b.yaml", 1, 1)),
    ]
    assert_golden("markdown/problems.md", markdown.render_problems(found, "contoso-prod", CONTEXT))


def test_files_without_mistakes_are_called_valid():
    text = markdown.render_problems([], "contoso-prod", CONTEXT)
    assert "## The files are valid: 0 errors, 0 warnings · `contoso-prod`" in text


@pytest.mark.parametrize("changes", [0, 1, 30, 400, 10_000])
@pytest.mark.parametrize("budget", [8_000, 60_000])
def test_the_budget_holds(changes, budget):
    context = replace(CONTEXT, budget=budget)
    assert len(markdown.render(saved(large(changes)), context)) <= budget


def test_a_policy_stands_in_the_table_whole_or_not_at_all():
    text = markdown.render(saved(large(700)), replace(CONTEXT, budget=20_000))
    shown = [text.count(f"`Policy {number:05}` |") for number in range(70)]
    assert set(shown) == {0, 10}
    assert f"Shown here: {sum(shown)} of 700 changes" in text
    assert "`Policy 00069`: 10 to add" in text


def test_one_policy_larger_than_the_budget_is_counted():
    text = markdown.render(saved(large(2_000, per_policy=2_000)), CONTEXT)
    assert "Shown here: 0 of 2000 changes" in text
    assert "`Policy 00000`: 2000 to add, 0 to change, 0 to remove" in text


def test_many_dangers_leave_room_for_the_changes():
    many = policy("Many")
    changes = [delete(many, group(f"Group {n}")) for n in range(900)]
    other = policy_plan(WINDOWS, create(WINDOWS, group("Sales laptops")))
    text = markdown.render(saved(plan(policy_plan(many, *changes), other)), CONTEXT)
    assert len(text) <= CONTEXT.budget
    assert "more, not shown here" in text
    assert "| + add | `Windows 11 - Baseline` |" in text


def test_the_comment_is_found_by_its_prefix():
    first = markdown.render(saved(ordinary()), CONTEXT).splitlines()[0]
    assert first.startswith(marker_prefix("plan", "contoso-prod"))
    assert not first.startswith(marker_prefix("plan", "contoso"))
    assert not first.startswith(marker_prefix("apply", "contoso-prod"))
    assert first.endswith(f"digest={ordinary().digest} commit={CONTEXT.commit} v=1 -->")


def test_a_plan_without_changes_is_short():
    assert len(markdown.render(saved(unchanged()), CONTEXT).splitlines()) < 16


def test_a_group_without_a_name_shows_its_whole_id():
    made = plan(policy_plan(WINDOWS, create(WINDOWS, group(None, id="0b5e7a30-1c02-4e0b"))))
    assert "group `0b5e7a30-1c02-4e0b`" in markdown.render(saved(made), CONTEXT)


def test_names_that_lead_to_two_ids_show_them():
    one, two = Filter(FilterMode.INCLUDE, "f1", "Same"), Filter(FilterMode.INCLUDE, "f2", "Same")
    made = plan(
        policy_plan(
            WINDOWS,
            create(WINDOWS, group("Twins", id="g1")),
            create(WINDOWS, group("Twins", id="g2")),
            update(WINDOWS, group("Other"), one, two),
        )
    )
    text = markdown.render(saved(made), CONTEXT)
    assert "group `Twins` (`g1`)" in text
    assert "group `Twins` (`g2`)" in text
    assert "include `Same` (`f1`) → include `Same` (`f2`)" in text
    assert "`Other` (" not in text


def test_an_exclusion_taken_away_is_said_to_widen():
    made = plan(policy_plan(WINDOWS, delete(WINDOWS, excluded("Contractors"))))
    said = "`Windows 11 - Baseline` would no longer exclude `Contractors` and **may then reach** it"
    assert said in markdown.render(saved(made), CONTEXT)


def test_what_happens_on_merge_is_the_callers_to_say():
    context = replace(CONTEXT, on_merge="The apply workflow runs on main and waits for @ops.")
    text = markdown.render(saved(ordinary()), context)
    assert "**What happens next.** The apply workflow runs on main and waits for `@ops`." in text


def test_a_stopped_plan_never_promises_what_happens_on_merge():
    made = plan(
        policy_plan(WINDOWS, create(WINDOWS, group("A"))), guardrails=Guardrails(max_creates=0)
    )
    text = markdown.render(saved(made), replace(CONTEXT, on_merge="It is applied."))
    assert "It is applied." not in text
    assert "apply ends before its first write" in text


def test_an_address_that_is_none_is_left_out():
    context = replace(CONTEXT, run_url="javascript:alert(1)")
    assert "javascript" not in markdown.render(saved(ordinary()), context)


def test_a_scope_tag_group_and_a_collection_are_named():
    targets = (
        Target(TargetKind.SCOPE_TAG_GROUP, "0b5e", None, "device"),
        Target(TargetKind.COLLECTION, "sms00042", "SMS00042"),
    )
    made = plan(policy_plan(WINDOWS, *(create(WINDOWS, target) for target in targets)))
    text = markdown.render(saved(made), CONTEXT)
    assert "scope-tag group `0b5e` of type `device`" in text
    assert "collection `SMS00042`" in text


def test_the_callers_note_stands_below_the_title():
    context = replace(CONTEXT, note="Found by the nightly run, see #12.")
    for text in (
        markdown.render(saved(ordinary()), context),
        markdown.render_problems([], "contoso-prod", context),
    ):
        assert text.splitlines()[4] == "Found by the nightly run, see `#12`."
