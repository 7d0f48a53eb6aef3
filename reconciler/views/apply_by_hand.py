"""How to approve by hand, as one line that can be copied. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from reconciler.model.text import visible
from reconciler.views.escaping import fenced


def how_to_approve(label: str, digest: str, codes: Sequence[str] = ()) -> str:
    """Say how to start the apply workflow by hand, with a line for the GitHub CLI.

    ``codes`` are those of Multi Admin Approval.
    """
    given = [f"label={label}", f"digest={digest}"]
    given += [f"approval_codes={' '.join(codes)}"] if codes else []
    line = "gh workflow run apply.yml " + " ".join(f"-f {shlex.quote(each)}" for each in given)
    return (
        "To approve it, run the workflow *apply* by hand (*Actions*, *apply*, *Run workflow*), or:\n\n"
        + fenced(visible(line))
    )
