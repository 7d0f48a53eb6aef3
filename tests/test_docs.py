"""README and .github/docs are tested: what they show is printed, and what they name exists."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.cli.entry import _COMMANDS
from reconciler.loader import load
from reconciler.model.errors import ExitCode

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = (
    README,
    *(page for page in sorted((ROOT / ".github").glob("*.md")) if "TEMPLATE" not in page.name),
    *sorted((ROOT / ".github/docs").glob("*.md")),
)
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
EVERYTHING = "\n".join(TEXTS.values())
WIDTH = "84"


def blocks(language: str, text: str = EVERYTHING) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def reconciler(*arguments: str, cwd: Path) -> str:
    environ = {**os.environ, "COLUMNS": WIDTH, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "reconciler", *arguments],
        cwd=cwd,
        env=environ,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return done.stdout


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    shutil.copytree(
        ROOT / "desired-state",
        tmp_path / "desired-state",
        ignore=shutil.ignore_patterns(".reconciler"),
    )
    return tmp_path


def test_the_plan_shown_is_part_of_the_first_plan(clone):
    first = reconciler("plan", "--sandbox", cwd=clone)
    (shown,) = [block for block in blocks("text") if "Plan: " in block]
    policy, counts = shown.split("\n\n")
    assert f"\n\n{policy}\n" in first
    assert first.endswith(f"\n{counts}")


def test_the_last_plan_ends_as_shown(clone):
    reconciler("apply", "--sandbox", "--auto-approve", cwd=clone)
    last = reconciler("plan", "--sandbox", cwd=clone)
    (shown,) = [block for block in blocks("text") if block.startswith("No changes.")]
    assert last.endswith(shown)


def test_the_mistakes_shown_are_reported_like_that(clone):
    policies = clone / "desired-state" / "policies" / "windows.yaml"
    good = policies.read_text(encoding="utf-8")
    (shown,) = [block for block in blocks("text") if "unknown key" in block]
    in_files, in_tenant = shown.rstrip("\n").split("\n\n")

    policies.write_text(good.replace("{include: Corp", "{includes: Corp"), encoding="utf-8")
    assert in_files in reconciler("validate", cwd=clone)
    policies.write_text(good.replace("Kiosk devices", "Kiosk device"), encoding="utf-8")
    assert in_tenant in reconciler("plan", "--sandbox", cwd=clone)


def test_the_yaml_shown_has_no_mistakes(tmp_path):
    for block in blocks("yaml"):
        if named := re.match(r"# desired-state/(\S+)\n", block):
            file = tmp_path / named[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block, encoding="utf-8")
    loaded = load(tmp_path)
    assert loaded.diagnostics == ()
    assert loaded.state is not None
    assert len(loaded.state.policies[0].assignments) == 7


def test_the_adoption_page_shows_what_the_program_prints(tmp_path):
    shutil.copy(ROOT / "desired-state" / "sandbox.json", tmp_path)
    sandbox = ("--sandbox", "--sandbox-file", "sandbox.json")
    page = TEXTS[ROOT / ".github" / "docs" / "adopt.md"]
    imported, answered = blocks("text", page)
    assert imported in reconciler("init", "--import", *sandbox, cwd=tmp_path)
    (policy,) = blocks("yaml", page)
    written = (tmp_path / "desired-state/policies/windows10.yaml").read_text(encoding="utf-8")
    assert policy in written
    assert "No changes." in reconciler("plan", *sandbox, cwd=tmp_path)
    assert answered == reconciler("who", "Kiosks", *sandbox, cwd=tmp_path)


def test_every_exit_code_is_listed():
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", EVERYTHING, re.MULTILINE)}
    assert listed == {int(code) for code in ExitCode}


@pytest.mark.parametrize("command", sorted(_COMMANDS))
def test_every_command_is_mentioned(command):
    assert re.search(rf"`(reconciler )?{command}\b|reconciler {command}\b", TEXTS[README])


def test_every_option_named_exists():
    named = set(re.findall(r"`(--[a-z][a-z-]+)", EVERYTHING))
    known = set()
    for command in _COMMANDS:
        known |= set(re.findall(r"--[a-z][a-z-]+", reconciler(command, "--help", cwd=ROOT)))
    foreign = {"--quiet", "--editable", "--numprocesses"}
    assert named - known - foreign == set()


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", TEXTS[page], re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_into_the_repository_lead_somewhere(page):
    for target, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([^)]*))?\)", TEXTS[page]):
        linked = (page.parent / target).resolve() if target else page
        assert linked.exists(), target
        if anchor and linked in TEXTS:
            assert anchor in anchors(linked), f"{target}#{anchor}"


def test_every_page_is_linked_from_the_readme():
    for page in PAGES[1:]:
        assert f"({page.relative_to(ROOT).as_posix()}" in TEXTS[README], page


def test_the_readme_is_a_welcome_and_no_manual():
    assert len(TEXTS[README].splitlines()) <= 200


def test_the_first_two_blocks_do_the_main_job_and_the_tests():
    main, tests, *_ = blocks("sh", TEXTS[README])
    assert [line.split()[1] for line in main.splitlines() if "bin/reconciler" in line] == [
        "plan",
        "apply",
        "plan",
    ]
    assert "-m pytest" in tests
