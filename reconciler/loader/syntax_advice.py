"""Turn a YAML parser's error into plain words, with what to do about it. Pure.

Parsers speak of tokens and productions. The people who write these files know Intune: they need the
usual causes, which are few (a tab, a colon, a quote, an indentation).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

END_OF_FILE = "end of file"
"""An error that neither parser calls so: a list or mapping is open where the file ends."""

_INDENTATION = (
    "the indentation does not fit the lines above",
    "keys of one mapping start in the same column, and so do the dashes of one list",
)

_ADVICE = (
    (
        END_OF_FILE,
        "the file ends inside a list or mapping",
        "close every [ with ] and every { with }",
    ),
    (
        "mapping values are not allowed",
        "a colon where none can stand",
        (
            "quote the text if the colon is part of it; else look at the indentation here, and at "
            "the line above: a colon may be missing there"
        ),
    ),
    (
        "unexpected end of stream",
        "the quote that opens here is never closed",
        "close it, or remove it",
    ),
    (
        "could not find expected ':'",
        "a key without a colon",
        'write "key: value", or indent the line if it belongs to the text above',
    ),
    (
        "',' or ']'",
        "the list that opens here is not closed, or a comma is missing in it",
        "separate its values by commas and close it with ]",
    ),
    (
        "',' or '}'",
        "the mapping that opens here is not closed, or a comma is missing in it",
        "separate its keys by commas and close it with }",
    ),
    ("expected key", *_INDENTATION),
    ("expected '-' indicator", *_INDENTATION),
    (
        "sequence entries are not allowed",
        "a list entry where none can stand",
        "start the list on a line of its own, below the key",
    ),
    (
        "unknown escape character",
        "a backslash followed by a character that has no meaning there",
        "use single quotes: a backslash stands for itself in them",
    ),
    (
        "alphabetic or numeric character",
        "a * or & without a name after it",
        "quote the text if it starts with * or &",
    ),
    ("tab character", "a tab where spaces must stand", "indent with spaces: YAML allows no tabs"),
    (
        "expected <document start>",
        "the document has ended, and something stands after it",
        "look at the indentation of this line and the ones above",
    ),
    (
        "comment or line break",
        "text right after | or >",
        "quote the text if it starts with | or >",
    ),
    (
        "node content",
        "no value can start with this character",
        "quote the text if the character is part of it",
    ),
    (
        "undefined tag handle",
        "an unknown tag",
        "quote the text if it starts with an exclamation mark",
    ),
)

_OPENINGS = ("end of stream", "',' or ']'", "',' or '}'")

_CANNOT_START = {
    "\t": ("a tab where spaces must stand", "indent with spaces: YAML allows no tabs"),
    "@": ("text that starts with @ must be quoted", "put the text in quotes"),
    "`": ("text that starts with a backtick must be quoted", "put the text in quotes"),
    "%": ("text that starts with % must be quoted", "put the text in quotes"),
}


def is_about_opening(problem: str) -> bool:
    """Whether the place to show is where the quote, list or mapping opens, not where the file ends."""
    return any(fragment in problem for fragment in _OPENINGS)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the parser was doing, the line above the place, and its line before and after it."""

    context: str
    above: str
    before: str
    after: str


def advice_for(problem: str, surroundings: Surroundings) -> tuple[str, str]:
    """Give message and advice for a parser's error."""
    before, after = surroundings.before, surroundings.after
    if "cannot start any token" in problem and after[:1] in _CANNOT_START:
        return _CANNOT_START[after[:1]]
    if "mapping values are not allowed" in problem:
        if advice := _second_key(before):
            return "two keys on one line", advice
        if word := _BARE_WORD.fullmatch(surroundings.above):
            return (
                "a key below an entry that has none",
                f'write "- {word[1]}: true" above, with a colon',
            )
    if "expected key" in _normal(problem) and (advice := _QUOTING.get(before.rstrip()[-1:], "")):
        return "text after the end of a value", advice
    for fragment, message, advice in _ADVICE:
        if fragment in _normal(problem):
            if fragment in _COMMENT_MAY_CLOSE and _COMMENT.search(after):
                return message, f"{advice}; # after a space begins a comment: quote text with it"
            return message, advice
    context = surroundings.context
    detail = f"{problem} ({context})" if context else problem
    return f"not valid YAML: {detail}", "look at quotes, colons and indentation here and above"


_BARE_WORD = re.compile(r"\s*- (all_users|all_devices)\s*")
_COMMENT = re.compile(r"\s#")
_COMMENT_MAY_CLOSE = ("',' or ']'", "',' or '}'")
_QUOTING = {
    "]": "put the whole value in quotes, outer brackets included",
    "}": "put the whole value in quotes, outer brackets included",
    '"': "put the whole value in single quotes",
    "'": "put the whole value in quotes; inside single quotes an apostrophe is written twice",
}

_TWO_KEYS = re.compile(
    r"""[\s-]*(?P<first>\w+):\s+(?P<value>\S.*\s)?(?P<second>name|id|platform|ownership|include|exclude
    |group|collection|all_devices|all_users|scope_tag_group|filter|broad|tenant|cloud|label|writes
    |extends|guardrails|max_creates|max_updates|max_deletes|broad_targets|target_type
    |entra_object_id)""",
    re.VERBOSE,
)
"""The files' own keys alone: any other word before a colon may be part of a name."""


def _second_key(before: str) -> str:
    """Say where the second of two keys on one line belongs; "" where there is only one."""
    keys = _TWO_KEYS.fullmatch(before)
    if keys is None:
        return ""
    start = f'put "{keys["second"]}:" on a line of its own below'
    if keys["value"] is None:
        return f'{start}, indented deeper than "{keys["first"]}:"'
    quoting = "; or quote the text if the colon is part of it"
    return f'{start}, in the column of "{keys["first"]}:"{quoting}'


def _normal(problem: str) -> str:
    """Both parsers say the same with other words in a few places."""
    return (
        problem.replace("the node content", "node content")
        .replace("<block end>", "key")
        .replace("a comment or a line break", "comment or line break")
        .replace("chomping or indentation indicators", "comment or line break")
    )
