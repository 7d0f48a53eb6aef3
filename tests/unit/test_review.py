"""A reviewer decides ten prepared plans from the first lines of the Markdown alone."""

from __future__ import annotations

import pytest

from reconciler.views import markdown
from reconciler.views.markdown_context import Context
from tests.support.build_plans import saved
from tests.support.golden import assert_golden
from tests.support.review_plans import reviews

CONTEXT = Context(root="desired-state", on_merge="The workflow apply runs after the merge.")
REVIEWS = reviews()
FIRST_LINES = 16


@pytest.mark.parametrize("name", REVIEWS)
def test_the_page_is_as_reviewed(name):
    review = REVIEWS[name]
    assert_golden(f"review/{name}.md", markdown.render(saved(review.plan), CONTEXT))


@pytest.mark.parametrize("name", REVIEWS)
def test_what_decides_stands_in_the_first_lines(name):
    """Nothing has to be unfolded, and no number has to be looked for among the changes."""
    text = markdown.render(saved(REVIEWS[name].plan), CONTEXT)
    first, _, _ = text.partition("### Assignments that would change")
    assert len(first.splitlines()) <= FIRST_LINES
    assert [each for each in REVIEWS[name].decides if each not in first] == []


def test_no_harmless_plan_looks_like_a_dangerous_one():
    titles = {
        name: markdown.render(saved(review.plan), CONTEXT).splitlines()[2]
        for name, review in REVIEWS.items()
    }
    calm = {name for name, title in titles.items() if "risk: dangerous" not in title}
    assert calm == {"01-next-ring", "06-nothing-may-be-counted", "07-narrower-filter"}
