"""Each promise of SECURITY.md names the tests that hold it, so that none stands there without."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SECURITY = (TESTS.parent / ".github" / "SECURITY.md").read_text(encoding="utf-8")

PROMISES = {
    "Every write is merged on a reading made directly before it": (
        "test_every_live_direct_assignment_that_is_not_deleted_is_sent_unchanged",
        "test_the_laws_of_apply_hold_whatever_happens",
    ),
    "what is found is struck out": (
        "test_a_secret_is_struck_in_every_encoding",
        "test_no_secret_shows_whatever_goes_wrong",
        "test_no_error_and_no_log_line_holds_the_token",
        "test_a_saved_plan_holds_no_token",
    ),
    "Tokens go to the cloud's Graph and sign-in hosts alone": (
        "test_the_token_goes_to_no_other_origin",
        "test_a_secret_goes_to_no_host_but_the_authority",
    ),
    "Redirects are not followed to other hosts": (
        "test_redirects_are_not_followed",
        "test_a_redirect_is_not_followed",
        "test_redirects_that_lead_astray_end",
    ),
    "only where the operating system protects them": (
        "test_a_system_without_a_protected_store_keeps_nothing",
    ),
    "Names are written so that they cannot act": (
        "test_names_never_act",
        "test_no_name_ends_a_line_of_the_diff_or_its_fence",
        "test_the_html_has_the_tags_of_an_honest_plan",
        "test_outputs_are_read_back_as_they_were",
    ),
    "The job that writes to the tenant can write nothing on GitHub": ("test_who_may_do_what",),
    "is taken only together with the hash of its wheel": (
        "test_a_release_without_its_hash_is_refused_before_anything_is_installed",
    ),
    "It was written before the merge": (
        "test_a_plan_that_was_written_after_the_merge_was_not_approved",
        "test_no_plan_is_posted_once_the_pull_request_is_merged",
    ),
    "After an edit by any other account": (
        "test_an_edit_by_anybody_else_voids_it",
        "test_a_comment_that_a_person_edited_approves_nothing",
    ),
    "from the same run and with the same digest": (
        "test_a_comment_that_no_status_confirms_approves_nothing",
        "test_anything_less_is_not_approved",
    ),
    "No text is copied from a comment": ("test_the_words_of_an_edited_comment_are_never_copied",),
    "An approval is used up": (
        "test_an_apply_uses_the_approval_up",
        "test_what_was_applied_is_not_approved_again",
        "test_the_outcome_takes_the_place_of_the_plan_and_uses_the_approval_up",
        "test_the_comment_becomes_the_outcome_and_the_approval_counts_once",
    ),
    "Approvals of several merges count together": (
        "test_two_merges_in_one_run_count_together",
        "test_nothing_from_before_the_last_full_apply_counts",
    ),
    "counts for 30 days after the merge": ("test_an_approval_ends_after_thirty_days",),
    "change none and delete none": (
        "test_beyond_its_limits_the_schedule_writes_nothing_and_an_issue_says_what_to_do",
        "test_the_schedule_never_deletes",
    ),
    "looks up every group, filter and policy that it names before it asks": (
        "test_a_saved_plan_that_shows_another_name_is_refused_before_the_question",
        "test_a_policy_that_bears_another_name_now_makes_a_saved_plan_stale",
    ),
    "Apply judges it by its guardrails again": (
        "test_a_saved_plan_is_judged_by_its_guardrails_whatever_it_says_of_stops",
    ),
    "by a workflow that checks nothing out": (
        "test_what_runs_with_the_power_to_comment_on_forks_checks_nothing_out",
    ),
    "never a plan, in a comment of its own kind": (
        "test_a_fork_cannot_have_a_plan_posted",
        "test_a_forks_report_is_quoted_as_foreign_and_asks_for_nothing",
    ),
    "a pull request of the fork whose run wrote the report": (
        "test_a_report_is_posted_on_a_pull_request_of_its_own_fork_alone",
        "test_the_report_of_an_older_commit_is_not_posted_any_more",
    ),
    "ends the write at hand and begins no other": (
        "test_a_run_that_is_cancelled_ends_the_writes_at_hand_and_no_more_follow",
    ),
}


@pytest.fixture(scope="module")
def names():
    """The name of every test there is."""
    files = TESTS.rglob("test_*.py")
    return {
        name
        for file in files
        for name in re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    }


@pytest.mark.parametrize("promise", PROMISES)
def test_a_promise_stands_there_and_is_tested(promise, names):
    assert promise in " ".join(SECURITY.split())
    missing = [name for name in PROMISES[promise] if name not in names]
    assert missing == []
