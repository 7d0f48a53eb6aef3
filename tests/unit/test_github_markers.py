"""Reading the hidden first line."""

from __future__ import annotations

import pytest

from reconciler.github.markers import Marker, read

PREFIX = "<!-- reconciler:plan tenant=prod "
DIGEST = "sha256:" + "d" * 64
COMMIT = "a" * 40


def test_a_marker_says_digest_and_commit():
    body = f"{PREFIX}digest={DIGEST} commit={COMMIT} v=1 -->\n# Plan"
    assert read(body, PREFIX) == read(body, PREFIX.rstrip()) == Marker(DIGEST, COMMIT)
    assert read(body.replace("\n", "\r\n"), PREFIX) == Marker(DIGEST, COMMIT)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "# Plan",
        f" {PREFIX}v=1 -->",
        f"> {PREFIX}v=1 -->",
        f"Look:\n{PREFIX}v=1 -->",
        "<!-- reconciler:plan tenant=prod-eu v=1 -->",
        "<!-- reconciler:apply tenant=prod v=1 -->",
        "<!-- reconciler:plan tenant=prod v=1\n-->",
        "<!-- reconciler:superseded by=5 v=1 -->",
    ],
)
def test_what_is_not_at_the_very_beginning_or_of_another_tenant_is_no_marker(body):
    assert read(body, PREFIX) is None


@pytest.mark.parametrize(
    ("fields", "marker"),
    [
        ("v=1", Marker(None, None)),
        (f"digest={DIGEST}0 commit={COMMIT[:12]} v=1", Marker(None, None)),
        (f"digest={DIGEST} digest=sha256:{'e' * 64} v=1", Marker(None, None)),
        (f"xcommit={COMMIT} digest={DIGEST.upper()} v=1", Marker(None, None)),
        (f"commit={'b' * 64} v=2 more=1", Marker(None, "b" * 64)),
    ],
)
def test_a_field_counts_when_it_stands_there_once_and_whole(fields, marker):
    assert read(f"{PREFIX}{fields} -->\n", PREFIX) == marker


@pytest.mark.parametrize("prefix", ["", "<!--", "# Plan", "  "])
def test_a_prefix_that_would_find_anything_is_refused(prefix):
    with pytest.raises(AssertionError):
        read("<!-- anything -->", prefix)
