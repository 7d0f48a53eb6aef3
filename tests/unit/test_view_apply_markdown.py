"""The result of an apply says what failed, what waits and what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from reconciler.model.plan import Change
from reconciler.model.result import PolicyOutcome, Status
from reconciler.views import apply_markdown
from reconciler.views.markdown_context import Context, marker_prefix
from tests.support.build_plans import (
    WINDOWS,
    create,
    delete,
    group,
    only,
    plan,
    policy,
    policy_plan,
    update,
)
from tests.support.example_plans import HOSTILE_NAMES, applied, mixed_outcomes
from tests.support.golden import assert_golden

CONTEXT = Context(kind="apply", commit="0123456789ab")
OPERATION = create(WINDOWS, group("Sales laptops"))


def outcome(status, **facts):
    return PolicyOutcome(WINDOWS, status, (OPERATION,), **facts)


def test_the_page_is_as_reviewed():
    assert_golden("apply_markdown/mixed.md", apply_markdown.render(mixed_outcomes(), CONTEXT))


def test_a_complete_apply_is_as_reviewed():
    done = applied(outcome(Status.APPLIED, written=(OPERATION,)))
    assert_golden("apply_markdown/complete.md", apply_markdown.render(done, CONTEXT))


@pytest.mark.parametrize(
    ("statuses", "title"),
    [
        ([Status.APPLIED, Status.ALREADY], "## Applied 1 · `contoso-prod`"),
        ([Status.FAILED, Status.APPLIED], "## Apply failed in part · Applied 1 · "),
        ([Status.FAILED, Status.PENDING_APPROVAL], "## Apply failed · `"),
        ([Status.UNKNOWN], "## Apply failed · `"),
        ([Status.STALE, Status.PENDING_APPROVAL], "## The tenant has changed: approve again · `"),
        ([Status.PENDING_APPROVAL], "## Waiting for a second administrator · `"),
        ([], "## Applied 0 · `contoso-prod`"),
    ],
)
def test_the_title_says_the_worst(statuses, title):
    outcomes = [
        outcome(status, written=(OPERATION,) if status is Status.APPLIED else ())
        for status in statuses
    ]
    assert title in apply_markdown.render(applied(*outcomes), CONTEXT)


def test_the_title_counts_what_was_done_and_names_the_run():
    changes: list[Change] = [create(WINDOWS, group(f"Group {n}")) for n in range(8)]
    changes += [update(WINDOWS, group("A"), None, only("Kiosks")), delete(WINDOWS, group("B"))]
    for number, title in (
        (9, "Applied 8, changed 1 · run 42"),
        (10, "Applied 8, changed 1, removed 1 · run 42"),
    ):
        written = tuple(changes[:number])
        result = applied(PolicyOutcome(WINDOWS, Status.APPLIED, written, written))
        text = apply_markdown.render(result, replace(CONTEXT, run_number="42"))
        assert f"## {title} · `contoso-prod`" in text


def test_one_line_holds_all_codes_and_another_starts_the_workflow():
    codes = [f"9d8c7b6a-1111-4222-8333-abcdefabcde{n}" for n in range(3)]
    result = applied(
        *(
            PolicyOutcome(
                policy(code),
                Status.PENDING_APPROVAL,
                (create(policy(code), group("A")),),
                approval_code=code,
            )
            for code in codes
        )
    )
    text = apply_markdown.render(result, CONTEXT)
    options = " ".join(f"--approval-code {code}" for code in codes)
    assert f"`{options}`" in text
    digest = result.left_digest
    line = f"gh workflow run apply.yml -f label=contoso-prod -f digest={digest} -f 'approval_codes={' '.join(codes)}'"
    assert f"```\n{line}\n```" in text


def test_the_marker_names_what_is_left_and_nothing_where_all_is_done():
    done = applied(outcome(Status.APPLIED, written=(OPERATION,)), outcome(Status.ALREADY))
    assert "digest=" not in apply_markdown.render(done, CONTEXT).partition("\n")[0]
    failed = applied(outcome(Status.FAILED))
    digest = plan(policy_plan(WINDOWS, OPERATION)).digest
    assert failed.left_digest == digest
    assert f"digest={digest} " in apply_markdown.render(failed, CONTEXT).partition("\n")[0]


def test_an_interrupted_apply_says_so():
    result = replace(applied(outcome(Status.NOT_TRIED)), interrupted=True)
    assert "## Apply interrupted" in apply_markdown.render(result, CONTEXT)


def test_the_comment_is_not_the_plans():
    text = apply_markdown.render(mixed_outcomes(), CONTEXT)
    assert text.startswith(marker_prefix("apply", "contoso-prod"))


def test_hostile_names_stay_in_their_cells():
    outcomes = [
        PolicyOutcome(
            policy(name),
            status,
            (create(policy(name), group(name)),),
            error=f"Graph refused {name}",
            request_id=name,
            approval_code=name,
            notes=(f'group "{name}" was added',),
        )
        for name in HOSTILE_NAMES
        for status in (Status.FAILED, Status.PENDING_APPROVAL)
    ]
    text = apply_markdown.render(applied(*outcomes), replace(CONTEXT, budget=1_000_000))
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    types = [token.type for token in tokens]
    inline = {child.type for token in tokens for child in token.children or ()}
    assert types.count("tr_open") == 1 + len(outcomes)
    assert types.count("td_open") == 4 * len(outcomes)
    assert inline <= {"text", "code_inline", "strong_open", "strong_close", "softbreak"}


def test_the_budget_holds():
    outcomes = [outcome(Status.FAILED, error="x" * 900) for _ in range(500)]
    text = apply_markdown.render(applied(*outcomes), CONTEXT)
    assert len(text) <= CONTEXT.budget
    assert "more, not shown here" in text
