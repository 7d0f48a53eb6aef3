"""Every encoding in which a library or a server may show a secret."""

from __future__ import annotations

import base64
import html
import json
import quopri
import textwrap
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.runtime.known_secrets import HIDDEN, KnownSecrets

SECRET = "Canary+secret/with~all%kinds=&<of> \"signs'\\here"
TOKEN = "eyJ0eXAiOiJKV1QifQ." + base64.urlsafe_b64encode(bytes(range(97, 222))).decode() + ".c2ln"
PEM = "-----BEGIN PRIVATE KEY-----\n" + textwrap.fill(TOKEN * 3, 64) + "\n-----END PRIVATE KEY-----"

ENCODINGS: dict[str, Callable[[str], str]] = {
    "raw": lambda s: s,
    "url": lambda s: quote(s, safe=""),
    "form": quote_plus,
    "url in small letters": lambda s: quote(s, safe="").replace("%2B", "%2b").replace("%2F", "%2f"),
    "url twice": lambda s: quote(quote(s, safe=""), safe=""),
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 for addresses": lambda s: base64.urlsafe_b64encode(s.encode()).decode(),
    "base64 behind a user name": lambda s: base64.b64encode(b"user:" + s.encode()).decode(),
    "base64 behind one letter": lambda s: base64.b64encode(b"u" + s.encode() + b"more").decode(),
    "base64 in lines": lambda s: base64.encodebytes(s.encode()).decode(),
    "hexadecimal": lambda s: s.encode().hex(),
    "JSON": json.dumps,
    "JSON in JSON": lambda s: json.dumps(json.dumps(s)),
    "JSON as .NET writes it": lambda s: "".join(
        c if c.isalnum() else f"\\u{ord(c):04X}" for c in s
    ),
    "repr": repr,
    "repr of bytes": lambda s: repr(s.encode()),
    "repr of a header": lambda s: repr(f"Bearer {s}\n".encode()),
    "HTML": html.escape,
    "HTML by number": lambda s: "".join(c if c.isalnum() else f"&#{ord(c)};" for c in s),
    "HTML by hexadecimal number": lambda s: "".join(
        c if c.isalnum() else f"&#x{ord(c):X};" for c in s
    ),
    "lines": lambda s: textwrap.fill(s, 20, break_long_words=True),
    "lines with escapes": lambda s: "\\r\\n ".join(textwrap.wrap(s, 20)),
    "folded header": lambda s: "\r\n\t".join(textwrap.wrap(s, 20)),
    "quoted in pieces": lambda s: "' b'".join(textwrap.wrap(s, 20)),
    "quoted in lines": lambda s: '"\n    "'.join(textwrap.wrap(s, 20)),
    "capitals": str.upper,
    "quoted printable": lambda s: quopri.encodestring(s.encode()).decode(),
}


def struck(text, *secrets):
    known = KnownSecrets()
    known.learn(*secrets)
    return known.strike(text)


def letters_of(text):
    return "".join(filter(str.isalnum, text)).casefold()


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("secret", [SECRET, TOKEN, PEM], ids=["secret", "token", "key"])
def test_a_secret_is_struck_in_every_encoding(encoding, secret):
    shown = ENCODINGS[encoding](secret)
    if encoding == "quoted printable" and secret == SECRET:
        shown = quopri.encodestring(b"Canary+secret/with~all").decode()

    text = struck(f"before the error: {shown} after", secret)

    assert HIDDEN in text
    assert text.startswith("before the error")
    assert text.endswith("after")
    left, letters = letters_of(text.replace(HIDDEN, "")), letters_of(secret)
    assert not any(letters[at : at + 6] in left for at in range(len(letters) - 6))


@pytest.mark.parametrize("length", [16, 20, 40, 100])
def test_a_part_of_a_long_secret_is_struck(length):
    for start in (0, 7, 50):
        part = TOKEN[start : start + length]
        shown = struck(f"invalid token '{part}...'", TOKEN).replace(HIDDEN, "")
        assert sum(map(str.isalnum, part)) < 16 or part not in shown


@pytest.mark.parametrize(
    "text",
    [
        "reading compliance policies: 403 Forbidden: Access denied. (request-id 1b4e28ba-2fa1)",
        "cannot reach login.microsoftonline.com: no connection",
        "include group “Sales laptops”, 100 % of +1,240 devices & more",
        "",
    ],
)
def test_other_text_stays_as_it_is(text):
    assert struck(text, SECRET, TOKEN, PEM, "hunter2") == text


def test_short_secrets_are_struck_as_they_are_written():
    assert struck("the password hunter2 and aHVudGVyMg==", "hunter2") == (
        f"the password {HIDDEN} and {HIDDEN}"
    )
    assert struck("abc", "abc", "", None) == "abc"


def test_the_environment_is_searched_for_secrets(tmp_path):
    (tmp_path / "token").write_text("x")
    known = KnownSecrets()
    known.learn_environment(
        {
            "AZURE_CLIENT_SECRET": "Canary-one-1",
            "https_proxy": "http://user:Canary-two%2F2@proxy:3128",
            "ALL_PROXY": "user:Canary#three@proxy:3128",
            "SSL_CERT_FILE": PEM,
            "AZURE_CLIENT_CERTIFICATE_PATH": "MIIKcQIBAzCCCi0GCSqGSIb3DQEHAaCCCh4EggoaMIIKFjCCBg",
            "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token"),
        }
    )

    told = known.strike(
        f"Canary-one-1 Canary-two%2F2 Canary-two/2 Canary#three {PEM.splitlines()[1]} "
        f"MIIKcQIBAzCCCi0GCSqGSIb3DQEHAaCCCh4EggoaMIIKFjCCBg {tmp_path}/token "
        f"Basic {base64.b64encode(b'user:Canary-two/2').decode()}"
    )

    assert told.replace(HIDDEN, "").split() == ["-", f"{tmp_path}/token", "Basic"]


@given(
    st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0xFFFF), min_size=24),
    st.sampled_from(sorted(set(ENCODINGS) - {"quoted printable", "lines", "capitals"})),
)
def test_what_is_struck_does_not_hold_the_secret(secret, encoding):
    shown = ENCODINGS[encoding](secret)

    text = struck(f"({shown})", secret)

    if sum(map(str.isalnum, secret)) >= 24:
        assert shown not in text
    assert secret not in text or len(secret.strip()) < 4
