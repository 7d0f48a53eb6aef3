"""Outputs, summaries and log lines, with hostile values."""

from __future__ import annotations

import pytest

from reconciler.github.outputs import (
    output_text,
    plan_outputs,
    summary_text,
    write_outputs,
    write_summary,
)
from reconciler.model.errors import ConfigError
from reconciler.model.plan import Plan, PlanTenant
from reconciler.model.state import Cloud, Guardrails, Writes


def as_the_runner_reads(text):
    """The runner's own rules: NAME=VALUE, or NAME<<DELIMITER up to the line DELIMITER."""
    found, lines = {}, iter(text.split("\n"))
    for line in lines:
        if not line:
            continue
        name, separator, delimiter = line.partition("<<")
        assert separator
        value = []
        while (inner := next(lines)) != delimiter:
            value.append(inner)
        found[name] = "\n".join(value)
    return found


def test_a_plan_has_the_published_outputs():
    tenant = PlanTenant("7d2f9a54-51d8-4c0e-9b57-0c1f5d6c7a11", "prod", None, Cloud.GLOBAL)
    plan = Plan(tenant, (), Writes.AUTO, Guardrails(), complete=True)

    assert plan_outputs(plan, None) == {
        "has_changes": "false",
        "creates": "0",
        "updates": "0",
        "deletes": "0",
        "risk": "routine",
        "digest": plan.digest,
        "plan_path": "",
        "applyable": "true",
    }


@pytest.mark.parametrize(
    "value",
    ["", "plain", "a\nevil=1\n", "x<<EOF\ny\nEOF\n", "\n\n", "100% ::set-output::", "é\U0001f600"],
)
def test_a_value_stays_one_value(tmp_path, value):
    path = tmp_path / "output"
    path.write_bytes(b"left_open<<E\n1\nE")

    write_outputs(path, {"digest": value, "after": "1"})

    written = as_the_runner_reads(path.read_text("utf-8"))
    assert written == {"left_open": "1", "digest": value, "after": "1"}


def test_half_a_surrogate_pair_is_no_crash(tmp_path):
    write_outputs(tmp_path / "output", {"digest": "\ud800"})
    assert as_the_runner_reads((tmp_path / "output").read_text("utf-8")) == {"digest": "?"}


def test_delimiters_differ_from_value_to_value():
    delimiters = {
        line for line in output_text({"a": "", "b": ""}).split("\n") if line[:4] == "end_"
    }
    assert len(delimiters) == 2


@pytest.mark.parametrize("name", ["", "a b", "a\nb", "a=b", "1a", "a<<b"])
def test_a_name_is_never_foreign(name):
    with pytest.raises(AssertionError):
        output_text({name: "1"})


def test_a_file_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(ConfigError, match="GITHUB_OUTPUT cannot be written"):
        write_outputs(tmp_path / "none" / "output", {"a": "1"})
    with pytest.raises(ConfigError, match="GITHUB_STEP_SUMMARY cannot be written"):
        write_summary(tmp_path / "none" / "summary", "text")


def test_a_summary_that_fits_is_left_whole():
    assert summary_text("# Plan\n\n\n") == "# Plan\n"


def test_a_long_summary_is_cut_between_lines_and_says_so():
    markdown = "\n".join(f"line {number} é" for number in range(1000))

    text = summary_text(markdown, limit=1000)

    first, *lines = text.splitlines()
    kept = [line for line in lines if line]
    assert len(text.encode()) <= 1000
    assert first.startswith(f"> **Cut short:** only the first {len(kept)} of 1000 lines fit")
    assert kept == [f"line {number} é" for number in range(len(kept))]
    assert len(text.encode()) > 900


def test_a_summary_counts_what_the_step_wrote_before(tmp_path):
    path = tmp_path / "summary"
    path.write_text("x" * 700)

    assert write_summary(path, "fits", limit=1000)
    assert not write_summary(path, "long\n" * 200, limit=1000)

    assert path.stat().st_size <= 1000
    assert "x\nfits\n> **Cut short:**" in path.read_text()


def test_a_summary_without_any_room_is_left_out(tmp_path):
    path = tmp_path / "summary"
    path.write_text("x" * 999)
    assert not write_summary(path, "long\n" * 200, limit=1000)
    assert path.read_text() == "x" * 999
