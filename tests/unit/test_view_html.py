"""The HTML page: one file, nothing from the network, nothing that a name could run."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from reconciler.views import html
from reconciler.views.html.blocks import State, policy_blocks, target_rows
from tests.support.browser import browse, browser, measured
from tests.support.build_plans import (
    ALL_DEVICES,
    MACS,
    WINDOWS,
    create,
    delete,
    excluded,
    group,
    inherited,
    keep,
    plan,
    policy_plan,
    saved,
    unmanaged,
)
from tests.support.example_plans import STATES, broad_and_deleting, hostile, large, ordinary
from tests.support.golden import assert_golden


def without_style_and_script(page):
    page = re.sub(r"(<style>|<script>).*?(</style>|</script>)", r"\1\2", page, flags=re.DOTALL)
    return re.sub(r"sha256-[\w+/=]+", "sha256-HASH", page)


@pytest.mark.parametrize("name", STATES)
def test_the_page_is_as_reviewed(name):
    page = html.render(saved(STATES[name]()))
    assert_golden(f"html/{name}.html", without_style_and_script(page))


class Page(HTMLParser):
    """Gathers what a test asks about."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def having(self, name):
        return [attrs for tag, attrs in self.tags if tag == name]


def test_it_asks_the_network_for_nothing():
    page = Page(html.render(saved(hostile())))
    addresses = [a[key] for _, a in page.tags for key in ("href", "src", "action") if key in a]
    assert {address for address in addresses if not address.startswith("#")} == {"data:,"}


def test_it_has_no_inline_style_and_no_inline_handler():
    page = Page(html.render(saved(hostile())))
    names = {name for _, attrs in page.tags for name in attrs}
    assert not {name for name in names if name == "style" or name.startswith("on")}


def test_the_policy_allows_its_own_style_and_script_alone():
    text = html.render(saved(ordinary()))
    [policy] = [a["content"] for a in Page(text).having("meta") if "http-equiv" in a]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for element in ("style", "script"):
        [content] = re.findall(f"<{element}>(.*?)</{element}>", text, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy


def test_every_heading_cell_says_what_it_heads():
    page = Page(html.render(saved(ordinary())))
    assert {attrs.get("scope") for attrs in page.having("th")} == {"col", "row"}
    assert len(page.having("caption")) == len(page.having("table"))


def test_every_link_leads_to_a_policy_of_the_page():
    page = Page(html.render(saved(large(60))))
    ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    links = {attrs["href"] for attrs in page.having("a")}
    assert {link.removeprefix("#") for link in links} <= ids
    assert "#policy-5" in links


def two_policies():
    return plan(
        policy_plan(
            WINDOWS,
            create(WINDOWS, ALL_DEVICES),
            delete(WINDOWS, group("Pilot")),
            keep(WINDOWS, excluded("Kiosks")),
        ),
        policy_plan(MACS, unmanaged(MACS, group("Kiosks")), inherited(MACS, group("Pilot"))),
    )


def test_a_policy_shows_what_changes_and_what_stays():
    windows, macs = policy_blocks(two_policies())
    assert [(e.state, e.target.kind, e.target.name) for e in windows.changes] == [
        (State.REMOVE, "include group", "Pilot"),
        (State.ADD, "include all devices", ""),
    ]
    assert windows.changes[0].effect == "no longer assigned"
    assert [(e.state, e.target.kind) for e in windows.rest] == [
        (State.UNCHANGED, "exclude group"),
    ]
    assert windows.tally == ((State.ADD, 1), (State.REMOVE, 1))
    assert (macs.changes, [e.state for e in macs.rest]) == ((), [State.UNMANAGED, State.INHERITED])


def test_a_group_has_one_row_with_the_policies_that_include_and_exclude_it():
    made = two_policies()
    rows = target_rows(made, policy_blocks(made))
    assert [(f"{r.label.kind} {r.label.name}".strip(), r.changes) for r in rows] == [
        ("all devices", 1),
        ("group Pilot", 1),
        ("group Kiosks", 0),
    ]
    _, pilot, kiosks = rows
    assert [(m.label.name, m.state) for m in pilot.included] == [
        (WINDOWS.name, State.REMOVE),
        (MACS.name, State.INHERITED),
    ]
    assert [(m.label.name, m.state) for m in kiosks.included] == [(MACS.name, State.UNMANAGED)]
    assert [(m.label.name, m.state) for m in kiosks.excluded] == [(WINDOWS.name, State.UNCHANGED)]


def test_groups_of_one_name_are_told_apart():
    first, second = group("Sales", id="4f1c0b2a-1"), group("Sales", id="5a1c0b2a-1")
    made = plan(policy_plan(WINDOWS, create(WINDOWS, first), create(WINDOWS, second)))
    page = html.render(saved(made))
    assert '<bdi>Sales</bdi> <code class="short">4f1c0b2a</code>' in page
    assert '<bdi>Sales</bdi> <code class="short">5a1c0b2a</code>' in page


def test_a_long_plan_is_folded_and_loses_nothing():
    page = Page(html.render(saved(large(1_000))))
    policies = [attrs for attrs in page.having("details") if attrs.get("class") == "policy"]
    assert len(policies) == 100
    assert len([attrs for attrs in page.having("details") if "data-part" in attrs]) == 4
    assert not any("open" in attrs for attrs in page.having("details"))
    short = Page(html.render(saved(large(30))))
    assert [
        a for a in short.having("details") if a.get("class") == "policy" and "open" not in a
    ] == []


def test_the_dangers_of_a_folded_plan_stand_above_it():
    changes = [delete(WINDOWS, group(f"Old {n}")) for n in range(60)]
    page = html.render(saved(plan(policy_plan(WINDOWS, keep(WINDOWS, group("New")), *changes))))
    assert 'id="risk">Dangerous: removes cover from 60 groups<' in page
    assert "<summary>55 more</summary>" in page
    assert page.index('id="risk"') < page.index("What would change")


def test_what_stops_the_plan_is_not_a_warning_too():
    page = html.render(saved(broad_and_deleting()))
    assert "iOS - Corporate phones&#34; would reach every device" in page
    assert "this assigns the policy to every device of the tenant" not in page


def test_a_plan_without_policies_is_a_page_too():
    assert "What would change" in html.render(saved(plan()))


@pytest.mark.browser
@browser
def test_the_browser_has_no_complaint(tmp_path):
    document, console = browse(html.render(saved(hostile())), tmp_path)
    assert console == []
    assert 'id="toolbar">' in document, "the script ran and showed the filter box"


@pytest.mark.browser
@browser
def test_the_filter_box_shows_what_matches(tmp_path):
    document, console = browse(
        html.render(saved(ordinary())), tmp_path, fragment="#filter=design%20MACS"
    )
    assert console == []
    assert "1 of 4 policies match" in document
    blocks = re.findall(r'<details class="policy"[^>]*>', document)
    assert ['hidden=""' in block for block in blocks] == [True, True, False, True]


@pytest.mark.browser
@browser
@pytest.mark.parametrize("name", ["hostile", "stopped"])
def test_nothing_needs_scrolling_sideways(tmp_path, name):
    sizes = measured(html.render(saved(STATES[name]())), tmp_path)
    assert all(size.page <= size.window for size in sizes)


@pytest.mark.browser
@browser
def test_a_plan_of_two_thousand_changes_fits_and_stays_short(tmp_path):
    sizes = measured(html.render(saved(large(2_000))), tmp_path)
    assert all(size.page <= size.window for size in sizes)
    assert max(size.height for size in sizes) < 4_000


@pytest.mark.browser
@browser
def test_a_link_to_a_folded_policy_opens_it(tmp_path):
    document, console = browse(html.render(saved(large(60))), tmp_path, fragment="#policy-3")
    assert console == []
    blocks = re.findall(r'<details class="policy"[^>]*>', document)
    assert ['open=""' in block for block in blocks] == [False] * 3 + [True] + [False] * 2


@pytest.mark.browser
@browser
def test_the_filter_box_hides_the_parts_without_a_match(tmp_path):
    document, console = browse(
        html.render(saved(large(600))), tmp_path, fragment="#filter=policy%2000030"
    )
    assert console == []
    assert "1 of 60 policies match" in document
    parts = re.findall(r'<details class="part"[^>]*>', document)
    assert [('hidden=""' in part, 'open=""' in part) for part in parts] == [
        (True, True),
        (False, True),
        (True, True),
    ]


SORT = """<script>addEventListener("load", () => {
  document.querySelector('#targets th[data-sort="name"] button').click();
  const heads = [...document.querySelectorAll("#targets tbody th bdi")];
  document.title = heads.map((head) => head.textContent).join();
});</script></body>"""


@pytest.mark.browser
@browser
def test_the_groups_are_sorted_by_a_click(tmp_path):
    page = re.sub(
        r"script-src '[^']*'", "script-src 'unsafe-inline'", html.render(saved(ordinary()))
    )
    document, _ = browse(page.replace("</body>", SORT), tmp_path)
    [title] = re.findall("<title>([^<]*)</title>", document)
    names = title.split(",")
    assert names == sorted(names, key=str.lower)
    assert len(names) > 5


@pytest.mark.browser
@browser
def test_a_script_that_got_in_would_not_run(tmp_path):
    page = html.render(saved(ordinary()))
    page = page.replace("<main>", "<main><script>document.title = 'taken'</script>")
    document, console = browse(page, tmp_path)
    assert "<title>taken" not in document
    assert "Content Security Policy" in "".join(console)
