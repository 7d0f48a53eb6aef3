"""The gate: a fresh plan against everything that was approved and is not applied yet."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.github.author import Author
from reconciler.github.hidden_changes import with_changes
from reconciler.model.errors import ConfigError
from reconciler.model.plan import change_lines, digest_of_lines
from reconciler.operations.pull_request_approval import (
    Approved,
    NotApproved,
    NotComparable,
    Push,
    check_pull_request_approval,
)
from reconciler.views.markdown_context import marker_prefix
from tests.support import example_plans
from tests.support.github_server import clock, connect, github_server

__all__ = ["clock", "connect", "github_server"]

BOT = Author("github-actions[bot]", 41898282)
START, FIRST, SECOND, THIRD = ("a" * 40, "b" * 40, "c" * 40, "d" * 40)
HEADS = {7: "7" * 40, 8: "8" * 40, 9: "9" * 40}
NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
PLAN = example_plans.ordinary()
LINES = change_lines(PLAN.changes)
LABEL = PLAN.tenant.label


class Repository:
    """main, the pull requests merged into it, and what was shown on each."""

    def __init__(self, server):
        self.server = server
        server.time = NOW
        server.history = [START]

    def merge(self, number, commit, lines=None, *, is_hidden=True, is_recorded=True):
        """Merge a pull request on which a plan with these changes was shown, or none."""
        head = HEADS[number]
        self.server.history.append(commit)
        self.server.add_pull(number, [head], merge_commit=commit, is_merged=True)
        if lines is not None:
            digest = digest_of_lines(PLAN.tenant.id, lines)
            marker = f"{marker_prefix('plan', LABEL)}digest={digest} commit={head} run=1 v=1 -->"
            body = with_changes(marker, lines, limit=99_999) if is_hidden else marker
            self.server.add_comment(number, body)
            if is_recorded:
                self.record(number, f"[plan {digest}]")

    def record(self, number, text):
        self.server.add_status(HEADS[number], f"reconciler/{LABEL}", text)

    def push_directly(self, commit):
        self.server.history.append(commit)


@pytest.fixture
def repository(github_server):
    return Repository(github_server)


@pytest.fixture
def check(connect):
    def check(commit=FIRST, checked_out=None, plan=PLAN):
        push = Push(commit=commit, checked_out=checked_out or commit, branch="main")
        now = NOW + timedelta(minutes=5)
        return check_pull_request_approval(plan, push, api=connect(), author=BOT, now=now)

    return check


def test_the_plan_that_was_shown(repository, check):
    repository.merge(7, FIRST, LINES)
    assert check() == Approved((7,))


def test_an_empty_plan_asks_nobody(github_server, check):
    assert check(plan=example_plans.unchanged()) == Approved(())
    assert github_server.seen == []


def test_less_than_was_shown(repository, check):
    repository.merge(7, FIRST, [*LINES, "a change that is done"])
    assert check() == Approved((7,), is_partial=True)


def test_more_than_was_shown(repository, check):
    repository.merge(7, FIRST, LINES[1:])
    verdict = check()
    assert isinstance(verdict, NotApproved)
    assert change_lines(verdict.changes) == LINES[:1]
    assert verdict.pull_requests == (7,)


def test_another_plan_of_which_the_changes_are_not_known(repository, check):
    repository.merge(7, FIRST, LINES[1:], is_hidden=False)
    assert check() == NotComparable((7,), (digest_of_lines(PLAN.tenant.id, LINES[1:]),))


def test_changes_that_do_not_have_the_digest_are_not_believed(github_server, repository, check):
    repository.merge(7, FIRST, LINES[1:])
    [comment] = github_server.comments
    marker = comment["body"].partition("\n")[0]
    comment["body"] = with_changes(marker, LINES, limit=99_999)
    assert isinstance(check(), NotComparable)


def test_two_merges_in_one_run_count_together(repository, check):
    repository.merge(7, FIRST, LINES[:2])
    repository.merge(8, SECOND, LINES[2:])
    assert check(SECOND) == Approved((7, 8), is_partial=True)
    assert check(FIRST, SECOND) == Approved((7, 8), is_partial=True)


def test_of_two_merges_the_one_that_does_not_count_is_named(repository, check):
    repository.merge(7, FIRST, LINES[:2], is_recorded=False)
    repository.merge(8, SECOND, LINES[2:])
    verdict = check(SECOND)
    assert isinstance(verdict, NotApproved)
    assert change_lines(verdict.changes) == LINES[:2]
    [reason] = verdict.reasons
    assert "pull request #7" in reason


def test_a_merge_without_a_plan_for_this_tenant_is_passed_over(repository, check):
    repository.merge(7, FIRST, LINES)
    repository.merge(8, SECOND)
    repository.merge(9, THIRD, [])
    assert check(THIRD) == Approved((7, 9))


def test_what_was_applied_is_not_approved_again(repository, check):
    """An old run that is started again must not repeat a removal that somebody undid."""
    repository.merge(7, FIRST, LINES)
    repository.record(7, "Applied [done]")
    verdict = check()
    assert isinstance(verdict, NotApproved)
    assert verdict.reasons == (
        "everything that was approved on pull request #7 was applied before",
    )


def test_nothing_from_before_the_last_full_apply_counts(repository, check):
    repository.merge(7, FIRST, LINES)
    repository.merge(8, SECOND, LINES[:1])
    repository.record(8, "Applied [done]")
    repository.merge(9, THIRD, LINES[:1])
    verdict = check(FIRST, THIRD)
    assert isinstance(verdict, NotApproved)
    assert change_lines(verdict.changes) == LINES[1:]


def test_what_an_apply_left_can_be_done_by_a_run_again(github_server, repository, check):
    repository.merge(7, FIRST, LINES)
    left = digest_of_lines(PLAN.tenant.id, LINES[:1])
    repository.record(7, f"1 left [left {left}]")
    [comment] = github_server.comments
    marker = f"{marker_prefix('plan', LABEL)}digest={left} commit={HEADS[7]} run=1 v=1 -->"
    comment["body"] = with_changes(marker, LINES[:1], limit=99_999)
    verdict = check()
    assert isinstance(verdict, NotApproved)
    assert change_lines(verdict.changes) == LINES[1:]


def test_a_direct_push_approves_nothing(repository, check):
    repository.push_directly(FIRST)
    verdict = check()
    assert isinstance(verdict, NotApproved)
    assert "it was pushed directly" in verdict.reasons[0]
    assert verdict.changes == tuple(PLAN.changes)


def test_a_direct_push_after_a_merge_leaves_what_was_approved(repository, check):
    repository.merge(7, FIRST, LINES)
    repository.push_directly(SECOND)
    assert check(SECOND) == Approved((7,))


def test_two_merges_in_one_commit_are_not_guessed_between(github_server, repository, check):
    repository.merge(7, FIRST, LINES)
    github_server.add_pull(8, [HEADS[8]], merge_commit=FIRST, is_merged=True)
    verdict = check()
    assert isinstance(verdict, NotApproved)
    assert verdict.reasons == (
        f"commit {FIRST[:12]} is the merge of several pull requests: #7, #8",
    )


@pytest.mark.parametrize(
    "pull",
    [
        {"merge_commit": FIRST},
        {"merge_commit": FIRST, "is_merged": True, "base": "release"},
        {"merge_commit": SECOND, "is_merged": True},
    ],
    ids=["not merged", "into another branch", "a commit within it"],
)
def test_a_commit_that_no_review_stands_behind(github_server, repository, check, pull):
    repository.push_directly(FIRST)
    github_server.add_pull(7, [HEADS[7], FIRST], **pull)
    github_server.add_comment(7, "anything")
    verdict = check()
    assert isinstance(verdict, NotApproved)
    assert "is not the merge of a pull request into main" in verdict.reasons[0]


def test_a_history_that_was_rewritten(repository, check):
    repository.merge(7, FIRST, LINES)
    repository.server.history = [START, SECOND]
    verdict = check(FIRST, SECOND)
    assert isinstance(verdict, NotApproved)
    assert "main does not build on commit" in verdict.reasons[0]


def test_another_tenant_of_one_label_approves_nothing(repository, check):
    repository.merge(7, FIRST, LINES)
    elsewhere = replace(PLAN, tenant=replace(PLAN.tenant, id="0" * 36))
    assert isinstance(check(plan=elsewhere), NotComparable)


def test_what_is_no_commit_is_refused():
    with pytest.raises(ConfigError, match="not a full commit hash"):
        Push(commit="main", checked_out=FIRST, branch="main")
