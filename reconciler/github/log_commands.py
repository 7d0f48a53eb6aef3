"""Lines that the log of a GitHub Actions job understands: masks, groups, quotation. Pure.

The runner obeys any line that begins with ``::``, whoever wrote it. What a tenant or a service says
is therefore quoted before it is printed in a job.
"""

from __future__ import annotations

import secrets

_SHORTEST_MASKED_LINE = 4


def mask(value: str) -> str:
    """Have the log show ``***`` for a secret; a secret of several lines is masked line by line.

    Empty text for an empty value. Very short lines of a long secret are left out: they would star
    every such word in the log and hide nothing.
    """
    lines = value.splitlines()
    if len(lines) > 1:
        lines = [line for line in lines if len(line.strip()) >= _SHORTEST_MASKED_LINE]
    return "".join(f"::add-mask::{_escaped(line)}\n" for line in lines if line.strip())


def group(title: str) -> str:
    """Open a group that the log shows folded."""
    return f"::group::{_escaped(' '.join(title.split()))}\n"


def endgroup() -> str:
    """Close the group."""
    return "::endgroup::\n"


def quoted(text: str) -> str:
    """Print foreign text so that nothing in it is taken for a command."""
    token = secrets.token_hex(16)
    while token in text:
        token = secrets.token_hex(16)
    body = text if text.endswith("\n") else text + "\n"
    return f"::stop-commands::{token}\n{body}::{token}::\n"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
