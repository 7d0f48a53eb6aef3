"""Keep the one comment per tenant on a pull request, from the plan to the outcome. Does I/O.

What a plan says is posted with a commit status that records its digest: together they are what
``apply --expect-approved`` takes for an approval (`reconciler.github.pull_request_approval`). What an
apply did goes into the same comment of every merged pull request that the run covered, with a status
that uses the approval up, or says what is left of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.documents.failures import Failure
from reconciler.github import comments
from reconciler.github.api import GitHubApi
from reconciler.github.author import Author
from reconciler.github.comments import BODY_LIMIT, PostAction, Posted
from reconciler.github.hidden_changes import with_changes
from reconciler.github.labels import NO_CHANGES, REMOVES, set_labels
from reconciler.github.pull_request_approval import (
    LONGEST,
    MissingApproval,
    PullRequestApproval,
)
from reconciler.github.pulls import PullRequest
from reconciler.github.statuses import Record, RecordKind, set_status
from reconciler.model.plan import Plan, change_lines
from reconciler.model.result import ApplyResult
from reconciler.model.saved_plan import SavedPlan
from reconciler.model.wording import describe_counts
from reconciler.operations.pull_request_approval import Push, read_approvals_of_merges
from reconciler.views import apply_markdown, markdown, markdown_failure
from reconciler.views.escaping import comment_value, markdown_code
from reconciler.views.markdown_context import Context, marker_prefix


@dataclass(frozen=True, slots=True)
class GitHubAccess:
    """The way to GitHub, and the account that writes there."""

    api: GitHubApi
    author: Author


@dataclass(frozen=True, slots=True)
class Text:
    """A text for the comment of one tenant. ``matters``: it is worth a comment of its own."""

    label: str
    body: str
    matters: bool = True


def plan_text(saved: SavedPlan, context: Context) -> Text:
    """Write a plan, with its changes hidden below it as far as there is room."""
    plan = saved.plan
    body = markdown.render(saved, context)
    lines = change_lines(plan.changes) if plan.applyable else ()
    body = with_changes(body, lines, limit=BODY_LIMIT)
    is_news = not plan.is_empty or not plan.complete or plan.summary.held > 0
    return Text(plan.tenant.label, body, is_news)


def post_text(
    access: GitHubAccess, pull: PullRequest, text: Text, context: Context, *, always: bool
) -> Posted:
    """Show a text in the comment of its tenant."""
    return comments.upsert(
        access.api,
        author=access.author,
        pull_request=pull.number,
        body=text.body,
        marker_prefix=marker_prefix(context.kind, text.label),
        commit=context.commit,
        create=always or text.matters,
    )


def post_plan(
    access: GitHubAccess, pull: PullRequest, saved: SavedPlan, context: Context, *, always: bool
) -> Posted:
    """Show a plan, and record its digest in a commit status.

    Once the pull request is merged nothing is posted (``outdated``): nobody saw that plan before.
    """
    if pull.is_merged:
        return Posted(PostAction.OUTDATED, pull.url or None)
    posted = post_text(access, pull, plan_text(saved, context), context, always=always)
    if posted.action is not PostAction.OUTDATED and context.commit is not None:
        plan = saved.plan
        set_status(
            access.api,
            commit=context.commit,
            label=plan.tenant.label,
            is_good=plan.applyable,
            summary=describe_counts(plan.summary),
            record=Record(RecordKind.PLAN, plan.digest if plan.applyable else None),
            run_url=context.run_url,
        )
    return posted


def post_failed_plan(
    access: GitHubAccess, pull: PullRequest, failure: Failure, context: Context
) -> Posted:
    """Show why there is no plan, and record that there is none."""
    if pull.is_merged:
        return Posted(PostAction.OUTDATED, pull.url or None)
    text = Text(failure.label, markdown_failure.render_failure(failure, context))
    posted = post_text(access, pull, text, context, always=True)
    if posted.action is not PostAction.OUTDATED and context.commit is not None:
        set_status(
            access.api,
            commit=context.commit,
            label=failure.label,
            is_good=False,
            summary="No plan",
            record=Record(RecordKind.PLAN, None),
            run_url=context.run_url,
        )
    return posted


@dataclass(frozen=True, slots=True)
class OutcomePosted:
    """What became of the comment on one merged pull request."""

    pull_request: int
    posted: Posted


def post_result(
    access: GitHubAccess, push: Push, result: ApplyResult, context: Context, *, now: datetime
) -> tuple[OutcomePosted, ...]:
    """Show what an apply did on every pull request that it covered.

    ``push.is_by_hand``: only what was approved on the pull requests stays approved, and nothing of
    what the run had left.
    """

    def outcome(pull: PullRequest, approved: str | None) -> tuple[str, Record]:
        here = replace(context, commit=pull.head)
        if result.complete:
            return apply_markdown.render(result, here), Record(RecordKind.DONE, None)
        if push.is_by_hand or approved is None:
            body = apply_markdown.render(result, here, digest=approved)
            return body, Record(RecordKind.LEFT, approved)
        body = with_changes(
            apply_markdown.render(result, here), change_lines(result.left), limit=BODY_LIMIT
        )
        return body, Record(RecordKind.LEFT, result.left_digest)

    title = apply_markdown.outcome_title(result, context)
    return _post_outcome(
        access, push, result.tenant.label, title, outcome, context, is_good=result.complete, now=now
    )


def post_failed_apply(
    access: GitHubAccess, push: Push, failure: Failure, context: Context, *, now: datetime
) -> tuple[OutcomePosted, ...]:
    """Show why nothing was written. What was approved stays so, for a run again."""

    def outcome(pull: PullRequest, approved: str | None) -> tuple[str, Record]:
        here = replace(context, commit=pull.head)
        body = markdown_failure.render_failure(failure, here, digest=approved)
        return body, Record(RecordKind.LEFT, approved)

    return _post_outcome(
        access, push, failure.label, "Not applied", outcome, context, is_good=False, now=now
    )


def _post_outcome(
    access: GitHubAccess,
    push: Push,
    label: str,
    title: str,
    outcome: Callable[[PullRequest, str | None], tuple[str, Record]],
    context: Context,
    *,
    is_good: bool,
    now: datetime,
) -> tuple[OutcomePosted, ...]:
    posted: list[OutcomePosted] = []
    found = read_approvals_of_merges(label, push, api=access.api, author=access.author, now=now)
    for pull, approval in found:
        is_old = pull.merged_at is None or now - pull.merged_at > LONGEST
        if is_old or (isinstance(approval, MissingApproval) and approval.has_no_plan):
            continue
        approved = approval.digest if isinstance(approval, PullRequestApproval) else None
        body, record = outcome(pull, approved)
        here = replace(context, commit=pull.head)
        action = post_text(access, pull, Text(label, body), here, always=False)
        if record.kind is RecordKind.DONE or record.digest is not None:
            set_status(
                access.api,
                commit=pull.head,
                label=label,
                is_good=is_good,
                summary=title,
                record=record,
                run_url=context.run_url,
            )
        posted.append(OutcomePosted(pull.number, action))
    return tuple(posted)


def retire_comments(
    access: GitHubAccess, pull: PullRequest, labels: Iterable[str], context: Context
) -> int:
    """Update every comment of ours whose label no tenant of the pull request has; tell how many.

    The label of such a comment is not repeated: it is not known who wrote it.
    """
    known = list(labels)
    spelled = {comment_value(label) for label in known}
    listed = ", ".join(markdown_code(label, longest=100) for label in known[:50]) or "none"
    body = (
        "<!-- reconciler:retired v=1 -->\n"
        "This comment was about a tenant that this pull request does not have (any more): no tenant "
        f"that it changes has that label. At commit {markdown_code((context.commit or '')[:12])} "
        f"its tenants are: {listed}."
    )
    number = 0
    for comment in comments.find(
        access.api,
        author=access.author,
        pull_request=pull.number,
        marker_prefix=f"<!-- reconciler:{context.kind} ",
    ):
        if comment.marker.tenant is not None and comment.marker.tenant not in spelled:
            comments.replace_text(access.api, comment, body, pull_request=pull.number)
            number += 1
    return number


def label_pull_request(
    access: GitHubAccess, pull: PullRequest, plan: Plan, context: Context
) -> None:
    """Set the labels by this plan and by those of the other tenants at the same commit."""
    own = comment_value(plan.tenant.label)
    found = comments.find(
        access.api,
        author=access.author,
        pull_request=pull.number,
        marker_prefix=f"<!-- reconciler:{context.kind} ",
    )
    counts = [
        [int(part) for part in each.marker.changes.split("/")]
        for each in found
        if each.marker.changes
        and each.marker.tenant != own
        and each.marker.commit == context.commit
    ]
    summary = plan.summary
    counts.append([summary.create, summary.update, summary.delete])
    removes = any(delete for _, _, delete in counts)
    is_empty = plan.complete and not any(any(each) for each in counts)
    set_labels(access.api, pull.number, {REMOVES: removes, NO_CHANGES: is_empty})
