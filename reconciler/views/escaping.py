"""Make foreign text harmless, for Markdown and for HTML comments. Pure.

Names come from a tenant and from YAML that anybody may propose in a pull request, so each of them
may have been chosen to deceive. Two dangers, two answers:

*What the eye does not see* (controls, bidirectional overrides, zero-width characters, spaces that
are no spaces) is written out, as in ``<U+202E>``: `reconciler.model.text.visible`.

*What a renderer acts on* is kept out of its reach. In Markdown a name becomes a code span. A
backslash would not do: GitHub looks for mentions, issue numbers, commit hashes and addresses after
the Markdown has been read, when backslashes are gone, and passes over code alone.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from reconciler.model.text import visible

_UNSEEN_SPACES = re.compile(r"^ +| +$|(?<= ) +")


def visible_name(text: str) -> str:
    """As `visible`; spaces that are not seen (outer, doubled) and an empty name are written too."""
    if not text:
        return "<empty>"
    return _UNSEEN_SPACES.sub(lambda spaces: "<U+0020>" * len(spaces[0]), visible(text))


def shortened(text: str, longest: int) -> str:
    """Cut the middle out of a text that is too long, and say how long it was."""
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]}…{text[-half:]} ({len(text):,} characters)"


_BACKTICKS = re.compile(r"`+")


def markdown_code(text: str, *, longest: int = 300) -> str:
    """Show a name as a code span."""
    name = shortened(visible_name(text), longest)
    fence = "`" * (max(map(len, _BACKTICKS.findall(name)), default=0) + 1)
    pad = " " if name[0] == "`" or name[-1] == "`" else ""
    return f"{fence}{pad}{name}{pad}{fence}"


_FENCES = re.compile(r"`{3,}")


def fenced(text: str, language: str = "") -> str:
    """Write a block of code, with a fence that nothing in the text can end.

    The text may have lines of its own; whoever passes names has made them `visible` first.
    """
    fence = "`" * max(3, max(map(len, _FENCES.findall(text)), default=0) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def markdown_cell(markdown: str) -> str:
    """Fit Markdown into a table's cell, which a bar would end even inside code."""
    return markdown.replace("|", "\\|")


_PLAIN_WORD = re.compile(
    r"""[("']*(?:[^\W\d_]+(?:['/-][^\W\d_]+)*|\d{1,6}(?:[./]\d{1,6})?|\d{1,3}(?:,\d{3})+|[/=-]|)[)"',;:.!?]*"""
)
"""None of its signs acts inside a line, as nothing else is let through that they could act with."""

_COMMIT = re.compile(r"\W*[0-9a-f]{7,}\W*")
_NAMED = re.compile(r'"([^"]+)"|(\{[^{}]{1,200}\})')
_PUNCTUATION_AROUND = re.compile(r"""([("']*)(.*?)([)"',;:.!?]*)""")
_LIST_OR_HEADING = re.compile(r"^(\d*)([.)=-])")


def markdown_prose(text: str, *, longest: int = 1_000) -> str:
    """Show a sentence that may quote foreign names.

    What stands in quotes or braces becomes code, and so does every word that is not plainly a word:
    options, file names, ids, and whatever a renderer could take for a mention, a link or markup.
    Should a name hold a quote itself, more or less of the sentence stands in code; it is safe in
    any case.
    """
    line = shortened(visible(text), longest)
    spans: list[str] = []
    end = 0
    for match in _NAMED.finditer(line):
        spans += _words(line[end : match.start()])
        spans.append(markdown_code(match[1] or match[2]))
        end = match.end()
    spans += _words(line[end:])
    return _LIST_OR_HEADING.sub(r"\1\\\2", _apart(spans).strip())


def _words(text: str) -> Iterator[str]:
    for word in re.split(r"( +)", text):
        if not word or word.isspace():
            yield word[:1]
        elif _PLAIN_WORD.fullmatch(word) and not _COMMIT.fullmatch(word):
            yield word
        else:
            around = _PUNCTUATION_AROUND.fullmatch(word)
            opening, inner, closing = around.groups() if around else ("", word, "")
            yield from (opening, markdown_code(inner), closing)


def _apart(spans: Iterable[str]) -> str:
    """Join, with a space between two code spans, whose backticks would run into one another."""
    joined: list[str] = []
    for span in spans:
        if span and joined and joined[-1].endswith("`") and span.startswith("`"):
            joined.append(" ")
        if span:
            joined.append(span)
    return "".join(joined)


def comment_value(text: str, *, longest: int = 200) -> str:
    """Write a value into an HTML comment: no space, no ``>``, and never two hyphens in a row."""
    cut = text if len(text) <= longest else shortened(text, longest)
    return quote(cut, safe="", errors="backslashreplace").replace("--", "-%2D")


def repository_path(root: str, file: str) -> str:
    """Lead from the repository's top to a file below ``root``, with forward slashes."""
    return posixpath.normpath(posixpath.join(root.replace("\\", "/"), file))
