"""Help by purpose, and what shells complete."""

from __future__ import annotations

import re

import click
import pytest

from reconciler.cli.entry import _COMMANDS, cli
from tests.support.run_cli import copy_example, run


@pytest.mark.parametrize("command", ["init", "import", "plan", "apply"])
def test_help_shows_two_examples_and_groups_the_options(tmp_path, command):
    shown = run(command, "--help", cwd=tmp_path).stdout
    _, _, examples = shown.partition("\n  Examples:\n")
    assert [line.split()[:2] for line in examples.splitlines()] == [["reconciler", command]] * 2
    titles = [line for line in shown.splitlines() if line.endswith(":") and line[0] != " "]
    assert {"What to work on:", "Without a tenant:", "Requests and time:"} <= {*titles}
    assert titles[-1] == "Other options:"


@pytest.mark.parametrize("name", ["init", "import", "plan", "apply"])
def test_every_option_stands_in_the_help_once(name):
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    context = click.Context(command)
    shown = command.get_help(context)
    for parameter in command.get_params(context):
        for spelling in parameter.opts if isinstance(parameter, click.Option) else ():
            assert len(re.findall(rf"^  .*{spelling}(?![\w-])", shown, re.MULTILINE)) >= 1
    assert len(re.findall(r"^  -", shown, re.MULTILINE)) == len(
        [each for each in command.get_params(context) if isinstance(each, click.Option)]
    )


def completed(words, *, cwd, shell="bash"):
    env = {"_RECONCILER_COMPLETE": f"{shell}_complete", "COMP_WORDS": words}
    env["COMP_CWORD"] = str(len(words.split()) - (not words.endswith(" ")))
    ran = run(cwd=cwd, env=env)
    return ran.code, [line for line in ran.stdout.splitlines() if line], ran.stderr


def test_a_shell_completes_commands_and_options(tmp_path):
    code, lines, _ = completed("reconciler ", cwd=tmp_path)
    assert code == 0
    assert [line.split(",")[1] for line in lines] == list(_COMMANDS)
    _, lines, _ = completed("reconciler plan --pol", cwd=tmp_path)
    assert lines == ["plain,--policy"]


@pytest.mark.parametrize("command", ["plan", "apply", "plan desired-state"])
def test_a_shell_completes_the_names_of_the_root_s_policies(tmp_path, command):
    copy_example(tmp_path)
    assert completed(f"reconciler {command} --policy andr", cwd=tmp_path) == (
        0,
        [
            "plain,Android - Fully managed",
            "plain,Android - Warehouse scanners",
            "plain,Android - Work profile",
        ],
        "",
    )


@pytest.mark.parametrize("content", ["policies: [", "a: 1", None])
def test_where_the_files_cannot_be_read_nothing_is_completed_and_nothing_said(tmp_path, content):
    if content is not None:
        root = copy_example(tmp_path)
        (root / "tenant.yaml").write_text(content)
    assert completed("reconciler plan --policy A", cwd=tmp_path) == (0, [], "")
