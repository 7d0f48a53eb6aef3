r"""Strike the secrets of this run out of every text that a library or a server wrote.

Terms: a *secret* is a value that this process was given or received (a token, a password, a private
key). The *letters* of a text are its letters and digits alone, in lower case, after escapes were
read: ``%2F``, ``\u002b``, ``\xc3``, ``&amp;``.

A search for the value itself is not enough: libraries and servers show it URL-encoded, JSON-escaped,
as a Python ``repr``, in base64, wrapped over several lines, quoted in pieces, or cut short. So text
and secret are compared by their letters, which all these forms leave alone, and every run of 16 of
them that a secret holds is struck. Base64 and hexadecimal change the letters: their results count as
secrets of their own.

The secrets belong to the process and not to an object: an exception of any library may quote them.
"""

from __future__ import annotations

import base64
import html
import json
import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote, urlsplit

HIDDEN = "[hidden]"

SECRET_VARIABLES = (
    "RECONCILER_ACCESS_TOKEN",
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_RUNTIME_TOKEN",
    "GITHUB_TOKEN",
    "IDENTITY_HEADER",
    "MSI_SECRET",
)
"""Environment variables whose value is a secret."""

PATH_VARIABLES = (
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_FEDERATED_TOKEN_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
"""Variables that must hold a path. People put the file's content there by mistake."""

_PROXY_VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
_TOKEN_MEMBERS = ("access_token", "refresh_token", "id_token", "device_code", "client_assertion")
_SHORTEST = 4
"""Characters. To strike anything shorter would garble the text and protect nothing."""

_SHORTEST_BY_LETTERS = 8
_RUN = 16
_ESCAPES = re.compile(
    r"(?P<percent>(?:%(?:25)*[0-9A-Fa-f]{2})+)"
    r"|(?P<unicode>(?:\\+u[0-9A-Fa-f]{4})+)"
    r"|(?P<bytes>(?:\\+x[0-9A-Fa-f]{2})+)"
    r"|(?P<entity>&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});)"
    r"|(?P<control>\\+[nrtfv0])"
    r"|(?P<seam>['\"][\s,+\\]*[bB]['\"])"
)


class KnownSecrets:
    """The secrets that are known so far. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: set[str] = set()
        self._literals: list[str] = []
        self._wholes: set[str] = set()
        self._runs: set[str] = set()

    def learn(self, *values: str | None) -> None:
        """Remember secrets. Values under four characters are passed over."""
        with self._lock:
            for value in values:
                if value is None or len(value.strip()) < _SHORTEST or value in self._values:
                    continue
                self._values.add(value)
                self._add(value.strip())

    def learn_environment(self, environ: Mapping[str, str]) -> None:
        """Remember the secrets in the environment, those in the wrong variable included."""
        self.learn(*(environ.get(name) for name in SECRET_VARIABLES))
        paths = (environ.get(name, "") for name in PATH_VARIABLES)
        unknown = (path for path in paths if len(path) >= _RUN and path not in self._values)
        self.learn(*(path for path in unknown if not _exists(path)))
        for name in _PROXY_VARIABLES:
            for spelling in (name, name.lower()):
                self.learn(*_passwords(environ.get(spelling, "")))

    def learn_response(self, body: object) -> None:
        """Remember the tokens in the parsed body of a token endpoint's response."""
        if isinstance(body, dict):
            values = (body.get(member) for member in _TOKEN_MEMBERS)
            self.learn(*(value for value in values if isinstance(value, str)))

    def strike(self, text: str) -> str:
        """Replace every secret in the text, whole or in part and however encoded, by a mark."""
        places = list(self._literal_places(text))
        if self._wholes or self._runs:
            places += self._letter_places(*_letters(text, with_escapes=False))
            if _ESCAPES.search(text):
                places += self._letter_places(*_letters(text, with_escapes=True))
        return _without(text, sorted(places))

    def forget(self) -> None:
        """Start over, as a new process would."""
        with self._lock:
            self._values.clear()
            self._wholes.clear()
            self._runs.clear()
            self._literals.clear()

    def _add(self, value: str) -> None:
        literals = [form for form in _literal_forms(value) if len(form) >= _SHORTEST]
        self._literals = sorted({*self._literals, *literals}, key=len, reverse=True)
        for form in _other_alphabets(value):
            letters = "".join(letter for letter, _, _ in _plain_letters(form))
            if len(letters) >= _RUN:
                self._runs.update(letters[at : at + _RUN] for at in range(len(letters) - _RUN + 1))
            elif len(letters) >= _SHORTEST_BY_LETTERS:
                self._wholes.add(letters)

    def _literal_places(self, text: str) -> Iterator[tuple[int, int]]:
        for literal in self._literals:
            yield from _occurrences(literal, text)

    def _letter_places(
        self, letters: str, starts: list[int], ends: list[int]
    ) -> Iterator[tuple[int, int]]:
        """Name the parts of the text whose letters are those of a secret, as positions in it."""
        for at in range(len(letters) - _RUN + 1):
            if letters[at : at + _RUN] in self._runs:
                yield starts[at], ends[at + _RUN - 1]
        for whole in self._wholes:
            for first, end in _occurrences(whole, letters):
                yield starts[first], ends[end - 1]


KNOWN = KnownSecrets()
"""Those of this process."""


def strike(text: str) -> str:
    """Strike the secrets of this process out of a text."""
    return KNOWN.strike(text)


def _occurrences(part: str, text: str) -> Iterator[tuple[int, int]]:
    at = text.find(part)
    while at >= 0:
        yield at, at + len(part)
        at = text.find(part, at + 1)


def _exists(path: str) -> bool:
    try:
        return Path(path.strip()).exists()
    except (OSError, ValueError):
        return False


def _passwords(proxy: str) -> tuple[str, ...]:
    """The password in a proxy's address, as it is written and as it is sent."""
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        user, password = parts.username or "", parts.password or ""
    except ValueError:
        return (proxy,)
    if not password and "@" in proxy:  # an unescaped / or # ends the host too early
        return (proxy.rpartition("@")[0].rpartition(":")[2],)
    sent = f"{unquote(user)}:{unquote(password)}"
    return (password, unquote(password), base64.b64encode(sent.encode()).decode()) * bool(password)


def _literal_forms(value: str) -> Iterator[str]:
    yield value
    yield quote(value, safe="")
    yield quote_plus(value)
    yield html.escape(value)
    yield json.dumps(value)[1:-1]
    yield repr(value)[1:-1]
    yield repr(value.encode())[2:-1]
    yield base64.b64encode(value.encode()).decode()


def _other_alphabets(value: str) -> Iterator[str]:
    """The value, and what remains of it in base64 at each of the three offsets, and in hexadecimal."""
    yield value
    content = value.encode("utf-8", "surrogatepass")
    yield content.decode("latin-1")
    yield content.hex()
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + content).decode().rstrip("=")
        tail = 1 if (offset + len(content)) % 3 else 0
        first = (0, 2, 3)[offset]
        yield encoded[first : len(encoded) - tail]


def _plain_letters(text: str, offset: int = 0) -> Iterator[tuple[str, int, int]]:
    """Give the letters and digits of a text, each with the place that it stands at."""
    for at, character in enumerate(text, offset):
        if character.isalnum():
            for letter in character.casefold():
                yield letter, at, at + 1


def _letters(text: str, *, with_escapes: bool) -> tuple[str, list[int], list[int]]:
    letters: list[tuple[str, int, int]] = []
    end = 0
    for escape in _ESCAPES.finditer(text) if with_escapes else ():
        letters += _plain_letters(text[end : escape.start()], end)
        start, end = escape.span()
        for character in _decoded(escape):
            letters += [(letter, start, end) for letter, _, _ in _plain_letters(character)]
    letters += _plain_letters(text[end:], end)
    return (
        "".join(letter for letter, _, _ in letters),
        [start for _, start, _ in letters],
        [end for _, _, end in letters],
    )


def _decoded(escape: re.Match[str]) -> str:
    text = escape.group()
    match escape.lastgroup:
        case "percent":
            return _from_bytes(text.replace("%25", "%").replace("%", ""))
        case "unicode":
            digits = re.sub(r"\\+u", "", text)
            return bytes.fromhex(digits).decode("utf-16-be", "replace")
        case "bytes":
            return _from_bytes(re.sub(r"\\+x", "", text))
        case "entity":
            return _from_entity(text)
        case _:
            return ""


def _from_entity(entity: str) -> str:
    if not entity.startswith("&#"):
        return html.unescape(entity)
    digits = entity[2:-1]
    # Not by `html.unescape`: it reads some numbers as Windows-1252, as browsers do.
    code = int(digits[1:], 16) if digits[0] in "xX" else int(digits)
    return chr(code) if code < 0x110000 else ""


def _from_bytes(digits: str) -> str:
    content = bytes.fromhex(digits) if len(digits) % 2 == 0 else b""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _without(text: str, places: list[tuple[int, int]]) -> str:
    """Replace the places, which are sorted and may overlap, by one mark for each stretch."""
    parts: list[str] = []
    end = 0
    for start, stop in places:
        if start > end or not parts:
            parts += [text[end:start], HIDDEN]
        end = max(end, stop)
    return "".join([*parts, text[end:]])
