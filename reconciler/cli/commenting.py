"""The comment command: from its options and a file to what is put on GitHub."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from reconciler.cli.console import Console
from reconciler.cli.github_connection import open_github
from reconciler.cli.github_context import context
from reconciler.cli.plan_files import read_text
from reconciler.cli.pull_request_approval import push_of
from reconciler.documents import Failure, Validation, read_document
from reconciler.documents.validation import CheckedRoot
from reconciler.github import author as authors
from reconciler.github.comments import PostAction, Posted, check_body
from reconciler.github.environment import GitHubEnvironment
from reconciler.github.errors import PermissionDenied
from reconciler.github.event import head_repository_of_run, pull_request_of
from reconciler.github.issues import upsert_issue
from reconciler.github.pulls import PullRequest, read_pull
from reconciler.model.diagnostics import has_errors
from reconciler.model.errors import ConfigError, ExitCode, PlanFileError, UsageError
from reconciler.model.plan import Plan
from reconciler.model.result import ApplyResult
from reconciler.model.saved_plan import SavedPlan
from reconciler.model.text import visible
from reconciler.model.wording import describe_counts
from reconciler.operations import commenting
from reconciler.operations.commenting import GitHubAccess, OutcomePosted, Text
from reconciler.runtime.clock import SystemClock
from reconciler.runtime.deadline import Deadline
from reconciler.views import apply_markdown, markdown_failure
from reconciler.views.markdown_context import Context, marker_prefix

BUDGET = 65_000
"""Characters of Markdown; a little of GitHub's limit is left."""

MOST_ROOTS = 100
"""In one result of validate: it may come from a fork, and each root is a comment by our account."""

FORK_KIND = "fork"
"""A fork's report has a comment of its own kind, which can never be taken for a plan."""


@dataclass(frozen=True, slots=True)
class Tenants:
    """The labels of the tenants that a pull request has."""

    labels: tuple[str, ...]


Content: TypeAlias = SavedPlan | ApplyResult | Failure | Validation | Tenants


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentCommand:
    """The comment command."""

    console: Console
    number: int | None
    always: bool
    soft: bool
    issue: bool
    problems: bool
    labels: bool
    note: str | None
    root: str
    commit: str | None
    report_url: str | None
    timeout: float

    def run(self, file: Path) -> ExitCode:
        """Post the file's content. Where the token may not, as with a fork, the summary has it.

        A token that GitHub does not know at all is a failure, ``--soft`` or not.
        """
        document = _read(file)
        if self.problems and not isinstance(document, Validation):
            raise PlanFileError(
                f"{file} is not a result of validate, and --problems takes no other"
            )
        environment = GitHubEnvironment.read(self.console.environ)
        clock = SystemClock()
        api = open_github(
            environment, self.console.environ, clock=clock, deadline=Deadline(clock, self.timeout)
        )
        try:
            author = authors.identify(api, in_actions=environment.in_actions)
            access = GitHubAccess(api, author)
            if self.issue:
                return self._keep_issue(document, environment, access)
            if isinstance(document, ApplyResult) or (
                isinstance(document, Failure) and document.command == "apply"
            ):
                return self._post_outcome(document, environment, access, clock)
            return self._comment(document, environment, access)
        except PermissionDenied as denied:
            if denied.status == 401:
                raise
            self._summarize(document)
            if not self.soft:
                raise
            self.console.note(f"not posted, the job summary has it instead: {denied}")
            return ExitCode.OK

    def _comment(
        self, document: Content, environment: GitHubEnvironment, access: GitHubAccess
    ) -> ExitCode:
        event = pull_request_of(environment, number=self.number)
        pull = read_pull(access.api, event.number)
        if self.commit is not None and self.number is not None:
            _check_commit(pull, self.commit)
        if self.problems:
            _check_fork(environment, pull)
        here = replace(self._context("plan"), commit=self.commit or event.head or pull.head)
        if pull.is_merged and not self.problems:
            # The comment tells of the outcome now, and a plan that nobody saw before the merge must
            # not look as if it had been approved.
            self.console.result(f"pull request #{pull.number} is merged, so nothing was posted\n")
            return ExitCode.OK
        match document:
            case Tenants():
                number = commenting.retire_comments(access, pull, document.labels, here)
                self.console.result(f"comments of other tenants updated: {number}\n")
                return ExitCode.OK
            case SavedPlan():
                return self._comment_plan(document, access, pull, here)
            case Failure():
                check_body(markdown_failure.render_failure(document, here))
                posted = commenting.post_failed_plan(access, pull, document, here)
                self._show(document.label, posted)
                self.console.note("there is no plan; the comment says why")
                return ExitCode.ERROR
            case Validation():
                return self._comment_validation(document, access, pull, here)
            case ApplyResult():
                raise AssertionError("an outcome is posted elsewhere")

    def _comment_plan(
        self, saved: SavedPlan, access: GitHubAccess, pull: PullRequest, here: Context
    ) -> ExitCode:
        plan = saved.plan
        posted = commenting.post_plan(access, pull, saved, here, always=self.always)
        if self.labels and posted.action is not PostAction.OUTDATED:
            commenting.label_pull_request(access, pull, plan, here)
        self._show(plan.tenant.label, posted)
        if plan.applyable:
            return ExitCode.OK
        self.console.note("this plan cannot be applied; the comment says why")
        return ExitCode.ERROR

    def _comment_validation(
        self, validation: Validation, access: GitHubAccess, pull: PullRequest, here: Context
    ) -> ExitCode:
        texts = [self._validation_text(root, here) for root in validation.roots]
        for text in texts:
            check_body(text.body)
        kind = FORK_KIND if self.problems else here.kind
        for text in texts:
            posted = commenting.post_text(
                access, pull, text, replace(here, kind=kind), always=self.always
            )
            self._show(text.label, posted)
        is_valid = self.problems or validation.valid
        return ExitCode.OK if is_valid else ExitCode.ERROR

    def _validation_text(self, root: CheckedRoot, here: Context) -> Text:
        here = replace(here, root=root.path)
        matters = has_errors(root.diagnostics) or here.note is not None
        if self.problems:
            made = replace(here, kind=FORK_KIND)
            body = markdown_failure.render_fork_report(root.diagnostics, root.label, made)
            return Text(root.label, body)
        body = markdown_failure.render_validation(root.diagnostics, root.label, here)
        return Text(root.label, body, matters)

    def _post_outcome(
        self,
        document: ApplyResult | Failure,
        environment: GitHubEnvironment,
        access: GitHubAccess,
        clock: SystemClock,
    ) -> ExitCode:
        here = self._context("plan")
        if self.number is not None or environment.event_name == "pull_request":
            return self._comment_outcome(document, environment, access, here)
        push = push_of(environment, self.console)
        label = document.label if isinstance(document, Failure) else document.tenant.label
        posted: tuple[OutcomePosted, ...]
        if isinstance(document, Failure):
            posted = commenting.post_failed_apply(access, push, document, here, now=clock.now())
        else:
            posted = commenting.post_result(access, push, document, here, now=clock.now())
        for each in posted:
            self._show(f"{label}, pull request #{each.pull_request}", each.posted)
        if not posted:
            self.console.result(f"{visible(label)}: no pull request waits for this\n")
        return ExitCode.OK

    def _comment_outcome(
        self,
        document: ApplyResult | Failure,
        environment: GitHubEnvironment,
        access: GitHubAccess,
        here: Context,
    ) -> ExitCode:
        """Show an outcome on a pull request that was named; it approves nothing and uses nothing up."""
        event = pull_request_of(environment, number=self.number)
        pull = read_pull(access.api, event.number)
        here = replace(here, commit=self.commit or event.head or pull.head)
        if isinstance(document, Failure):
            text = Text(document.label, markdown_failure.render_failure(document, here))
        else:
            text = Text(document.tenant.label, apply_markdown.render(document, here))
        self._show(text.label, commenting.post_text(access, pull, text, here, always=self.always))
        return ExitCode.OK

    def _keep_issue(
        self, document: Content, environment: GitHubEnvironment, access: GitHubAccess
    ) -> ExitCode:
        here = replace(self._context("plan"), commit=self.commit or environment.sha)
        match document:
            case SavedPlan():
                plan = document.plan
                text, title = commenting.plan_text(document, here), _issue_title(plan)
                is_open = not plan.is_empty or not plan.complete  # what is held is no drift
            case Failure():
                body = markdown_failure.render_failure(document, here)
                text, title = Text(document.label, body), f"No plan for {document.label[:100]}"
                is_open = text.matters
            case _:
                raise UsageError("--issue takes a plan, or the failure of one")
        kept = upsert_issue(
            access.api,
            author=access.author,
            title=title,
            body=text.body,
            marker_prefix=marker_prefix("plan", text.label),
            open=is_open,
        )
        self.console.result(f"{visible(text.label)}: issue {kept.action}{_at(kept.url)}\n")
        return ExitCode.OK

    def _summarize(self, document: Content) -> None:
        here = self._context("plan")
        for write in self._writers(document, here):
            self.console.summary(write)

    def _writers(self, document: Content, here: Context) -> list[Callable[[], str]]:
        match document:
            case SavedPlan():
                return [lambda: commenting.plan_text(document, here).body]
            case ApplyResult():
                return [lambda: apply_markdown.render(document, here)]
            case Failure():
                return [lambda: markdown_failure.render_failure(document, here)]
            case Validation():
                texts = [self._validation_text(root, here).body for root in document.roots]
                return [partial(str, text) for text in texts]
            case Tenants():
                return []

    def _context(self, kind: str) -> Context:
        made = context(self.console.environ, kind=kind, root=self.root, commit=self.commit)
        return replace(
            made,
            commit=self.commit,
            budget=BUDGET,
            note=self.note,
            # The page of a run lists its artifacts under this anchor; the report is one of them.
            report_url=self.report_url or (made.run_url and f"{made.run_url}#artifacts"),
        )

    def _show(self, label: str, posted: Posted) -> None:
        outcome = {
            PostAction.CREATED: "comment created",
            PostAction.UPDATED: "comment updated",
            PostAction.UNCHANGED: "comment is up to date",
            PostAction.SKIPPED: "no changes, so no comment",
            PostAction.OUTDATED: "a newer commit is the head, so nothing was posted",
        }[posted.action]
        self.console.result(f"{visible(label)}: {outcome}{_at(posted.url)}\n")


def _read(file: Path) -> Content:
    """Read what is to be posted, told apart by its content. Raises `PlanFileError`."""
    text = read_text(file)
    labels = _labels_in(text)
    if labels is not None:
        return Tenants(labels)
    document = read_document(text, source=str(file))
    if isinstance(document, Validation) and len(document.roots) > MOST_ROOTS:
        raise PlanFileError(f"{file} has more than {MOST_ROOTS} tenant roots")
    return document


def _labels_in(text: str) -> tuple[str, ...] | None:
    """The labels in the matrix of ``tenants --format json``; None where the text is no such."""
    try:
        return tuple(str(entry["label"]) for entry in json.loads(text)["include"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _check_commit(pull: PullRequest, commit: str) -> None:
    """Refuse to write about one pull request on the pull request of another.

    The number may come from a fork's own run, and whoever runs it can write any number there.
    """
    if pull.head != commit:
        raise ConfigError(
            f"commit {commit[:12]} is not the head of pull request #{pull.number} "
            f"({pull.head[:12]} is); nothing was posted"
        )


def _check_fork(environment: GitHubEnvironment, pull: PullRequest) -> None:
    """Refuse to write a fork's report on a pull request that is not of that fork.

    Anybody can push the head of another pull request to a fork of their own, so that the commit
    alone does not tell whose pull request it is.
    """
    if environment.event_path is None or environment.event_name != "workflow_run":
        return
    origin = head_repository_of_run(environment.event_path)
    if origin != pull.head_repository:
        raise ConfigError(
            f"pull request #{pull.number} does not come from the repository whose run wrote this "
            "report; nothing was posted"
        )


def _issue_title(plan: Plan) -> str:
    """Name the tenant and what differs, within GitHub's limit on titles."""
    state = "incomplete plan" if not plan.complete else describe_counts(plan.summary)
    return f"Drift in {plan.tenant.label[:100]}: {state}"


def _at(url: str | None) -> str:
    return f": {url}" if url else ""
