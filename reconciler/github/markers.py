"""The hidden first line that tells our comments from all others. Pure.

``<!-- reconciler:plan tenant=LABEL digest=sha256:… commit=SHA run=ID v=1 -->``: the prefix (up to the
label) says which comment it is, the fields after it what the comment shows. Whoever can comment
can write such a line: a marker means something only together with its author.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_FIELD = re.compile(r"(?:^|\s)(tenant|digest|commit|run|changes)=(\S+)(?=\s)")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_RUN = re.compile(r"[0-9]{1,20}")
_TENANT = re.compile(r"[0-9A-Za-z._~%-]{1,2000}")
_CHANGES = re.compile(r"[0-9]{1,9}/[0-9]{1,9}/[0-9]{1,9}")
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Marker:
    """What a marker says of the text below it; None where it does not say, or not well.

    ``run`` is the id of the workflow run that wrote it, ``changes`` how many there are: adds,
    changes and removals, as in ``3/1/2``. ``tenant`` is the label as the marker spells it, and only
    there where the prefix does not name it.
    """

    digest: str | None
    commit: str | None
    run: str | None = None
    changes: str | None = None
    tenant: str | None = None


def read(body: str, prefix: str) -> Marker | None:
    """Read the marker at the very beginning of ``body``; None where there is none with this prefix."""
    prefix = prefix.rstrip()
    if not prefix.startswith("<!--") or len(prefix) < len("<!-- x"):
        raise AssertionError("a marker's prefix must begin a comment, and name something")
    line = body.partition("\n")[0].rstrip()
    fields = line.removeprefix(prefix)
    # The blank after the prefix keeps the label "prod" from finding the comment of "prod-eu".
    if not line.startswith(prefix) or not fields[:1].isspace() or not line.endswith("-->"):
        return None
    found: dict[str, list[str]] = {
        name: [] for name in ("tenant", "digest", "commit", "run", "changes")
    }
    for name, value in _FIELD.findall(fields):
        found[name].append(value)
    return Marker(
        digest=_only(found["digest"], _DIGEST),
        commit=_only(found["commit"], COMMIT),
        run=_only(found["run"], _RUN),
        changes=_only(found["changes"], _CHANGES),
        tenant=_only(found["tenant"], _TENANT),
    )


def _only(values: list[str], form: re.Pattern[str]) -> str | None:
    """A field counts when it stands there once, and whole."""
    return values[0] if len(values) == 1 and form.fullmatch(values[0]) else None
