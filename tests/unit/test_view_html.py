"""The HTML page: one file, nothing from the network, nothing that a name could run."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from reconciler.views import html
from reconciler.views.html.matrix import MOST_COLUMNS, State, matrices
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
from tests.support.example_plans import STATES, hostile, large, ordinary
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
    assert sorted(addresses) == ["#changes", "data:,"]


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
    assert {attrs.get("scope") for attrs in page.having("th")} == {"col", "row", "rowgroup"}
    assert len(page.having("caption")) == len(page.having("table"))


def test_the_matrix_shows_who_gets_what_before_and_after():
    made = plan(
        policy_plan(
            WINDOWS,
            create(WINDOWS, ALL_DEVICES),
            delete(WINDOWS, group("Pilot")),
            keep(WINDOWS, excluded("Kiosks")),
        ),
        policy_plan(MACS, unmanaged(MACS, group("Pilot")), inherited(MACS, group("Pilot"))),
    )
    [matrix] = matrices(made.policies)
    assert [column.words for column in matrix.columns] == [
        "include all devices",
        "include group Pilot",
        "exclude group Kiosks",
    ]
    assert [[[m.state for m in cell] for cell in row.cells] for row in matrix.rows] == [
        [[State.CREATE], [State.DELETE], [State.UNCHANGED]],
        [[], [State.UNMANAGED, State.INHERITED], []],
    ]
    assert matrix.rows[0].cells[2][0].word == "excluded"


def test_a_large_matrix_is_cut_and_loses_nothing():
    made = matrices(large(1_000).policies)
    assert max(len(matrix.columns) for matrix in made) <= MOST_COLUMNS
    assert sum(bool(c) for m in made for row in m.rows for c in row.cells) == 1_000


def test_a_policy_with_very_many_targets_is_cut_too():
    made = matrices(large(100, per_policy=100).policies)
    assert [len(matrix.columns) for matrix in made] == [32, 32, 32, 4]
    assert {matrix.rows[0].name for matrix in made} == {"Policy 00000"}


def test_no_policies_make_no_matrix():
    assert matrices(()) == ()
    assert "What would change" in html.render(saved(plan()))


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=2000",
)


def browse(page: str, folder: Path, *, fragment: str = "") -> tuple[str, list[str]]:
    """Open a page in Chromium; give the document it makes of it, and what its console says."""
    file = folder / "plan.html"
    file.write_text(page, encoding="utf-8")
    done = subprocess.run(
        [
            CHROMIUM,
            *FLAGS,
            f"--user-data-dir={folder / 'profile'}",
            "--dump-dom",
            f"{file.as_uri()}{fragment}",
        ],
        capture_output=True,
        timeout=120,
        check=True,
        env={**os.environ, "HOME": str(folder)},
    )
    log = done.stderr.decode(errors="replace").splitlines()
    return done.stdout.decode(), [line for line in log if "CONSOLE" in line]


browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on the PATH")


@pytest.mark.browser
@browser
def test_the_browser_has_no_complaint(tmp_path):
    document, console = browse(html.render(saved(hostile())), tmp_path)
    assert console == []
    assert 'id="filter-field">' in document, "the script ran and showed the filter box"


@pytest.mark.browser
@browser
def test_the_filter_box_shows_what_matches(tmp_path):
    document, console = browse(
        html.render(saved(ordinary())), tmp_path, fragment="#filter=design%20MACS"
    )
    assert console == []
    assert "1 of 4 policy rows match" in document
    hidden = re.findall(r'<tr[^>]* hidden="">\s*<th scope="row"><bdi>([^<]*)', document)
    assert hidden == ["Ubuntu workstations", "Windows 11 - Baseline", "iOS - Corporate phones"]
    groups = re.findall(r"<tbody data-group=\"\"( hidden=\"\")?>", document)
    assert groups == [' hidden=""', ' hidden=""', ""]


@pytest.mark.browser
@browser
def test_a_script_that_got_in_would_not_run(tmp_path):
    page = html.render(saved(ordinary()))
    page = page.replace("<main>", "<main><script>document.title = 'taken'</script>")
    document, console = browse(page, tmp_path)
    assert "<title>taken" not in document
    assert "Content Security Policy" in "".join(console)
