"""The files through which a step hands results to GitHub Actions. The `write_` functions do I/O.

Names and values come from a tenant, so each value stands between delimiters that nobody could have
guessed: a value cannot end early and set another output.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from reconciler.differ.risk import risk_of
from reconciler.model.errors import ConfigError
from reconciler.model.plan import Plan

SUMMARY_LIMIT = 1024 * 1024
"""GitHub drops a step's whole summary above this many bytes."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}")


def plan_outputs(plan: Plan, plan_path: str | None) -> dict[str, str]:
    """The outputs of a plan (published: see the contract); ``plan_path`` is empty without a file."""
    summary = plan.summary
    return {
        "has_changes": "true" if summary.has_changes else "false",
        "creates": str(summary.create),
        "updates": str(summary.update),
        "deletes": str(summary.delete),
        "risk": risk_of(plan).level.value,
        "digest": plan.digest,
        "plan_path": plan_path or "",
        "applyable": "true" if plan.applyable else "false",
    }


def output_text(outputs: Mapping[str, str]) -> str:
    """Spell outputs as the file of ``GITHUB_OUTPUT`` wants them."""
    return "".join(_entry(name, value) for name, value in outputs.items())


def summary_text(markdown: str, *, limit: int = SUMMARY_LIMIT) -> str:
    """The summary within ``limit`` bytes: cut between lines where it must be, and said at the top."""
    whole = markdown.rstrip("\n") + "\n"
    if len(_bytes(whole)) <= limit:
        return whole
    lines = whole.splitlines(keepends=True)
    note = (
        "> **Cut short:** only the first {shown} of "
        f"{len(lines)} lines fit into GitHub's limit on a summary. The saved plan holds everything.\n\n"
    )
    room = limit - len(_bytes(note)) - len(str(len(lines)))
    kept = 0
    for line in lines:
        room -= len(_bytes(line))
        if room < 0:
            break
        kept += 1
    text = note.format(shown=kept) + "".join(lines[:kept])
    return text if len(_bytes(text)) <= limit else ""


def write_outputs(path: Path, outputs: Mapping[str, str]) -> None:
    """Append outputs to the file of ``GITHUB_OUTPUT``."""
    _append(path, output_text(outputs), "GITHUB_OUTPUT")


def write_summary(path: Path, markdown: str, *, limit: int = SUMMARY_LIMIT) -> bool:
    """Append to the file of ``GITHUB_STEP_SUMMARY`` what still fits; tells whether all of it did."""
    try:
        room = limit - path.stat().st_size - 1  # the line end that the file may lack
    except FileNotFoundError:
        room = limit
    except OSError as fault:
        raise _unwritable("GITHUB_STEP_SUMMARY", fault) from None
    text = summary_text(markdown, limit=max(0, room))
    if text:
        _append(path, text, "GITHUB_STEP_SUMMARY")
    return text == summary_text(markdown, limit=len(_bytes(markdown)) + 1)


def _entry(name: str, value: str) -> str:
    if not _NAME.fullmatch(name):
        raise AssertionError("an output's name is made of letters, digits, - and _")
    delimiter = _delimiter()
    while delimiter in value:
        delimiter = _delimiter()
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"


def _delimiter() -> str:
    return f"end_{secrets.token_hex(16)}"


def _append(path: Path, text: str, variable: str) -> None:
    try:
        with path.open("ab+") as file:
            # Another program may have left its last line open; ours must not continue it.
            if file.seek(0, 2) > 0:
                file.seek(-1, 2)
                if file.read(1) != b"\n":
                    text = "\n" + text
            file.write(_bytes(text))
    except OSError as fault:
        raise _unwritable(variable, fault) from None


def _bytes(text: str) -> bytes:
    # JSON can hold half a surrogate pair, which UTF-8 cannot.
    return text.encode("utf-8", errors="replace")


def _unwritable(variable: str, fault: OSError) -> ConfigError:
    return ConfigError(
        f"the file of {variable} cannot be written ({fault.strerror or type(fault).__name__})"
    )
