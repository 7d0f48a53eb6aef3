"""The option ``--expect-approved``: ask whether the plan was approved, and print the answer."""

from __future__ import annotations

import json
from collections.abc import Iterator

from reconciler.cli import github_actions
from reconciler.cli.console import Console
from reconciler.cli.github_connection import open_github
from reconciler.github import author as authors
from reconciler.github.environment import GitHubEnvironment
from reconciler.model import wording
from reconciler.model.diagnostics import error
from reconciler.model.errors import ConfigError, StalePlanError
from reconciler.model.plan import Action, Plan
from reconciler.model.state import TargetKind
from reconciler.model.text import visible
from reconciler.operations.connect import Session
from reconciler.operations.pull_request_approval import (
    Approved,
    NotApproved,
    NotComparable,
    Push,
    check_pull_request_approval,
)

CHECKED_OUT = "RECONCILER_COMMIT"
"""Names the commit that was checked out, where that is a newer one than the run's own."""


def refuse_unapproved(console: Console, plan: Plan, session: Session) -> None:
    """Return when everything in the plan was approved; else raise `StalePlanError` that says what.

    In GitHub Actions a refusal is in the job's summary, too.
    """
    if plan.is_empty:
        return
    environment = GitHubEnvironment.read(console.environ)
    push = push_of(environment, console)
    api = open_github(environment, console.environ, clock=session.clock, deadline=session.deadline)
    author = authors.identify(api, in_actions=environment.in_actions)
    verdict = check_pull_request_approval(
        plan, push, api=api, author=author, now=session.clock.now()
    )
    if isinstance(verdict, Approved):
        if verdict.is_partial:
            console.note(
                f"a part of what was approved on {_numbers(verdict.pull_requests)} is already "
                "done, or more was approved since"
            )
        return
    message = f"{_reason(verdict, plan)}\n{_how(plan)}"
    _show(message, console)
    raise StalePlanError(message)


def push_of(environment: GitHubEnvironment, console: Console) -> Push:
    """The push that the run is for. Raises `ConfigError` outside of GitHub Actions."""
    if environment.sha is None or environment.ref_name is None:
        raise ConfigError(
            "this works on a push or a run by hand in GitHub Actions: GITHUB_SHA and "
            "GITHUB_REF_NAME are not set"
        )
    return Push(
        commit=environment.sha,
        checked_out=console.environ.get(CHECKED_OUT, "").strip() or environment.sha,
        branch=environment.ref_name,
        is_by_hand=environment.event_name == "workflow_dispatch",
    )


def _reason(verdict: NotApproved | NotComparable, plan: Plan) -> str:
    if isinstance(verdict, NotComparable):
        return (
            f"the plan approved on {_numbers(verdict.pull_requests)} has the digest "
            f"{', '.join(verdict.digests)}, and this one is another; nothing was written."
        )
    if not verdict.pull_requests:
        return f"no approval: {'; '.join(verdict.reasons)}; nothing was written."
    first = (
        f"this is not the plan that was approved on {_numbers(verdict.pull_requests)}; nothing was "
        "written. The tenant has changed since, or the files hold more than was reviewed:"
    )
    reasons = [f"  not counted: {reason}" for reason in verdict.reasons]
    return "\n".join([first, *(f"  {line}" for line in _difference(verdict, plan)), *reasons])


def _numbers(pull_requests: tuple[int, ...]) -> str:
    listed = ", ".join(f"#{number}" for number in pull_requests)
    return f"pull request {listed}" if len(pull_requests) == 1 else f"pull requests {listed}"


def _how(plan: Plan) -> str:
    return (
        "To approve what is shown above, run the apply workflow by hand with the label "
        f"{plan.tenant.label} and the digest {plan.digest}"
    )


def _show(message: str, console: Console) -> None:
    """Show it where people look first. Indented, as names that it quotes must not act as Markdown."""
    quoted = "".join(f"    {visible(line)}\n" for line in message.splitlines())
    console.summary(lambda: f"## Not applied\n\n{quoted}")
    github_actions.annotate(
        console.environ, [error("not-approved", message.partition("\n")[0])], ""
    )


def _difference(verdict: NotApproved, plan: Plan) -> Iterator[str]:
    """Name what is due and was not approved, then what was approved and is no longer due."""
    shown = wording.Names.of_plan(plan)
    for change in verdict.changes:
        policy = shown.quoted(change.policy.name, change.policy.id)
        yield f"not approved: {policy}: {wording.describe_change(change, shown)}"
    names = {policy.policy.id: policy.policy.name for policy in plan.policies}
    for line in verdict.no_longer_due:
        yield f"approved, no longer due: {_describe(line, names)}"


def _describe(line: str, names: dict[str, str]) -> str:
    """Name an approved change; it is known by ids alone."""
    change = json.loads(line)
    kind, object_id, _ = change["target"]
    name = names.get(change["policy"], change["policy"])
    verb = wording.VERBS[Action(change["action"])]
    side = wording.TARGET_KINDS[TargetKind(kind)]
    return f'"{name}": {verb} {side} {object_id}'.rstrip()
