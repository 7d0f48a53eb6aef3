"""What writing or checking the lock found, as text. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.model.lock import Lock, LockedKind
from reconciler.model.text import visible

_WORDS = {
    LockedKind.GROUPS: ("group", "groups"),
    LockedKind.FILTERS: ("filter", "filters"),
    LockedKind.POLICIES: ("policy", "policies"),
}


def render(
    path: str, lock: Lock, differences: Sequence[str], *, is_missing: bool, is_written: bool
) -> str:
    """Show each difference on a line, then what the file is now."""
    lines = [f"  {visible(line)}" for line in differences]
    lines += [visible(line) for line in _closing(path, lock, differences, is_missing, is_written)]
    return "\n".join(lines) + "\n"


def _closing(
    path: str, lock: Lock, differences: Sequence[str], is_missing: bool, is_written: bool
) -> Iterator[str]:
    counts = ", ".join(
        f"{len(lock.objects.get(kind, ()))} {words[len(lock.objects.get(kind, ())) != 1]}"
        for kind, words in _WORDS.items()
    )
    if is_written:
        yield f"Wrote {path}: {counts}."
    elif is_missing:
        yield f"{path} is missing or cannot be read; write it with: reconciler lock"
    elif differences:
        yield f"{path} is out of date; review the differences, then run: reconciler lock"
    else:
        yield f"{path} is up to date: {counts}."
