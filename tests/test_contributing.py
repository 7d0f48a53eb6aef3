"""What CONTRIBUTING and the configuration say about the tree is true."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
PAGE = (TOP / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_the_picture_shows_the_folders_of_the_package_and_no_other():
    (picture,) = re.findall(r"```text\nreconciler/\n(.*?)```", PAGE, re.DOTALL)
    drawn = re.findall(r"^  (\w+)/ +\S", picture, re.MULTILINE)
    rooms = {path.parent.name for path in (TOP / "reconciler").glob("*/__init__.py")}

    assert drawn == sorted(rooms)
    assert len(drawn) == len(picture.splitlines())


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:reconciler|tests)/[\w./]+)`", PAGE))))
def test_every_path_that_the_page_names_is_there(path):
    assert (TOP / path).exists()


def test_every_test_file_in_a_command_is_there():
    commands = re.findall(r"^\|.*\| `(.*)` \|$", PAGE, re.MULTILINE)
    named = [path for command in commands for path in re.findall(r"tests/[\w/.]+", command)]

    assert len(named) >= 5
    assert [path for path in named if not (TOP / path).exists()] == []


def test_mutation_tests_mutate_and_run_what_is_there():
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))
    settings = project["tool"]["mutmut"]
    patterns = settings["only_mutate"] + settings["pytest_add_cli_args_test_selection"]

    assert [pattern for pattern in patterns if not list(TOP.glob(pattern))] == []


def test_every_word_of_the_vocabulary_has_a_meaning_or_words_it_replaces():
    table = PAGE.partition("## One word per thing")[2].partition("\n## ")[0]
    rows = [line.split("|")[1:-1] for line in table.splitlines() if line.startswith("| ")]

    assert len(rows) > 15
    assert all(
        word.strip() and (meaning.strip() or instead.strip()) for word, meaning, instead in rows
    )
