"""Read one YAML text into a tree that knows the line and column of every key and value. Pure.

The tree is built from the parser's event stream: libyaml's through ``ruamel.yaml.clib`` where that is
installed, else ruamel.yaml's own, which is several times slower and otherwise the same. Building it
here costs less than a stock loader does, and the reader can be strict where loaders are lenient: a
duplicate key, a tag, a second document, an alias without bound are errors with a place.

Unquoted scalars follow YAML 1.2: ``true`` and ``false``, ``null``, numbers; ``yes``, ``no``, ``on`` and
dates are text. Anchors, aliases and merge keys (``<<``) work. An aliased value has the alias's place
and what is inside it keeps the anchor's, so that an error inside is shown where it must be fixed.

Lines are counted as editors and GitHub do: a line ends at LF, CR LF or CR. The parsers still
follow YAML 1.1, which ends a line at NEL, LS and PS (U+0085, U+2028, U+2029) too. Every place below
such a character would be wrong, and what an editor shows as the rest of a comment would be read as
YAML. So the parsers never see the three: a stand-in replaces each, and is undone in the values.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from ruamel.yaml import YAML

from reconciler.loader.yaml_builder import BLANK, TreeBuilder, UnmaskTable, location_of
from reconciler.loader.yaml_nodes import Node
from reconciler.model.diagnostics import Diagnostic, Location, error

try:
    from ruamel.yaml.cyaml import CParser  # type: ignore[attr-defined] # imported there, not listed
except ModuleNotFoundError:  # ruamel.yaml without its C extension
    HAS_C_PARSER = False
else:
    HAS_C_PARSER = True

_LINE_END = re.compile("\r\n|\r|\n")
_NO_LINE_END = "\x85\u2028\u2029"
_PRIVATE_USE = range(0xE000, 0xF900)
_FORBIDDEN = re.compile(
    "[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff]"
)
"""What YAML allows nowhere in a file. The set of what it allows takes 10 ms to compile."""

MAX_BYTES = 5 * 1024 * 1024

Events: TypeAlias = Callable[[str], Iterator[Any]]


@dataclass(frozen=True, slots=True)
class Document:
    """A file as read. ``root`` is None where it is empty, or too broken to be looked at further."""

    file: str
    lines: tuple[str, ...]
    root: Node | None
    diagnostics: tuple[Diagnostic, ...]

    def at(self, line: int, column: int) -> Location:
        """Make the location of a line and column, with the text of the line."""
        return location_of(self.file, self.lines, line, column)

    def place(self, node: Node) -> Location:
        """Make the location of a value."""
        return location_of(self.file, self.lines, node.line, node.column)


def c_events(text: str) -> Iterator[Any]:
    """Parse with libyaml."""
    return iter(CParser(text).get_event, None)


def pure_events(text: str) -> Iterator[Any]:
    """Parse with ruamel.yaml's parser in Python."""
    yield from YAML(typ="safe", pure=True).parse(text)


DEFAULT_EVENTS: Events = c_events if HAS_C_PARSER else pure_events


def read(content: bytes, file: str, *, events: Events = DEFAULT_EVENTS) -> Document:
    """Read a file's bytes; what is wrong with them is in the document's diagnostics."""
    if len(content) > MAX_BYTES:
        return Document(file, (), None, (too_large(file),))
    try:
        text = content.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as failure:
        return _not_utf8(content, file, failure)
    lines = tuple(_LINE_END.split(text))
    conflicts = tuple(_merge_conflicts(file, lines, _MARKER))
    if conflicts:
        return Document(file, lines, None, conflicts)
    refused = _control_character(text, file, lines) or _directive(file, lines)
    if refused:
        return Document(file, lines, None, (refused,))
    masked, unmask = _mask(text)
    builder = TreeBuilder(file, lines, unmask)
    root = builder.build(events(masked))
    diagnostics = tuple(builder.diagnostics)
    if any(each.code == "yaml-syntax" for each in diagnostics):
        diagnostics = tuple(_merge_conflicts(file, lines, _INDENTED_MARKER)) or diagnostics
    return Document(file, lines, root, diagnostics)


_MARKER = re.compile(r"(<{7,}|\|{7,}|>{7,})(\s.*)?|={7,}\s*")
_INDENTED_MARKER = re.compile(r"\s*(<{7,}|>{7,})(\s.*)?")


def _merge_conflicts(
    file: str, lines: tuple[str, ...], marker: re.Pattern[str]
) -> Iterator[Diagnostic]:
    """Report every merge conflict at its first marker, also where only some markers are left."""
    is_inside = False
    for number, line in enumerate(lines, start=1):
        if not marker.fullmatch(line):
            continue
        sign = line.strip()[0]
        if not is_inside or sign == "<":
            yield error(
                "merge-conflict",
                f"a merge conflict is not resolved: {line.strip()[:80]}",
                location_of(file, lines, number, len(line) - len(line.lstrip()) + 1),
                help="keep what is right of both sides, and delete the lines that start with "
                "<<<<<<<, |||||||, ======= or >>>>>>>",
            )
        is_inside = sign != ">"


def _mask(text: str) -> tuple[str, UnmaskTable]:
    """Replace what the parsers wrongly take for a line's end; give the text and the way back."""
    present = [character for character in _NO_LINE_END if character in text]
    if not present:
        return text, {}
    used = set(text)
    unused = (code for code in _PRIVATE_USE if chr(code) not in used)
    unmask = dict(zip(unused, present, strict=False))
    return text.translate({ord(own): chr(code) for code, own in unmask.items()}), unmask


def too_large(file: str) -> Diagnostic:
    """Say that a file is over the limit."""
    return error(
        "file-too-large",
        f"the file is over {MAX_BYTES // 1024**2} MiB",
        Location(file, 1, 1),
        help="split it into several files: every .yaml file below the tenant root counts",
    )


_KNOWN_DIRECTIVE = re.compile(r"%YAML\s+1\.[12]\s*(#.*)?")


def _not_utf8(content: bytes, file: str, failure: UnicodeDecodeError) -> Document:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        refused = error(
            "not-utf8",
            "the file is UTF-16, not UTF-8",
            Location(file, 1, 1),
            help='save it as UTF-8 (in PowerShell: "Set-Content -Encoding utf8")',
        )
        return Document(file, (), None, (refused,))
    body = content.removeprefix(codecs.BOM_UTF8)
    lines = tuple(_LINE_END.split(body.decode("utf-8", errors="replace")))
    passed = _LINE_END.split(body[: failure.start].decode("utf-8"))
    refused = error(
        "not-utf8",
        f"byte 0x{body[failure.start]:02x} is not UTF-8",
        location_of(file, lines, len(passed), len(passed[-1]) + 1),
        help="save the file as UTF-8",
    )
    return Document(file, lines, None, (refused,))


def _control_character(text: str, file: str, lines: tuple[str, ...]) -> Diagnostic | None:
    match = _FORBIDDEN.search(text)
    if match is None:
        return None
    passed = _LINE_END.split(text[: match.start()])
    return error(
        "control-character",
        f"the character U+{ord(match.group()):04X} is not allowed in YAML",
        location_of(file, lines, len(passed), len(passed[-1]) + 1),
        help="delete it; it is invisible in most editors",
    )


def _directive(file: str, lines: tuple[str, ...]) -> Diagnostic | None:
    """Refuse ``%TAG`` and unknown versions here, as the two parsers fail on them in different ways."""
    for number, line in enumerate(lines, start=1):
        if line.startswith("%") and not _KNOWN_DIRECTIVE.fullmatch(line):
            return error(
                "yaml-directive",
                "YAML directives are not supported",
                location_of(file, lines, number, 1),
                help="delete the line",
            )
        if line.strip(BLANK) and not line.lstrip(BLANK).startswith(("#", "%")):
            break
    return None
