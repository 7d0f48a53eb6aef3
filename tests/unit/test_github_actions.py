"""What a run tells GitHub Actions, and that it tells nobody else."""

from __future__ import annotations

import pytest

from reconciler.cli import github_actions
from reconciler.model.diagnostics import Location, error, warning
from tests.support.example_plans import ordinary

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
    assert github_actions.harmless(text, JOB) == shown
    assert github_actions.harmless(shown, JOB) == shown
    assert github_actions.harmless(text, {}) == text
    assert github_actions.harmless(text, {"GITHUB_ACTIONS": "false"}) == text


def test_findings_become_annotations_at_their_lines_in_a_job_alone(capsys):
    place = Location("policies/linux.yaml", 3, 5)
    found = [warning("w", "later", place), error("e", "first\n::error::x", place)]
    github_actions.annotate(JOB, found, "desired-state")
    said = capsys.readouterr()
    assert said.out == ""
    first, second = said.err.splitlines()
    assert first.startswith("::error file=desired-state/policies/linux.yaml,line=3,col=5,")
    assert second.startswith("::warning file=desired-state/policies/linux.yaml,line=3,col=5,")
    github_actions.annotate({}, found, "")
    github_actions.annotate(JOB, [], "")
    github_actions.annotate_plan({}, ordinary(), "")
    assert capsys.readouterr() == ("", "")


def test_outputs_and_summary_are_appended_in_a_job_alone(tmp_path):
    output, summary = tmp_path / "output", tmp_path / "summary"
    files = {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}
    github_actions.plan_outputs(files, ordinary(), None)
    github_actions.summarize(files, lambda: pytest.fail("no summary is wanted"))
    github_actions.plan_outputs(JOB, ordinary(), None)
    github_actions.summarize(JOB, lambda: pytest.fail("no summary is wanted"))
    assert list(tmp_path.iterdir()) == []
    for _ in range(2):
        github_actions.plan_outputs(JOB | files, ordinary(), tmp_path / "plan.json")
        github_actions.summarize(JOB | files, lambda: "# Said")
    assert output.read_text().count(f"\n{ordinary().digest}\n") == 2
    assert output.read_text().count(f"\n{tmp_path}/plan.json\n") == 2
    assert summary.read_text() == "# Said\n# Said\n"
