"""Each folder below tests/cases/loader is a tenant root and what a user is told about it.

``UPDATE_CASES=1`` rewrites every expected.txt; read the difference before keeping it.
"""

import os
from pathlib import Path

import pytest

from reconciler.loader import Loaded, load
from reconciler.model.diagnostics import Diagnostic
from reconciler.model.errors import ConfigError
from reconciler.model.state import DesiredAssignment, DesiredState, Reference

CASES = Path(__file__).parents[1] / "cases" / "loader"


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda case: case.name)
def test_a_tenant_root_reads_as_expected(case, monkeypatch):
    monkeypatch.chdir(case)
    marker = case / "root.txt"
    root = Path(marker.read_text(encoding="utf-8").strip() if marker.exists() else ".")
    try:
        shown = describe(load(root))
    except ConfigError as failure:
        shown = f"ConfigError: {failure}\n"
    expected = case / "expected.txt"
    if os.environ.get("UPDATE_CASES"):
        expected.write_text(shown, encoding="utf-8")
    assert shown == expected.read_text(encoding="utf-8")


def describe(loaded: Loaded) -> str:
    lines = [line(each) for each in loaded.diagnostics]
    assert (loaded.state is None) == any(each.is_error for each in loaded.diagnostics)
    if loaded.state:
        lines += dump(loaded.state)
    return "".join(f"{each}\n" for each in lines)


def line(diagnostic: Diagnostic) -> str:
    return f"{diagnostic.location} {diagnostic.severity} {diagnostic.code} {diagnostic.message} | {diagnostic.help}"


def dump(state: DesiredState) -> list[str]:
    config = state.config
    limits = config.guardrails
    return [
        f"tenant {config.tenant} at {config.location}",
        f"  label {config.label}, cloud {config.cloud}, writes {config.writes}",
        f"  creates {limits.max_creates}, updates {limits.max_updates}",
        f"  deletes {limits.max_deletes}, broad {limits.broad_targets}",
        *dump_hold(config.hold),
        *(f"  default {dump_assignment(each)}" for each in config.default_exclusions),
        *(each for policy in state.policies for each in dump_policy(policy)),
    ]


def dump_policy(policy) -> list[str]:
    platform = f" ({policy.platform})" if policy.platform else ""
    head = f"policy {both(policy.reference)}{platform} {policy.ownership}"
    head += f", override {policy.override} open" if policy.override else ""
    head += ", inherited" if policy.is_inherited else ""
    return [
        f"{head} at {policy.reference.location}",
        *(f"  {dump_assignment(each)}" for each in policy.assignments),
        *(f"  remove {dump_assignment(each)}" for each in policy.removals),
        *dump_hold(policy.hold),
    ]


def dump_hold(hold) -> list[str]:
    return [f'  hold until {hold.until}, "{hold.reason}" at {hold.location}'] if hold else []


def dump_assignment(assignment: DesiredAssignment) -> str:
    words = [str(assignment.kind)]
    words += [both(assignment.group)] if assignment.group else []
    words += [assignment.id] if assignment.id else []
    words += [f"({assignment.target_type})"] if assignment.target_type else []
    if assignment.filter:
        words.append(f"filter {assignment.filter.mode} {both(assignment.filter.reference)}")
        words.append(f"at {assignment.filter.reference.location}")
    words += ["broad"] if assignment.broad else []
    words += [f"from {assignment.starts}"] if assignment.starts else []
    words += [f"until {assignment.ends}"] if assignment.ends else []
    return f"{' '.join(words)} at {assignment.location}"


def both(reference: Reference) -> str:
    name = f'"{reference.name}"' if reference.name is not None else ""
    return " ".join(filter(None, [name, f"id {reference.id}" if reference.id else ""]))
