"""The expressions of GitHub Actions, as far as the workflows here use them.

An expression that is not known raises: what GitHub would make of it is not known here. Semantics:
https://docs.github.com/en/actions/reference/workflows-and-actions/expressions
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LENIENT = ("event", "inputs", "vars", "outputs")
"""Contexts whose members come from outside: one that is not there is null, as on GitHub.

A misspelt name in any other context is an error here, and null on GitHub.
"""


class UnknownExpressionError(Exception):
    """The evaluator does not know it, so what GitHub would make of it is not known here."""


_TOKENS = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>\d+)|(?P<sign>==|!=|&&|\|\||!|\(|\)|,)"
    r"|(?P<word>[A-Za-z_][\w-]*(?:\.(?:[A-Za-z_][\w-]*|\*))*))"
)


@dataclass
class Scope:
    """What expressions can see. ``failed``: an earlier step, or a needed job, failed.

    ``skipped``: a needed job was passed over; without a status function that skips a job too.
    """

    contexts: Mapping[str, Any]
    failed: bool = False
    skipped: bool = False
    cancelled: bool = False
    workspace: Path | None = None

    def value(self, text: str) -> Any:
        """Evaluate one expression, without its braces."""
        return _Reader(text, self).whole()

    def text(self, template: object) -> str:
        """Fill a template in."""
        return text_of(self.fill(template))

    def fill(self, template: object) -> Any:
        if not isinstance(template, str):
            return template
        whole = re.fullmatch(r"\$\{\{((?:(?!\}\}).)*)\}\}", template, re.DOTALL)
        if whole:
            return self.value(whole[1])
        return re.sub(r"\$\{\{(.*?)\}\}", lambda m: text_of(self.value(m[1])), template)

    def holds(self, condition: object) -> bool:
        """Whether an `if:` lets its step or job run; without a status function, success is due."""
        is_clean = not (self.failed or self.skipped or self.cancelled)
        if condition is None:
            return is_clean
        expression = str(condition).strip()
        inner = re.fullmatch(r"\$\{\{(.*)\}\}", expression, re.DOTALL)
        expression = inner[1] if inner else expression
        value = _truth(self.value(expression))
        if re.search(r"\b(always|cancelled|failure|success)\(", expression):
            return value
        return value and is_clean


class _Reader:
    def __init__(self, text: str, scope: Scope) -> None:
        self.source, self.scope = text, scope
        self.tokens: list[tuple[str, str]] = []
        at = 0
        stripped = text.rstrip()
        while at < len(stripped):
            match = _TOKENS.match(stripped, at)
            if match is None:
                raise UnknownExpressionError(text)
            self.tokens.append((match.lastgroup or "", match[match.lastgroup or ""]))
            at = match.end()

    def whole(self) -> Any:
        value = self._or()
        if self.tokens:
            raise UnknownExpressionError(self.source)
        return value

    def _take(self, *signs: str) -> str | None:
        if self.tokens and self.tokens[0][0] == "sign" and self.tokens[0][1] in signs:
            return self.tokens.pop(0)[1]
        return None

    def _or(self) -> Any:
        left = self._and()
        while self._take("||"):
            right = self._and()
            left = left if _truth(left) else right
        return left

    def _and(self) -> Any:
        left = self._equal()
        while self._take("&&"):
            right = self._equal()
            left = right if _truth(left) else left
        return left

    def _equal(self) -> Any:
        left = self._not()
        while sign := self._take("==", "!="):
            same = _same(left, self._not())
            left = same if sign == "==" else not same
        return left

    def _not(self) -> Any:
        if self._take("!"):
            return not _truth(self._not())
        if self._take("("):
            value = self._or()
            if not self._take(")"):
                raise UnknownExpressionError(self.source)
            return value
        return self._atom()

    def _atom(self) -> Any:
        if not self.tokens or self.tokens[0][0] == "sign":
            raise UnknownExpressionError(self.source)
        kind, word = self.tokens.pop(0)
        if kind == "text":
            return word[1:-1].replace("''", "'")
        if kind == "number":
            return int(word)
        if self._take("("):
            arguments = []
            while not self._take(")"):
                arguments.append(self._or())
                self._take(",")
            return self._call(word, arguments)
        if word in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[word]
        return self._look_up(word)

    def _call(self, name: str, arguments: list[Any]) -> Any:
        scope = self.scope
        match name, arguments:
            case "always", []:
                return True
            case "cancelled", []:
                return scope.cancelled
            case "failure", []:
                return scope.failed and not scope.cancelled
            case "success", []:
                return not (scope.failed or scope.skipped or scope.cancelled)
            case "fromJSON", [str(text)]:
                return json.loads(text)
            case "toJSON", [value]:
                return json.dumps(value, indent=2)
            case "hashFiles", [str(pattern)] if scope.workspace is not None:
                files = sorted(scope.workspace.glob(pattern))
                content = b"".join(file.read_bytes() for file in files)
                return hashlib.sha256(content).hexdigest() if files else ""
        raise UnknownExpressionError(f"{name}({arguments}) in {self.source}")

    def _look_up(self, path: str) -> Any:
        first, *rest = path.split(".")
        if first not in self.scope.contexts:
            raise UnknownExpressionError(path)
        value = self.scope.contexts[first]
        is_lenient = first in LENIENT
        for name in rest:
            if value is None:  # a part of the event that is null has null parts
                return None
            if not isinstance(value, Mapping):
                raise UnknownExpressionError(path)
            if name not in value and not is_lenient:
                raise UnknownExpressionError(path)
            value = value.get(name)
            is_lenient = is_lenient or name in LENIENT
        return value


def _truth(value: Any) -> bool:
    return value not in (None, False, 0, "")


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left.casefold() == right.casefold()
    if type(left) is not type(right):
        return _number(left) == _number(right)
    return bool(left == right)


def _number(value: Any) -> float:
    """Values of two types are compared as numbers; what is none equals nothing."""
    if value is None or isinstance(value, bool | int):
        return float(value or 0)
    try:
        return float(value) if str(value).strip() else 0.0
    except (TypeError, ValueError):
        return float("nan")


def text_of(value: Any) -> str:
    """A value as it stands in the middle of a text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    raise UnknownExpressionError(f"{value!r} in the middle of a text")
