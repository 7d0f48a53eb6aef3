"""What a run tells GitHub Actions, and that it tells nobody else."""

from __future__ import annotations

import pytest

from reconciler.cli import actions
from reconciler.diagnostics import Location, error, warning
from tests.build_plans import ordinary

JOB = {"GITHUB_ACTIONS": "true"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::error::x", ": :error::x"),
        ("a\n  ::add-mask::x\nb", "a\n  : :add-mask::x\nb"),
        ("a\r::stop-commands::x", "a\r: :stop-commands::x"),
        ("a\r\n\t::error::x", "a\r\n\t: :error::x"),
        ("\n\n::error::x", "\n\n: :error::x"),
        ("name ##[add-mask]a", "name # #[add-mask]a"),
        ("##[set-output name=digest]x", "# #[set-output name=digest]x"),
        ("std::vector and ## heading", "std::vector and ## heading"),
    ],
)
def test_no_text_is_taken_for_a_command_in_a_job(text, shown):
    assert actions.harmless(text, JOB) == shown
    assert actions.harmless(shown, JOB) == shown
    assert actions.harmless(text, {}) == text
    assert actions.harmless(text, {"GITHUB_ACTIONS": "false"}) == text


def test_findings_become_annotations_at_their_lines_in_a_job_alone(capsys):
    place = Location("policies/linux.yaml", 3, 5)
    found = [warning("w", "later", place), error("e", "first\n::error::x", place)]
    actions.annotate(JOB, found, "desired-state")
    said = capsys.readouterr()
    assert said.out == ""
    first, second = said.err.splitlines()
    assert first.startswith("::error file=desired-state/policies/linux.yaml,line=3,col=5,")
    assert second.startswith("::warning file=desired-state/policies/linux.yaml,line=3,col=5,")
    actions.annotate({}, found, "")
    actions.annotate(JOB, [], "")
    actions.annotate_plan({}, ordinary(), "")
    assert capsys.readouterr() == ("", "")


def test_outputs_and_summary_are_appended_in_a_job_alone(tmp_path):
    output, summary = tmp_path / "output", tmp_path / "summary"
    files = {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}
    actions.plan_outputs(files, ordinary(), None)
    actions.summarize(files, lambda: pytest.fail("no summary is wanted"))
    actions.plan_outputs(JOB, ordinary(), None)
    actions.summarize(JOB, lambda: pytest.fail("no summary is wanted"))
    assert list(tmp_path.iterdir()) == []
    for _ in range(2):
        actions.plan_outputs(JOB | files, ordinary(), tmp_path / "plan.json")
        actions.summarize(JOB | files, lambda: "# Said")
    assert output.read_text().count(f"\n{ordinary().digest}\n") == 2
    assert output.read_text().count(f"\n{tmp_path}/plan.json\n") == 2
    assert summary.read_text() == "# Said\n# Said\n"
