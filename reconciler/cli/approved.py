"""Hold a fresh plan against the one that was approved on the merged pull request."""

from __future__ import annotations

import json
from collections.abc import Iterator

from reconciler.cli.console import Console
from reconciler.cli.github_connection import open_github
from reconciler.errors import ConfigError, StalePlanError
from reconciler.github import author as authors
from reconciler.github.approved import Approved, NotApproved, approved_digest
from reconciler.github.environment import GitHubEnvironment
from reconciler.github.hidden_operations import read_operations
from reconciler.operations.connect import Session
from reconciler.plan import Operation, Plan, digest_of_lines, operation_lines
from reconciler.views import words
from reconciler.views.markdown import marker_prefix


def refuse_unapproved(plan: Plan, console: Console, session: Session) -> None:
    """Return when everything in the plan was approved; else raise `StalePlanError` that says what.

    The plan may hold less than what was approved, where a part of that is already true.
    """
    if plan.is_empty:
        return
    approved = _approved(plan, console, session)
    if approved.digest == plan.digest:
        return
    lines = read_operations(approved.body)
    if lines is None or digest_of_lines(plan.tenant.id, lines) != approved.digest:
        raise StalePlanError(
            f"the plan approved on pull request #{approved.pull_request} has the digest "
            f"{approved.digest}, and this one is another; nothing was written.\n{_how(plan)}"
        )
    if set(operation_lines(plan.operations)) <= set(lines):
        console.note(
            f"a part of what pull request #{approved.pull_request} approved is already done"
        )
        return
    raise StalePlanError(
        f"this is not the plan that was approved on pull request #{approved.pull_request}; "
        "nothing was written. The tenant has moved since:\n"
        + "\n".join(f"  {line}" for line in _difference(plan, lines))
        + f"\n{_how(plan)}"
    )


def _approved(plan: Plan, console: Console, session: Session) -> Approved:
    environment = GitHubEnvironment.read(console.environ)
    if environment.sha is None or environment.ref_name is None:
        raise ConfigError(
            "--expect-approved works on a push in GitHub Actions: GITHUB_SHA and GITHUB_REF_NAME "
            "are not set"
        )
    api = open_github(environment, console.environ, clock=session.clock, deadline=session.deadline)
    found = approved_digest(
        api,
        author=authors.identify(api, in_actions=environment.in_actions),
        commit=environment.sha,
        branch=environment.ref_name,
        marker_prefix=marker_prefix("plan", plan.tenant.label),
    )
    if isinstance(found, NotApproved):
        raise StalePlanError(f"no approval: {found.reason}; nothing was written.\n{_how(plan)}")
    return found


def _how(plan: Plan) -> str:
    return (
        "To approve what is shown above, run the apply workflow by hand with the label "
        f"{plan.tenant.label} and the digest {plan.digest}"
    )


def _difference(plan: Plan, approved: tuple[str, ...]) -> Iterator[str]:
    """Name what is due and was not approved, then what was approved and is no longer due."""
    due: dict[str, Operation] = {
        operation_lines([operation])[0]: operation for operation in plan.operations
    }
    names = {policy.policy.id: policy.policy.name for policy in plan.policies}
    for line, operation in due.items():
        if line not in approved:
            said = f"{words.verb(operation)} {words.target(operation.target)}"
            change = words.filter_change(operation)
            yield f'not approved: "{operation.policy.name}": {said}' + (
                f", {change}" if change else ""
            )
    for line in approved:
        if line not in due:
            yield f"approved, no longer due: {_say(line, names)}"


def _say(line: str, names: dict[str, str]) -> str:
    """Say an approved operation in words; it is known by ids alone."""
    operation = json.loads(line)
    kind, object_id, _ = operation["target"]
    name = names.get(operation["policy"], operation["policy"])
    return f'"{name}": {operation["action"]} {kind} {object_id}'.rstrip()
