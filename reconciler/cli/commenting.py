"""Put a plan, a result or mistakes in the files on GitHub, from the command line's options."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from reconciler.cli.console import Console
from reconciler.cli.github_connection import open_github
from reconciler.cli.github_context import context
from reconciler.cli.plan_files import read_text
from reconciler.documents import loads
from reconciler.documents.results import result_of
from reconciler.github import author as authors
from reconciler.github.api import GitHubApi
from reconciler.github.comments import BODY_LIMIT, PostAction, Posted, check_body, upsert
from reconciler.github.environment import GitHubEnvironment
from reconciler.github.errors import PermissionDenied
from reconciler.github.event import head_repository_of_run, pull_request_of
from reconciler.github.hidden_changes import with_changes
from reconciler.github.issues import upsert_issue
from reconciler.github.pulls import PullRequest, read_pull
from reconciler.github.statuses import Record, RecordKind, set_status
from reconciler.model import wording
from reconciler.model.diagnostics import Diagnostic, Location, Severity
from reconciler.model.errors import ConfigError, ExitCode, PlanFileError
from reconciler.model.plan import Plan, change_lines
from reconciler.model.text import visible
from reconciler.runtime.clock import SystemClock
from reconciler.runtime.deadline import Deadline
from reconciler.views import apply_markdown, markdown
from reconciler.views.markdown import Context, marker_prefix

BUDGET = 60_000
"""Characters of Markdown; the rest of GitHub's limit is left for the hidden changes."""

MOST_ROOTS = 100
"""In one result of validate: it may come from a fork, and each root is a comment by our account."""


@dataclass(frozen=True, slots=True)
class Text:
    """What is to be shown for one tenant.

    ``matters``: there is something to look at. ``plan`` is the plan that the text shows, None for
    every other text; only a plan gets a commit status, and so can be approved.
    """

    kind: str
    label: str
    body: str
    title: str
    matters: bool
    plan: Plan | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentCommand:
    """The comment command."""

    console: Console
    number: int | None
    always: bool
    soft: bool
    issue: bool
    problems: bool
    note: str | None
    root: str
    commit: str | None
    timeout: float

    def run(self, file: Path) -> int:
        """Post the file's content. Where the token may not, as with a fork, the summary has it.

        A token that GitHub does not know at all is a failure, ``--soft`` or not.
        """
        document = _document(file)
        if self.problems and "roots" not in document:
            raise PlanFileError(
                f"{file} is not a result of validate, and --problems takes no other"
            )
        environment = GitHubEnvironment.read(self.console.environ)
        api = self._api(environment)
        try:
            if self.issue:
                return self._keep_issues(document, file, environment, api)
            return self._comment(document, file, environment, api)
        except PermissionDenied as denied:
            if denied.status == 401:
                raise
            self._summarize(document, file)
            if not self.soft:
                raise
            self.console.note(f"not posted, the job summary has it instead: {denied}")
            return ExitCode.OK

    def _api(self, environment: GitHubEnvironment) -> GitHubApi:
        clock = SystemClock()
        return open_github(
            environment, self.console.environ, clock=clock, deadline=Deadline(clock, self.timeout)
        )

    def _comment(
        self, document: dict[str, Any], file: Path, environment: GitHubEnvironment, api: GitHubApi
    ) -> int:
        event = pull_request_of(environment, number=self.number)
        pull = read_pull(api, event.number)
        commit = self.commit or event.head or pull.head
        if self.commit is not None and self.number is not None:
            _check_commit(pull, self.commit)
        if self.problems:
            _check_fork(environment, pull)
        author = authors.identify(api, in_actions=environment.in_actions)
        for text in self._checked(document, file, commit):
            if text.plan is not None and pull.is_merged:
                # Nobody has seen this plan before the merge: it must not pass for approved.
                self.console.result(
                    f"{visible(text.label)}: the pull request is merged, so no plan\n"
                )
                continue
            posted = upsert(
                api,
                author=author,
                pull_request=event.number,
                body=text.body,
                marker_prefix=marker_prefix(text.kind, text.label),
                commit=commit,
                create=self.always or text.matters,
            )
            if text.plan is not None and posted.action is not PostAction.OUTDATED:
                _record(text.plan, api, commit=commit, run_url=environment.run_url)
            self.console.result(f"{visible(text.label)}: {_describe(posted)}\n")
        return ExitCode.OK

    def _keep_issues(
        self, document: dict[str, Any], file: Path, environment: GitHubEnvironment, api: GitHubApi
    ) -> int:
        author = authors.identify(api, in_actions=environment.in_actions)
        for text in self._checked(document, file, self.commit or environment.sha):
            kept = upsert_issue(
                api,
                author=author,
                title=text.title,
                body=text.body,
                marker_prefix=marker_prefix(text.kind, text.label),
                open=text.matters,
            )
            self.console.result(f"{visible(text.label)}: issue {kept.action}{_at(kept.url)}\n")
        return ExitCode.OK

    def _summarize(self, document: dict[str, Any], file: Path) -> None:
        for text in self._texts(document, file, self.commit):
            self.console.summary(partial(str, text.body))

    def _checked(self, document: dict[str, Any], file: Path, commit: str | None) -> Sequence[Text]:
        """Every text, none of them over GitHub's limit: else nothing is posted at all."""
        texts = self._texts(document, file, commit)
        for text in texts:
            check_body(text.body)
        return texts

    def _texts(self, document: dict[str, Any], file: Path, commit: str | None) -> Sequence[Text]:
        made = replace(
            context(self.console.environ, kind="plan", root=self.root, commit=commit),
            commit=commit,
            budget=BUDGET,
            note=self.note,
        )
        if "outcomes" in document:
            return [_of_result(document, file, replace(made, kind="apply"))]
        if "roots" in document:
            return _of_problems(document, file, made)
        return [_of_plan(file, made)]


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


def _record(plan: Plan, api: GitHubApi, *, commit: str, run_url: str | None) -> None:
    """Set the commit status that makes the comment count as an approval once it is merged."""
    set_status(
        api,
        commit=commit,
        label=plan.tenant.label,
        is_good=plan.applyable,
        summary=wording.describe_counts(plan.summary),
        record=Record(RecordKind.PLAN, plan.digest if plan.applyable else None),
        run_url=run_url,
    )


def _document(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(read_text(file))
    except (ValueError, RecursionError) as broken:
        raise PlanFileError(f"{file} is not a plan: it is not JSON, or was cut off") from broken
    if not isinstance(document, dict) or not {"checksum", "outcomes", "roots"} & document.keys():
        raise PlanFileError(f"{file} is not a plan of reconciler")
    return document


def _of_plan(file: Path, made: Context) -> Text:
    saved = loads(read_text(file), source=str(file))
    plan = saved.plan
    body = with_changes(markdown.render(saved, made), change_lines(plan.changes), limit=BODY_LIMIT)
    matters = not plan.is_empty or not plan.complete
    return Text("plan", plan.tenant.label, body, _title(plan), matters, plan)


def _title(plan: Plan) -> str:
    """Name the tenant and what differs, within GitHub's limit on titles."""
    said = "incomplete plan" if not plan.complete else wording.describe_counts(plan.summary)
    return f"Drift in {plan.tenant.label[:100]}: {said}"


def _of_result(document: dict[str, Any], file: Path, made: Context) -> Text:
    result = result_of(document, source=str(file))
    label = result.tenant.label
    body = apply_markdown.render(result, made)
    state = "complete" if result.complete else "incomplete"
    matters = bool(result.outcomes)
    return Text("apply", label, body, f"Apply {state} in {label[:100]}", matters)


def _of_problems(document: dict[str, Any], file: Path, made: Context) -> list[Text]:
    try:
        if len(document["roots"]) > MOST_ROOTS:
            raise PlanFileError(f"{file} has more than {MOST_ROOTS} tenant roots")
        return [
            Text(
                "plan",
                str(root["label"]),
                markdown.render_problems(
                    [
                        _diagnostic(item)
                        for item in document["diagnostics"]
                        if item["root"] == root["path"]
                    ],
                    str(root["label"]),
                    replace(made, root=str(root["path"])),
                ),
                f"Mistakes in the files of {str(root['label'])[:100]}",
                not root["valid"] or made.note is not None,
            )
            for root in document["roots"]
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as broken:
        raise PlanFileError(
            f"{file} is not a result of validate that this release reads"
        ) from broken


def _diagnostic(item: dict[str, Any]) -> Diagnostic:
    place = item["declared_at"]
    location = (
        Location(str(place["file"]), int(place["line"]), int(place["column"])) if place else None
    )
    return Diagnostic(
        Severity(item["severity"]),
        str(item["code"]),
        str(item["message"]),
        location,
        str(item["help"]),
        str(item["policy"]),
    )


def _describe(posted: Posted) -> str:
    outcome = {
        PostAction.CREATED: "comment created",
        PostAction.UPDATED: "comment updated",
        PostAction.UNCHANGED: "comment is up to date",
        PostAction.SKIPPED: "no changes, so no comment",
        PostAction.OUTDATED: "a newer commit is the head, so nothing was posted",
    }[posted.action]
    return outcome + _at(posted.url)


def _at(url: str | None) -> str:
    return f": {url}" if url else ""
