"""What to say about a command line that click refuses, besides what click says. Looks at files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import click

from reconciler.cli.console import Console
from reconciler.model.errors import UsageError
from reconciler.model.plan import Plan
from reconciler.model.text import visible
from reconciler.operations.selection import NO_SUCH_POLICY

_ONE_DASH = re.compile(r"-([A-Za-z][\w-]+)(=.*)?", re.DOTALL)


def explain(refused: click.UsageError, typed: Sequence[str]) -> str:
    """The message of a usage error, with the likely cause where the command line shows one."""
    if isinstance(refused, click.NoSuchOption):
        meant = _meant_with_two_dashes(refused.ctx, typed)
        if meant is not None:
            return f"No such option '{meant[1:]}'. Did you mean '{meant}'? Options have two dashes."
    message = refused.format_message()
    if "unexpected extra argument" in message and "--policy" in typed:
        advice = expanded_glob(typed)
        return f"{message}. {advice}" if advice else message
    return message


def expanded_glob(words: Sequence[str]) -> str | None:
    """Advice where one of the words is the name of a file, as after a wildcard without quotes."""
    names = [word for word in words if not word.startswith("-") and Path(word).is_file()]
    if not names:
        return None
    return (
        f'"{names[0]}" is a file here. The shell replaces a wildcard without quotes by the names '
        'of files; write it in quotes, as in: --policy "Windows*"'
    )


def refuse_expanded_glob(policies: Sequence[str], path: Path) -> None:
    """Raise where the shell made a policy and the PATH of one wildcard."""
    advice = expanded_glob(policies)
    if advice is not None and path.is_file():
        raise UsageError(advice)


def note_expanded_glob(console: Console, policies: Sequence[str], plan: Plan) -> None:
    """Say where a name that selects nothing may come from the shell."""
    advice = expanded_glob(policies)
    if advice is not None and any(each.code == NO_SUCH_POLICY for each in plan.diagnostics):
        console.aside(f"{visible(advice)}\n")


def _meant_with_two_dashes(ctx: click.Context | None, typed: Sequence[str]) -> str | None:
    if ctx is None:
        return None
    known = {name for parameter in ctx.command.get_params(ctx) for name in parameter.opts}
    for word in typed:
        match = _ONE_DASH.fullmatch(word)
        if match is not None and f"--{match[1]}" in known:
            return f"--{match[1]}"
    return None
