"""Foreign text is made visible and harmless, and honest text is left alone."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from reconciler.model.text import visible
from reconciler.views.escaping import (
    comment_value,
    markdown_code,
    markdown_prose,
    repository_path,
    shortened,
    visible_name,
)


@pytest.mark.parametrize(
    "text",
    [
        "Windows 11 - Baseline",
        "Geräte in Zürich",
        "営業部",
        "אבג",
        "فريق المبيعات",
        "ฝ่ายที่",
        "e\u0301",
        "\U0001f6e1\ufe0f shield",
        "🚀",
        "\U0001fae9 younger than the interpreter",
    ],
)
def test_honest_text_is_left_alone(text):
    assert visible_name(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb", "a<U+000A>b"),
        ("\x1b[31m", "<U+001B>[31m"),
        ("abc\u202egnp", "abc<U+202E>gnp"),
        ("\u2066a\u2069", "<U+2066>a<U+2069>"),
        ("a\u200bb\u200d", "a<U+200B>b<U+200D>"),
        ("a\u00a0b\u3000c", "a<U+00A0>b<U+3000>c"),
        ("\u3164\u2800\u115f", "<U+3164><U+2800><U+115F>"),
        ("a\ufe0f", "a<U+FE0F>"),
        ("a\U000e0041", "a<U+E0041>"),
        ("\ud800", "<U+D800>"),
        ("\ue000", "<U+E000>"),
        ("\u0301a", "<U+0301>a"),
        ("e" + "\u0301" * 6, "e" + "\u0301" * 4 + "<U+0301>" * 2),
    ],
)
def test_what_is_not_seen_is_written_out(text, shown):
    assert visible(text) == shown


def test_indentation_stays_in_text_and_shows_in_a_name():
    assert visible("  a  b") == "  a  b"
    assert visible_name(" a  b ") == "<U+0020>a <U+0020>b<U+0020>"
    assert visible_name("") == "<empty>"


def test_a_long_name_says_how_long_it_is():
    assert shortened("x" * 1200, 10) == "xxxxx…xxxxx (1,200 characters)"


def test_a_message_quotes_names_as_code_and_keeps_its_words():
    message = (
        'the group "Sales | `x`" is excluded; set guardrails.max_deletes in tenant.yaml '
        'or write filter: {include: "X"}, not @contoso/team'
    )
    assert markdown_prose(message) == (
        "the group `` Sales | `x` `` is excluded; set `guardrails.max_deletes` in `tenant.yaml` "
        'or write filter: `{include: "X"}`, not `@contoso/team`'
    )


@pytest.mark.parametrize("text", ["- a", "1. a", "# a", "> a", "a\n\nb", '"x"y@z', "$a$ `b` *c*"])
def test_a_message_stays_one_paragraph(text):
    tokens = MarkdownIt("commonmark").parse(markdown_prose(text))
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]


@pytest.mark.parametrize("name", ["`", "``", "a`b``c", "`a", "a`", "\\", " "])
def test_a_code_span_shows_its_name_exactly(name):
    [_, inline, _] = MarkdownIt("commonmark").parse(markdown_code(name))
    assert [child.content for child in inline.children or ()] == [visible_name(name)]


def test_a_label_cannot_leave_its_comment():
    value = comment_value("a--b --> <x> \n ---")
    assert "--" not in value
    assert not set(value) & set("<> \n")


def test_labels_that_differ_stay_different_and_short():
    assert comment_value("a-b") != comment_value("a--b")
    assert len(comment_value("é" * 5000)) < 2_000


def test_a_path_leads_from_the_repository():
    assert repository_path("desired-state", "policies/a.yaml") == "desired-state/policies/a.yaml"
    assert repository_path("", "a.yaml") == "a.yaml"
    assert repository_path(".\\tenants\\prod", "../baseline/a.yaml") == "tenants/baseline/a.yaml"
