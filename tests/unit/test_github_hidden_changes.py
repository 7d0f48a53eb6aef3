"""The approved changes below a comment: there and back, and nothing else is believed."""

from __future__ import annotations

import base64
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.github.hidden_changes import read_changes, with_changes
from reconciler.model.plan import change_lines, digest_of_lines
from tests.support.example_plans import hostile, large, ordinary

BODY = "<!-- reconciler:plan v=1 -->\n# Plan\n"


def hidden(content: bytes | str) -> str:
    packed = content if isinstance(content, str) else base64.b64encode(content).decode()
    return f"{BODY}\n<!-- reconciler:changes v=1 {packed} -->\n"


@given(st.lists(st.text(), min_size=1))
def test_what_is_hidden_is_read_back(lines):
    assert read_changes(with_changes(BODY, lines, limit=10**9)) == tuple(lines)


@pytest.mark.parametrize("plan", [ordinary(), hostile(), large(400)], ids=["plain", "odd", "large"])
def test_a_plans_operations_prove_themselves_by_the_digest(plan):
    body = with_changes(BODY, change_lines(plan.changes), limit=65_536)
    lines = read_changes(body)
    assert lines is not None
    assert digest_of_lines(plan.tenant.id, lines) == plan.digest
    assert digest_of_lines(plan.tenant.id, lines[1:]) != plan.digest
    assert body.startswith(BODY)
    assert body.count("-->") == 2


def test_what_does_not_fit_is_left_out_whole():
    lines = change_lines(ordinary().changes)
    whole = with_changes(BODY, lines, limit=10**9)
    assert with_changes(BODY, lines, limit=len(whole)) == whole
    assert with_changes(BODY, lines, limit=len(whole) - 1) == BODY
    assert with_changes(BODY, [], limit=10**9) == BODY


def test_line_ends_that_github_turned_round_do_no_harm():
    body = with_changes(BODY, ["a", "b"], limit=10**9)
    assert read_changes(body.replace("\n", "\r\n")) == ("a", "b")
    assert read_changes(body + "\n  \n") == ("a", "b")


@pytest.mark.parametrize(
    "body",
    [
        "",
        BODY,
        hidden("AAAA"),
        hidden("====="),
        hidden("A"),
        hidden(zlib.compress(b'{"a": 1}')),
        hidden(zlib.compress(b'["a", 1]')),
        hidden(zlib.compress(b"not JSON")),
        hidden(zlib.compress(b"[" * 100_000)),
        hidden(zlib.compress(b'["\xff"]')),
        hidden(zlib.compress(b'["a"]')[:-5]),
        hidden(zlib.compress(b'["a"]')) + "More below.",
        hidden(zlib.compress(b'["a"]')).replace("v=1 ", "v=2 "),
        hidden(zlib.compress(json.dumps(["a" * 9_000_000]).encode())),
    ],
    ids=range(14),
)
def test_what_cannot_be_read_is_no_approval(body):
    assert read_changes(body) is None


def test_a_block_in_the_middle_of_a_comment_is_only_text():
    """Names in a plan stand above the block, and the last one alone counts."""
    forged = hidden(zlib.compress(b'["forged"]'))
    assert read_changes(with_changes(forged, ["ours"], limit=10**9)) == ("ours",)
