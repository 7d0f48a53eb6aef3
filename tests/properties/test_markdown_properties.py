"""Whatever the names, the Markdown keeps its shape and the HTML its tags."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from reconciler.documents.failures import Failure
from reconciler.model.diagnostics import Location, error, warning
from reconciler.model.impact import (
    ComplianceAction,
    PolicyImpact,
    Reach,
    TenantImpact,
    Unknown,
)
from reconciler.views import html, markdown
from reconciler.views.escaping import markdown_cell, markdown_code, markdown_prose, visible_name
from reconciler.views.markdown_context import Context
from reconciler.views.markdown_failure import (
    render_failure,
    render_fork_report,
    render_validation,
)
from tests.support.build_impact import with_impact
from tests.support.build_plans import (
    TENANT,
    create,
    delete,
    excluded,
    group,
    inherited,
    keep,
    only,
    plan,
    policy,
    policy_plan,
    saved,
    unmanaged,
    update,
    without,
)
from tests.support.example_plans import HOSTILE_NAMES, hostile
from tests.support.property_rounds import examples

PIECES = st.sampled_from(
    [*HOSTILE_NAMES[:26], *'|`\\<>[]()#@*_~$&:!-+"\n', "--", "-->", "::", "a", " ", "\u202e", "\t"]
)
NAMES = st.lists(PIECES | st.text(max_size=4), min_size=1, max_size=8).map("".join).filter(bool)
ACTS = re.compile(r"@|#\d|://|www\.|GH-\d|\$|[\u202a-\u202e\u2066-\u2069\u200b]")
ROOMY = Context(budget=1_000_000)
HERE = "https://github.com/contoso/intune/"
LINKED = Context(
    budget=1_000_000,
    commit="a" * 40,
    run_url=f"{HERE}actions/runs/42",
    repository_url=HERE.rstrip("/"),
    root="desired-state",
)


def a_plan(names):
    """A plan with each of five names in every place that holds a name."""
    first, second, third, fourth, fifth = names
    one = policy(first)
    place = Location(fourth, 3, 1, f"- group: {fifth}")
    made = policy_plan(
        one,
        replace(create(one, group(second), only(third)), declared_at=place),
        update(one, group(fourth, id="u"), without(fifth), only(first)),
        delete(one, excluded(third)),
        keep(one, group(first, id="k")),
        unmanaged(one, group(second, id="m"), only(fifth)),
        inherited(one, group(third, id="i")),
    )
    found = (
        error("code", f'no group is called "{second}"; {third}', place, help=fifth, policy=first),
        warning("other", f"{fourth} is odd", None, help=f'use "{first}"', policy=second),
    )
    tenant = replace(TENANT, label=fourth, display_name=fifth)
    return saved(plan(made, diagnostics=found, selection=(second,), tenant=tenant))


def a_counted_plan(names):
    """The plan of `a_plan`, in which every reason that a number is not known is one of the names."""
    made = a_plan(names)
    why = [Unknown(name) for name in names]
    reach = {
        change: Reach(why[n], why[-1 - n], why[n + 1], why[n])
        for n, change in enumerate(made.plan.changes)
    }
    policies = {
        each.policy: PolicyImpact((ComplianceAction(names[0], 0.5),), why[1])
        for each in made.plan.policies
    }
    tenant = TenantImpact(why[2], why[3], why[4])
    return replace(made, plan=with_impact(made.plan, reach, policies, tenant))


def parsed(text):
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)


def rows(tokens):
    """Every table as rows of cells, each the inline token's children."""
    tables, cells = [], None
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_open":
            cells = []
            tables[-1].append(cells)
        elif token.type in ("td_open", "th_open"):
            cells.append(after.children or [])
    return tables


@examples(150)
@given(st.lists(NAMES, min_size=5, max_size=5))
def test_names_never_act(names):
    text = markdown.render(a_plan(names), LINKED)
    tokens = parsed(text)
    children = [child for token in tokens for child in token.children or ()]
    assert {child.type for child in children} <= {
        "text", "code_inline", "strong_open", "strong_close", "em_open", "em_close",
        "softbreak", "hardbreak", "link_open", "link_close",
    }  # fmt: skip
    assert not [c.content for c in children if c.type == "text" and ACTS.search(c.content)]
    links = [str(child.attrs["href"]) for child in children if child.type == "link_open"]
    assert all(link.startswith(("https://intune.microsoft.com/#view/", HERE)) for link in links)
    blocks = [token.content for token in tokens if token.type == "html_block"]
    assert len(blocks) == 1 + 2 * 4
    assert blocks[0].strip() == text.splitlines()[0]
    assert sum(token.type == "heading_open" for token in tokens) == 3


@examples(150)
@given(st.lists(NAMES, min_size=5, max_size=5))
def test_no_reason_acts(names):
    text = markdown.render(a_counted_plan(names), LINKED)
    children = [child for token in parsed(text) for child in token.children or ()]
    assert {child.type for child in children} <= {
        "text", "code_inline", "strong_open", "strong_close", "em_open", "em_close",
        "softbreak", "hardbreak", "link_open", "link_close",
    }  # fmt: skip
    assert not [c.content for c in children if c.type == "text" and ACTS.search(c.content)]
    [fence] = [token for token in parsed(text) if token.type == "fence"]
    signs = "".join(line[:1] for line in fence.content.splitlines())
    assert re.fullmatch(r"@##?-#?!#?\+#?", signs)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b]", fence.content)


@examples(150)
@given(st.lists(NAMES, min_size=5, max_size=5))
def test_no_name_ends_a_line_of_the_diff_or_its_fence(names):
    tokens = parsed(markdown.render(a_plan(names), ROOMY))
    [fence] = [token for token in tokens if token.type == "fence"]
    assert fence.info == "diff"
    lines = fence.content.splitlines()
    assert [line[:1] for line in lines] == ["@", "-", "!", "+"]
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b]", fence.content)


@examples(150)
@given(st.lists(NAMES, min_size=5, max_size=5))
def test_every_table_has_its_rows_and_every_cell_its_name(names):
    made = a_plan(names)
    tables = rows(parsed(markdown.render(made, ROOMY)))
    assert [[len(row) for row in table] for table in tables] == [[2] * 2, [3] * 2, [4] * 2]
    for table in tables[1:]:
        assert table[1][0][0].content == visible_name(names[0])


@examples(150)
@given(st.lists(NAMES, min_size=5, max_size=5))
def test_no_name_acts_in_a_folded_policy(names):
    one = policy(names[0])
    changes = [
        create(one, group(f"{name}{n}", id=f"{n}-{name}")) for n in range(60) for name in names
    ]
    text = markdown.render(saved(plan(policy_plan(one, *changes))), Context(budget=60_000))
    blocks = [token.content for token in parsed(text) if token.type == "html_block"]
    assert sum(block.startswith("<details>") for block in blocks) == 3
    for block in blocks[1:]:
        assert set(Tags(block).found) <= {("details",), ("summary",), ("code",)}


@examples(100)
@given(st.lists(NAMES, min_size=5, max_size=5), st.sampled_from(["plan", "apply"]), st.booleans())
def test_no_text_acts_in_a_failure_or_in_a_forks_report(names, command, has_begun):
    first, second, third, fourth, fifth = names
    place = Location(fourth, 3, 1, f"- group: {fifth}")
    found = (
        error("code", f'no group is called "{second}"; {third}', place, help=fifth, policy=first),
        warning("other", f"{fourth} is odd", None, help=f'use "{first}"', policy=second),
    )
    failure = Failure(
        command, first, second, 3, f"{third}\n{fourth}", found, "sha256:" + "a" * 64, has_begun
    )
    for text in (
        render_failure(failure, LINKED),
        render_fork_report(found, first, LINKED),
        render_validation(found, first, LINKED),
    ):
        children = [child for token in parsed(text) for child in token.children or ()]
        assert {child.type for child in children} <= {
            "text", "code_inline", "strong_open", "strong_close", "em_open", "em_close",
            "softbreak", "hardbreak", "link_open", "link_close",
        }  # fmt: skip
        assert not [c.content for c in children if c.type == "text" and ACTS.search(c.content)]
        links = [str(child.attrs["href"]) for child in children if child.type == "link_open"]
        assert all(link.startswith(HERE) for link in links)
        blocks = [token.content for token in parsed(text) if token.type == "html_block"]
        assert [block.strip() for block in blocks] == [text.splitlines()[0]]


@examples(300)
@given(NAMES)
def test_a_name_reads_as_it_is(name):
    [_, inline, _] = parsed(markdown_code(name))
    assert [child.content for child in inline.children] == [visible_name(name)]
    [[_, [cell]]] = rows(parsed(f"| a |\n| --- |\n| {markdown_cell(markdown_code(name))} |"))
    assert [child.content for child in cell] == [visible_name(name)]


@examples(300)
@given(NAMES)
def test_a_sentence_stays_a_sentence(text):
    prose = markdown_prose(text)
    tokens = parsed(f"- {prose}" if prose else "")
    inline = [token for token in tokens if token.type == "inline"]
    assert len(inline) == (1 if prose else 0)
    assert {c.type for token in inline for c in token.children} <= {"text", "code_inline"}


@examples(60)
@given(
    st.lists(NAMES | st.text(min_size=300, max_size=2_000), min_size=5, max_size=5),
    st.integers(8_000, 70_000),
)
def test_the_budget_holds_for_any_names(names, budget):
    context = Context(budget=budget, commit=names[0], on_merge=names[1], root=names[2])
    assert len(markdown.render(a_plan(names), context)) <= budget
    assert len(markdown.render(a_counted_plan(names), context)) <= budget


def test_the_budget_holds_for_the_hostile_plan():
    for budget in range(8_000, 120_000, 7_001):
        assert len(markdown.render(saved(hostile()), Context(budget=budget))) <= budget


class Tags(HTMLParser):
    """Counts tags with the names of their attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = Counter()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found[tag, *sorted(name for name, _ in attrs)] += 1

    def handle_comment(self, data):
        self.found["comment"] += 1


@examples(100)
@given(st.lists(NAMES, min_size=5, max_size=5, unique=True))
def test_the_html_has_the_tags_of_an_honest_plan(names):
    page = html.render(a_plan(names))
    honest = html.render(a_plan(["One", "Two", "Three", "Four", "Five"]))
    assert Tags(page).found == Tags(honest).found
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b]", page)
