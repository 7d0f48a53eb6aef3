"""Every view of a saved plan: with its impact, without it, and as an older release wrote it."""

from __future__ import annotations

import json

import pytest

from reconciler.documents import dumps, loads
from reconciler.documents.envelope import checksum
from reconciler.views import annotations as annotations_view
from reconciler.views import html, markdown, sarif, text
from reconciler.views.markdown_context import Context
from tests.support.build_plans import saved
from tests.support.example_plans import counted, ordinary
from tests.support.review_plans import reviews

VIEWS = {
    "text": lambda made: text.render(made.plan, width=80),
    "markdown": lambda made: markdown.render(made, Context()),
    "html": html.render,
    "annotations": lambda made: annotations_view.render_plan(made.plan, root=""),
    "sarif": lambda made: sarif.render_plan(made.plan, root="", version="0.1.0"),
}
REVIEWS = reviews()


def as_an_older_release_wrote_it(document):
    """Without the members that came with the impact."""
    found = json.loads(document)
    for member in ("impact", "risk"):
        del found[member]
    for change in found["changes"]:
        change.pop("reach", None)
    found["checksum"] = checksum(found)
    return json.dumps(found)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", REVIEWS)
def test_a_saved_plan_reads_as_the_plan_itself(name, view):
    made = saved(REVIEWS[name].plan)
    assert VIEWS[view](loads(dumps(made), source="p.json")) == VIEWS[view](made)


@pytest.mark.parametrize("view", VIEWS)
def test_a_plan_of_an_older_release_reads_as_one_without_impact(view):
    old = loads(as_an_older_release_wrote_it(dumps(saved(counted()))), source="p.json")
    assert VIEWS[view](old) == VIEWS[view](saved(ordinary()))


def test_a_saved_plan_in_which_one_reach_is_missing_is_shown_without_it():
    found = json.loads(dumps(saved(counted())))
    del found["changes"][0]["reach"]
    found["checksum"] = checksum(found)
    shown = text.render(loads(json.dumps(found), source="p.json").plan, width=80)
    whole = text.render(counted(), width=80)
    assert len(shown.splitlines()) < len(whole.splitlines())
    assert shown.count("reaches at most") + shown.count("not known") > 0
