"""Hold a fresh plan against what was approved on the merged pull request.

A run may begin long after its push: it waited for a reviewer, or somebody ran it again. So it plans
what the branch declares *now*, and what was merged since its own commit counts as approved too. An
old run can neither bring back what a newer commit took away, nor hold up what was approved.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from reconciler.cli import github_actions
from reconciler.cli.console import Console
from reconciler.cli.github_connection import open_github
from reconciler.github import author as authors
from reconciler.github.environment import GitHubEnvironment
from reconciler.github.hidden_changes import read_changes
from reconciler.github.markers import COMMIT
from reconciler.github.pull_request_approval import (
    MissingApproval,
    PullRequestApproval,
    approved_digest,
)
from reconciler.github.pulls import commits_after
from reconciler.model import wording
from reconciler.model.diagnostics import error
from reconciler.model.errors import ConfigError, StalePlanError
from reconciler.model.plan import Action, Change, Plan, change_lines, digest_of_lines
from reconciler.model.state import TargetKind
from reconciler.operations.connect import Session
from reconciler.views.escaping import visible
from reconciler.views.markdown import marker_prefix

CHECKED_OUT = "RECONCILER_COMMIT"
"""Names the commit that was checked out, where that is a newer one than the run's own."""


def refuse_unapproved(console: Console, plan: Plan, session: Session) -> None:
    """Return when everything in the plan was approved; else raise `StalePlanError` that says what.

    The plan may hold less than what was approved, where a part of that is already true. In GitHub
    Actions a refusal stands in the job's summary, too.
    """
    if plan.is_empty:
        return
    try:
        _judge(plan, console, session)
    except StalePlanError as refused:
        _tell(str(refused), console)
        raise


def _judge(plan: Plan, console: Console, session: Session) -> None:
    found = _found(plan, console, session)
    approvals = [approval for approval in found if isinstance(approval, PullRequestApproval)]
    if not approvals:
        reason = next(no.reason for no in found if isinstance(no, MissingApproval))
        raise StalePlanError(f"no approval: {reason}; nothing was written.\n{_how(plan)}")
    if any(approval.digest == plan.digest for approval in approvals):
        return
    approved: dict[str, PullRequestApproval] = {}
    for approval in approvals:
        lines = read_changes(approval.body)
        if lines is not None and digest_of_lines(plan.tenant.id, lines) == approval.digest:
            approved |= dict.fromkeys(lines, approval)
    numbers = _numbers(approvals)
    if not approved:
        raise StalePlanError(
            f"the plan approved on {numbers} has the digest "
            f"{approvals[0].digest}, and this one is another; nothing was written.\n{_how(plan)}"
        )
    if set(change_lines(plan.changes)) <= set(approved):
        console.note(
            f"a part of what {numbers} approved is already done, or more was approved since"
        )
        return
    raise StalePlanError(
        f"this is not the plan that was approved on {numbers}; nothing was written. The tenant has "
        "moved since, or the files hold more than was reviewed:\n"
        + "\n".join(f"  {line}" for line in _difference(plan, approved))
        + f"\n{_how(plan)}"
    )


def _found(
    plan: Plan, console: Console, session: Session
) -> Sequence[PullRequestApproval | MissingApproval]:
    """What was approved with the run's commit, and with each that the branch got since."""
    environment = GitHubEnvironment.read(console.environ)
    if environment.sha is None or environment.ref_name is None:
        raise ConfigError(
            "--expect-approved works on a push in GitHub Actions: GITHUB_SHA and GITHUB_REF_NAME "
            "are not set"
        )
    api = open_github(environment, console.environ, clock=session.clock, deadline=session.deadline)
    author = authors.identify(api, in_actions=environment.in_actions)
    commits = [environment.sha]
    checked_out = console.environ.get(CHECKED_OUT, "").strip() or environment.sha
    if not COMMIT.fullmatch(checked_out):
        raise ConfigError(f"{CHECKED_OUT} is not a commit")
    if checked_out != environment.sha:
        newer = commits_after(api, environment.sha, checked_out)
        if newer is None:
            raise StalePlanError(
                f"{environment.ref_name} does not build on commit {environment.sha[:12]} any more, "
                f"or has moved far on from it; nothing was written.\n{_how(plan)}"
            )
        commits += newer
    return [
        approved_digest(
            api,
            author=author,
            commit=commit,
            branch=environment.ref_name,
            marker_prefix=marker_prefix("plan", plan.tenant.label),
        )
        for commit in commits
    ]


def _numbers(approvals: Sequence[PullRequestApproval]) -> str:
    numbers = sorted({approval.pull_request for approval in approvals})
    listed = ", ".join(f"#{number}" for number in numbers)
    return f"pull request {listed}" if len(numbers) == 1 else f"pull requests {listed}"


def _how(plan: Plan) -> str:
    return (
        "To approve what is shown above, run the apply workflow by hand with the label "
        f"{plan.tenant.label} and the digest {plan.digest}"
    )


def _tell(message: str, console: Console) -> None:
    """Say it where people look first. Indented, as names that it quotes must not act as Markdown."""
    quoted = "".join(f"    {visible(line)}\n" for line in message.splitlines())
    console.summary(lambda: f"## Not applied\n\n{quoted}")
    github_actions.annotate(
        console.environ, [error("not-approved", message.partition("\n")[0])], ""
    )


def _difference(plan: Plan, approved: dict[str, PullRequestApproval]) -> Iterator[str]:
    """Name what is due and was not approved, then what was approved and is no longer due."""
    due: dict[str, Change] = {change_lines([change])[0]: change for change in plan.changes}
    names = {policy.policy.id: policy.policy.name for policy in plan.policies}
    for line, change in due.items():
        if line not in approved:
            yield f'not approved: "{change.policy.name}": {wording.describe_change(change)}'
    for line in approved:
        if line not in due:
            yield f"approved, no longer due: {_say(line, names)}"


def _say(line: str, names: dict[str, str]) -> str:
    """Say an approved change in words; it is known by ids alone."""
    change = json.loads(line)
    kind, object_id, _ = change["target"]
    name = names.get(change["policy"], change["policy"])
    verb = wording.VERBS[Action(change["action"])]
    side = wording.TARGET_KINDS[TargetKind(kind)]
    return f'"{name}": {verb} {side} {object_id}'.rstrip()
