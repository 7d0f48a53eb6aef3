"""Write policies as YAML text, and add them to a file whose bytes stay as they are. No I/O.

The text is written here and not by a YAML library for two reasons. What stands in a file already must
stay byte for byte, so new policies are added as text behind it. And the new text is read by people in
every review, so its form is fixed: one line per target, filters in one line, comments where they belong.
What is written is checked by reading it again with the loader (`add_policies`); scalars are quoted
whenever any YAML reader could take them for something else than text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reconciler.loader.document import Document, read
from reconciler.loader.yaml_nodes import Mapping, Node, Scalar, plain
from reconciler.loader.yaml_nodes import Sequence as SequenceNode
from reconciler.model.state import FilterMode, Ownership
from reconciler.model.text import visible

_PLAIN = re.compile(r"[^\W\d_](?:[\w ()/.&+-]*[\w()/.+-])?")
"""Text that every YAML reader takes for text, in a block and between braces."""

_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
"""Words that YAML 1.1 or 1.2 reads as something else than text."""

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_INDENT = "  "


@dataclass(frozen=True, slots=True)
class WrittenReference:
    """A group or filter as a file names it: by name, by id, or by both.

    ``comment`` says why an id is needed; it stands at the end of the line.
    """

    name: str | None = None
    id: str | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True)
class WrittenTarget:
    """One line of ``include`` or ``exclude``.

    ``key`` is the word of the YAML: ``all_devices``, ``all_users``, ``group``, ``collection`` or
    ``scope_tag_group``. ``value`` is a reference for a group, the id for a collection, and
    (target type, object id) for a scope-tag group; the broad words have none.
    """

    key: str
    value: WrittenReference | str | tuple[str, str] | None = None
    filter_mode: FilterMode | None = None
    filter: WrittenReference | None = None


@dataclass(frozen=True, slots=True)
class WrittenPolicy:
    """A policy to write. ``comments`` say what of it cannot be declared, one line each."""

    reference: WrittenReference
    platform: str | None = None
    ownership: Ownership | None = None
    include: tuple[WrittenTarget, ...] = ()
    exclude: tuple[WrittenTarget, ...] = ()
    comments: tuple[str, ...] = ()
    leaves_out_defaults: bool = False


def scalar(text: str) -> str:
    """Spell a text as a YAML scalar, in quotes wherever it could be read as something else.

    Characters that YAML counts as line breaks, and those that nobody sees, are written as escapes.
    """
    if _PLAIN.fullmatch(text) and text.casefold() not in _WORDS and "  " not in text:
        return text
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def policy_lines(policy: WrittenPolicy) -> Iterator[str]:
    """Write one policy as an item of ``policies``, without the indent of the list."""
    yield from _named(policy.reference)
    if policy.platform is not None:
        yield f"{_INDENT}platform: {scalar(policy.platform)}"
    if policy.ownership is not None:
        yield f"{_INDENT}ownership: {policy.ownership.value}"
    if policy.leaves_out_defaults:
        yield f"{_INDENT}defaults: false"
    yield from (f"{_INDENT}# {comment_text(comment)}" for comment in policy.comments)
    for key, targets in (("include", policy.include), ("exclude", policy.exclude)):
        if targets:
            yield f"{_INDENT}{key}:"
            for target in targets:
                yield from (f"{_INDENT}{_INDENT}{line}" for line in _target_lines(target))


def comment_text(text: str) -> str:
    """Keep a comment on its line: characters that do not print are written out."""
    return visible(text)


def file_text(policies: Sequence[WrittenPolicy], head: Sequence[str] = ()) -> str:
    """Write a whole policy file; ``head`` are comment lines without their ``#``."""
    lines = [f"# {comment_text(line)}" for line in head]
    lines.append("policies:")
    for number, policy in enumerate(policies):
        if number:
            lines.append("")
        lines += [f"{_INDENT}{line}" for line in policy_lines(policy)]
    return "\n".join(lines) + "\n"


def add_policies(content: bytes, policies: Sequence[WrittenPolicy]) -> bytes | None:
    """Add policies at the end of a file's list, and leave every byte that is there.

    None where that cannot be done safely: the file is not a plain list of policies at its end, or
    the result does not read as the old policies and then the new ones.
    """
    document = read(content, "")
    items = _last_list(document)
    if items is None:
        return None
    indent = _indent(document, items.items[0])
    if indent is None:
        return None
    end = "\r\n" if b"\r\n" in content else "\n"
    before = "" if content.endswith((b"\n", b"\r")) else end
    lines: list[str] = []
    for policy in policies:
        lines += ["", *(f"{indent}{line}" for line in policy_lines(policy))]
    added = content + (before + end.join(lines) + end).encode("utf-8")
    return added if _is_extended(added, items, policies) else None


def _named(reference: WrittenReference) -> Iterator[str]:
    comment = f"  # {comment_text(reference.comment)}" if reference.comment else ""
    if reference.name is None:
        yield f"- id: {reference.id}{comment}"
        return
    yield f"- name: {scalar(reference.name)}{comment}"
    if reference.id is not None:
        yield f"{_INDENT}id: {reference.id}"


def _target_lines(target: WrittenTarget) -> Iterator[str]:
    match target.value:
        case None:
            value = "true"
        case str() as text:
            value = scalar(text)
        case WrittenReference() as reference:
            value = _reference(reference)
        case (target_type, object_id):
            value = f"{{target_type: {target_type}, entra_object_id: {object_id}}}"
    comment = _comment(target)
    if target.filter is None or target.filter_mode is None:
        word = target.key if target.value is None else f"{target.key}: {value}"
        yield f"- {word}{comment}"
        return
    yield f"- {target.key}: {value}{comment}"
    yield f"{_INDENT}filter: {{{target.filter_mode.value}: {_reference(target.filter)}}}"


def _reference(reference: WrittenReference) -> str:
    if reference.name is None:
        return str(reference.id)
    if reference.id is None:
        return scalar(reference.name)
    return f"{{id: {reference.id}, name: {scalar(reference.name)}}}"


def _comment(target: WrittenTarget) -> str:
    references = [target.value, target.filter]
    told = [each.comment for each in references if isinstance(each, WrittenReference)]
    text = "; ".join(comment for comment in told if comment)
    return f"  # {comment_text(text)}" if text else ""


def _last_list(document: Document) -> SequenceNode | None:
    """The list of policies, where it is the last thing of the file."""
    root = document.root
    if document.diagnostics or not isinstance(root, Mapping):
        return None
    found = root.find("policies")
    if found is None or not isinstance(found[1], SequenceNode) or not found[1].items:
        return None
    last = max(key.line for key, _ in root.entries)
    return found[1] if found[0].line == last else None


def _indent(document: Document, first: Node) -> str | None:
    """What stands before the dash of the first item; None where the list is not in block style."""
    line = document.lines[first.line - 1][: first.column - 1]
    match = re.fullmatch(r"( *)- +", line)
    return match[1] if match else None


def _is_extended(added: bytes, before: SequenceNode, policies: Sequence[WrittenPolicy]) -> bool:
    """Whether the file still reads as before, with the new policies behind the old ones."""
    document = read(added, "")
    items = _last_list(document)
    if items is None or len(items.items) != len(before.items) + len(policies):
        return False
    old = [plain(item) for item in items.items[: len(before.items)]]
    new = [_name_or_id(item) for item in items.items[len(before.items) :]]
    wanted = [policy.reference.name or policy.reference.id for policy in policies]
    return old == [plain(item) for item in before.items] and new == wanted


def _name_or_id(item: Node) -> str | None:
    if not isinstance(item, Mapping):
        return None
    for key in ("name", "id"):
        found = item.find(key)
        if found and isinstance(found[1], Scalar) and isinstance(found[1].value, str):
            return found[1].value
    return None
