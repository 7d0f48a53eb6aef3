"""Decide which file each imported policy goes to, and what the file then holds. No I/O."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from reconciler.loader.policy_writer import WrittenPolicy, add_policies, file_text
from reconciler.operations.import_policies import Imported

_FOLDER = "policies"
_MAX_STEM = 80
_UNKNOWN = "other"


class Layout(StrEnum):
    """How imported policies are spread over files below ``policies/``."""

    PLATFORM = "platform"
    PER_POLICY = "per-policy"


@dataclass(frozen=True, slots=True)
class FileEdit:
    """One file to write: its path below the tenant root, and its bytes before and after.

    ``before`` is None for a new file. Of a policy file, what is before stands unchanged at the
    beginning of after.
    """

    path: str
    before: bytes | None
    after: bytes


def plan_files(
    imported: Iterable[Imported], existing: Mapping[str, bytes], layout: Layout
) -> tuple[FileEdit, ...]:
    """Spread the policies over files; nothing that stands in an existing file is changed.

    ``existing`` are the files of the root by path. Where a file of the wanted name is there and
    cannot be added to, the policies go into a new one beside it.
    """
    by_stem: dict[str, list[WrittenPolicy]] = {}
    for each in imported:
        if each.written is not None:
            by_stem.setdefault(_stem(each, layout, by_stem), []).append(each.written)
    taken = {path.casefold(): path for path in existing}
    edits = []
    for stem, policies in sorted(by_stem.items()):
        edit = _edit(stem, policies, existing, taken)
        taken[edit.path.casefold()] = edit.path
        edits.append(edit)
    return tuple(edits)


def _stem(imported: Imported, layout: Layout, used: Mapping[str, object]) -> str:
    policy = imported.policy
    if layout is Layout.PLATFORM:
        return _file_name(policy.platform or _UNKNOWN)
    stem = _file_name(policy.name)
    return f"{stem}-{policy.id[:8]}" if stem in used else stem


def _file_name(text: str) -> str:
    """Turn a name into one that every file system takes: ASCII letters, digits and dashes."""
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    dashed = re.sub(r"[^A-Za-z0-9]+", "-", ascii_only).strip("-").lower()
    return dashed[:_MAX_STEM].strip("-") or _UNKNOWN


def _edit(
    stem: str,
    policies: list[WrittenPolicy],
    existing: Mapping[str, bytes],
    taken: Mapping[str, str],
) -> FileEdit:
    wanted = f"{_FOLDER}/{stem}.yaml"
    path = taken.get(wanted.casefold(), wanted)
    if path not in existing and wanted.casefold() not in taken:
        return FileEdit(wanted, None, file_text(policies).encode("utf-8"))
    before = existing.get(path)
    after = add_policies(before, policies) if before is not None else None
    if before is not None and after is not None:
        return FileEdit(path, before, after)
    number = 1
    while (free := _beside(stem, number)).casefold() in taken:
        number += 1
    return FileEdit(free, None, file_text(policies).encode("utf-8"))


def _beside(stem: str, number: int) -> str:
    suffix = "imported" if number == 1 else f"imported-{number}"
    return f"{_FOLDER}/{stem}-{suffix}.yaml"
