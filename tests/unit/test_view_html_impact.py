"""What the HTML page shows of risk and impact: bounds, what is not known, and never a sum."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from importlib import resources

import pytest

from reconciler.model.diagnostics import error
from reconciler.model.impact import (
    ComplianceAction,
    PolicyImpact,
    Reach,
    StatusOverview,
    TenantImpact,
    Unknown,
)
from reconciler.model.plan import Change
from reconciler.views import html
from reconciler.views.html.blocks import Facts, policy_blocks, target_rows
from reconciler.views.html.figures import BarForm, Figures
from tests.support.browser import browse, browser, measured
from tests.support.build_impact import (
    FORBIDDEN,
    LATE,
    blocking,
    devices,
    uncounted,
    users,
    with_impact,
)
from tests.support.build_plans import (
    ALL_DEVICES,
    LINUX,
    MACS,
    WINDOWS,
    at,
    create,
    delete,
    excluded,
    group,
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
from tests.support.golden import assert_golden

SALES = create(WINDOWS, group("Sales laptops"))
CONTRACTORS = delete(WINDOWS, excluded("Contractors"))
STAFF = create(WINDOWS, group("Staff"))
DESIGN = update(MACS, group("Design Macs"), only("Corporate owned"), without("Corporate owned"))
EVERYBODY = create(LINUX, ALL_DEVICES)
HIDDEN = create(LINUX, group("Board"))
BROKEN = error("unknown-group", 'no group is called "Sales laptosp"', at())


def everything():
    """A bar of each form, and a policy of each kind of consequence."""
    made = plan(
        policy_plan(WINDOWS, SALES, CONTRACTORS, STAFF, unmanaged(WINDOWS, group("Kiosks"))),
        policy_plan(MACS, DESIGN, keep(MACS, group("Sales laptops"))),
        policy_plan(LINUX, EVERYBODY, HIDDEN),
    )
    reach: dict[Change, Reach] = {
        SALES: devices(1240),
        CONTRACTORS: devices(310),
        STAFF: users(75),
        DESIGN: devices(2480, matches=620),
        EVERYBODY: Reach(),
        HIDDEN: uncounted(),
    }
    policies = {
        WINDOWS: blocking(pending=3),
        MACS: PolicyImpact((ComplianceAction("block", 0.5), ComplianceAction("retire", 30)), None),
        LINUX: PolicyImpact(FORBIDDEN, LATE),
    }
    return with_impact(made, reach, policies, TenantImpact(False, FORBIDDEN, ()))


def shown(page):
    """Give what a reader sees of the page, in one line."""
    body = re.sub(r"<(style|script|svg).*?</\1>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", body))


def bars(made):
    """Give the bars of each change, by the name of its target."""
    figures = Figures.of_plan(made)
    return {change.target.name: figures.reach(change).bars for change in made.changes}


def test_the_page_with_numbers_is_as_reviewed():
    page = html.render(saved(everything()))
    page = re.sub(r"(<style>|<script>).*?(</style>|</script>)", r"\1\2", page, flags=re.DOTALL)
    assert_golden("html/impact.html", re.sub(r"sha256-[\w+/=]+", "sha256-HASH", page))


def test_each_form_of_bar_is_one_target_on_one_scale():
    found = bars(everything())
    assert {name: [(bar.form, bar.percent) for bar in pair] for name, pair in found.items()} == {
        "Sales laptops": [(BarForm.ABSENT, 0), (BarForm.KNOWN, 50)],
        "Contractors": [(BarForm.KNOWN, 12.5), (BarForm.ABSENT, 0)],
        "Staff": [(BarForm.ABSENT, 0), (BarForm.OPEN, 0)],
        "Design Macs": [(BarForm.KNOWN, 25), (BarForm.KNOWN, 100)],
        None: [(BarForm.ABSENT, 0), (BarForm.OPEN, 0)],
        "Board": [(BarForm.ABSENT, 0), (BarForm.UNKNOWN, 0)],
    }


def test_the_words_of_a_bar_tell_before_from_after_and_an_include_from_an_exclusion():
    found = bars(everything())
    assert [bar.figure.words for bar in found["Contractors"]] == [
        "left out at most 310 devices",
        "not excluded",
    ]
    assert [bar.figure.words for bar in found["Design Macs"]] == [
        "reached at most 620 devices",
        "reaches at most 2,480 devices",
    ]
    assert found["Staff"][1].figure.words == "reaches at most 75 users (any number of devices)"
    assert found[None][1].figure.words == "no upper bound: all devices of the tenant"


def test_numbers_of_several_targets_are_never_added_up():
    numbers = set(re.findall(r"\d[\d,]+", shown(html.render(saved(everything())))))
    sums = {f"{a + b:,}" for a in (1240, 310, 75, 2480) for b in (1240, 310, 75, 2480) if a != b}
    assert not numbers & sums
    assert {"1,240", "2,480", "310"} <= numbers


def test_the_reason_of_what_is_not_known_stands_once():
    text = shown(html.render(saved(everything())))
    assert text.count(FORBIDDEN.reason) == 1
    assert text.count(LATE.reason) == 1
    assert "reach not known [1]" in text
    assert "[1] 403: needs Device.Read.All Conditional Access, devices of 1 change" in text


def test_reasons_that_differ_in_an_id_alone_are_one():
    first, second = create(WINDOWS, group("One")), create(WINDOWS, group("Two"))
    reason = "404: there is no group {}-0000-4000-8000-000000000000"
    made = with_impact(
        plan(policy_plan(WINDOWS, first, second)),
        {
            first: uncounted(Unknown(reason.format("aaaaaaaa"))),
            second: uncounted(Unknown(reason.format("bbbbbbbb"))),
        },
    )
    [note] = Figures.of_plan(made).notes
    assert note.concerns.startswith("devices of 2 changes, users of 2 changes")


def test_nothing_that_is_not_known_is_shown_as_zero():
    made = with_impact(
        plan(policy_plan(WINDOWS, SALES, unmanaged(WINDOWS, group("Kiosks")))),
        {SALES: uncounted()},
        {WINDOWS: PolicyImpact(FORBIDDEN, FORBIDDEN)},
        TenantImpact(FORBIDDEN, FORBIDDEN, FORBIDDEN),
    )
    page = html.render(saved(made))
    changes = page[page.index('id="changes"') : page.index('id="unknown"')]
    assert not re.search(r"\b0 (device|user|compliant|enabled)", shown(changes))
    assert "<rect" not in changes[changes.index("</details>") :]
    kiosks = next(row for row in target_rows(made, policy_blocks(made), Figures.of_plan(made))[1:])
    assert (kiosks.members.devices.words, kiosks.members.devices_count) == ("not asked", None)


def test_a_plan_without_numbers_says_so_and_one_without_changes_does_not():
    assert "How many devices these changes reach was not read." in html.render(
        saved(plan(policy_plan(WINDOWS, SALES)))
    )
    assert "was not read" not in html.render(saved(plan(policy_plan(WINDOWS))))


def test_the_risk_stands_in_the_title_and_the_head():
    page = html.render(saved(everything()))
    assert "<title>Stopped by a guardrail · dangerous · contoso-prod</title>" in page
    assert "Risk: dangerous" in page[: page.index("</header>")]
    routine = html.render(saved(plan(policy_plan(WINDOWS, SALES))))
    assert "<title>Plan · routine · contoso-prod</title>" in routine
    assert 'id="risk"' not in routine


def test_the_risk_of_an_incomplete_plan_is_the_least_it_can_be():
    exclusion = create(WINDOWS, excluded("Interns"))
    made = plan(policy_plan(WINDOWS, STAFF, exclusion), diagnostics=(BROKEN,))
    assert "<title>Plan incomplete · at least review · contoso-prod</title>" in html.render(
        saved(made)
    )
    made = plan(policy_plan(WINDOWS, STAFF, CONTRACTORS), diagnostics=(BROKEN,))
    assert "<title>Plan incomplete · dangerous · contoso-prod</title>" in html.render(saved(made))
    page = html.render(saved(plan(policy_plan(WINDOWS, STAFF), diagnostics=(BROKEN,))))
    assert "<title>Plan incomplete · contoso-prod</title>" in page


def test_what_the_tenant_answers_is_text_and_nothing_else():
    reason = Unknown("</bdi><script>alert(1)</script>\u202e")
    action = ComplianceAction("<b>wipe</b>", 1)
    made = with_impact(
        plan(policy_plan(WINDOWS, SALES)),
        {SALES: uncounted(reason)},
        {WINDOWS: PolicyImpact((action,), reason)},
    )
    page = html.render(saved(made))
    assert "<bdi>&lt;/bdi&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;U+202E&gt;</bdi>" in page
    assert "&lt;b&gt;wipe&lt;/b&gt; after 1 day" in page


def test_the_reasons_stand_worst_first_each_with_what_it_reaches():
    text = shown(html.render(saved(everything())))
    reasons = text[text.index("Dangerous:") : text.index("What would change")]
    words = (
        "include all devices without a filter",
        "no longer excluded: its members may then be reached · left out at most 310 devices",
        'exclude "Corporate owned" · reaches at most 2,480 devices',
        '"Sales laptops" reaches at most 1,240 devices, and the policy blocks at once',
    )
    reasons = reasons.replace("&#34;", '"')
    places = [reasons.index(each) for each in words]
    assert places == sorted(places)


def test_a_policy_that_reaches_nobody_is_a_reason_without_a_change():
    made = plan(policy_plan(WINDOWS, create(WINDOWS, excluded("Interns"))))
    text = shown(html.render(saved(made)))
    assert "Dangerous: a policy reaches nobody" in text
    assert f"{WINDOWS.name} {WINDOWS.id}: no include is left: the policy reaches nobody" in text
    [block] = policy_blocks(made)
    assert (block.danger, block.dangers) == ("reaches nobody", 1)


def test_an_unknown_reach_is_no_second_reason_of_one_change():
    change = update(WINDOWS, group("Sales"), None, only("Corporate owned"))
    made = with_impact(plan(policy_plan(WINDOWS, change)), {change: uncounted()})
    text = shown(html.render(saved(made)))
    assert "Look at these first" in text
    assert "how many it reaches is not known" not in text


def test_a_policy_tells_what_noncompliance_leads_to_and_how_it_does_today():
    text = shown(html.render(saved(everything())))
    assert "block at once Today 2,049 compliant 64 not compliant 0 in error 3 pending" in text
    assert "as of 2026-11-23 09:12 UTC" in text
    assert "block after 12 hours, retire after 30 days" in text
    assert "no data: no device reports on this policy" in text


def test_the_bar_of_a_policy_today_is_made_of_its_states():
    moment = datetime(2026, 11, 23, 9, 12, tzinfo=UTC)
    today = StatusOverview(60, 20, 10, 10, 0, moment)
    made = with_impact(
        plan(policy_plan(WINDOWS, SALES)),
        {SALES: devices(5)},
        {WINDOWS: PolicyImpact((), today)},
    )
    consequence = Figures.of_plan(made).consequence(WINDOWS)
    assert [(part.start, part.percent) for part in consequence.segments] == [
        (0, 60), (60, 20), (80, 10), (90, 10), (100, 0),
    ]  # fmt: skip
    assert consequence.actions.words == "no action"
    nobody = replace(today, compliant=0, noncompliant=0, error=0, pending=0, as_of=None)
    made = with_impact(made, {SALES: devices(0)}, {WINDOWS: PolicyImpact((), nobody)})
    consequence = Figures.of_plan(made).consequence(WINDOWS)
    assert {part.percent for part in consequence.segments} == {0}
    assert consequence.today.words == "Graph gives no time for these numbers"


@pytest.mark.parametrize(
    ("tenant", "words"),
    [
        (TenantImpact(True, 1, ()), "1 enabled Conditional Access policy requires a compliant"),
        (TenantImpact(True, 1, ()), "without any compliance policy counts as not compliant."),
        (TenantImpact(True, 1, ("a",)), "1 filter of these changes is disabled in Intune."),
        (TenantImpact(False, 0, ()), "No enabled Conditional Access policy requires a compliant"),
        (TenantImpact(False, 3, ()), "3 enabled Conditional Access policies require a compliant"),
        (TenantImpact(False, 3, ()), "policy counts as compliant. Asked 2026-11-23 09:59 UTC."),
        (TenantImpact(FORBIDDEN, 2, ()), "without any compliance policy counts is not known [1]."),
        (TenantImpact(False, 2, FORBIDDEN), "Whether a filter is disabled is not known [1]."),
    ],
)
def test_the_tenant_tells_what_noncompliance_means(tenant, words):
    made = with_impact(plan(policy_plan(WINDOWS, SALES)), {SALES: devices(5)}, tenant=tenant)
    assert words in shown(html.render(saved(made)))


def test_a_group_tells_its_members_beside_its_policies():
    made = everything()
    facts = Facts.of_plan(made)
    rows = target_rows(made, policy_blocks(made, facts), facts.figures)
    members = {row.label.name or row.label.kind: row.members for row in rows}
    assert (members["Staff"].devices.words, members["Staff"].users.words) == ("0", "75")
    assert members["Design Macs"].devices_count == 2480
    assert (members["Board"].devices.words, members["Board"].devices_count) == ("not known", None)
    assert members["Kiosks"].devices.words == "not asked"
    assert members["all devices"].devices.words == ""


def test_a_folded_policy_shows_the_target_that_may_reach_most():
    known, open_ended, hidden = (create(WINDOWS, group(name)) for name in "abc")
    left_out = create(WINDOWS, excluded("d"))
    reach = {
        known: devices(10),
        open_ended: users(2),
        hidden: uncounted(),
        left_out: users(99),
    }

    def widest(*changes):
        kept = plan(policy_plan(WINDOWS, *changes))
        [block] = policy_blocks(with_impact(kept, {each: reach[each] for each in changes}))
        return block.widest and block.widest.figure.words

    assert widest(known, left_out) == "reaches at most 10 devices"
    assert widest(known, hidden) == "reach not known"
    assert widest(known, hidden, open_ended) == "reaches at most 2 users (any number of devices)"
    assert widest(left_out) is None


def many(changes, policies):
    """A plan of so many changes in so many policies, with all forms of bars."""
    reach, made = {}, []
    forms = (devices(1240), users(75), uncounted(), devices(12, matches=3410))
    for number in range(policies):
        each = policy(f"Windows 11 - Department {number:03}")
        mine = [
            (delete if n % 5 == 0 else create)(each, group(f"Sales laptops {n}"))
            for n in range(number, changes, policies)
        ]
        reach |= {change: forms[n % 4] for n, change in enumerate(mine)}
        made.append(policy_plan(each, *mine))
    return with_impact(plan(*made), reach)


@pytest.mark.browser
@browser
@pytest.mark.parametrize(
    ("make", "tallest"),
    [
        (everything, 5_000),
        (lambda: many(60, 12), 4_000),
        (lambda: many(2_000, 300), 4_500),
    ],
    ids=["everything", "60 in 12 policies", "2,000 in 300 policies"],
)
def test_a_page_with_numbers_fits_its_window_and_stays_short(tmp_path, make, tallest):
    sizes = measured(html.render(saved(make())), tmp_path)
    assert all(size.page <= size.window for size in sizes)
    assert max(size.height for size in sizes) < tallest


SORT = """<script>addEventListener("load", () => {
  const button = document.querySelector('#targets th[data-sort="devices"] button');
  const orders = [0, 1].map(() => {
    button.click();
    const rows = [...document.querySelectorAll("#targets tbody tr")];
    return rows.map((row) => row.dataset.devices || "-").join(" ");
  });
  document.title = orders.join(" / ");
});</script></body>"""


@pytest.mark.browser
@browser
def test_what_is_not_known_is_sorted_last_in_both_orders(tmp_path):
    page = re.sub(
        r"script-src '[^']*'", "script-src 'unsafe-inline'", html.render(saved(everything()))
    )
    document, _ = browse(page.replace("</body>", SORT), tmp_path)
    [title] = re.findall("<title>([^<]*)</title>", document)
    assert title == "2480 1240 310 0 - - - / 0 310 1240 2480 - - -"


@pytest.mark.browser
@browser
def test_a_page_with_numbers_runs_under_its_own_policy(tmp_path):
    document, console = browse(html.render(saved(everything())), tmp_path, fragment="#unknown-1")
    assert console == []
    assert 'id="toolbar">' in document


def luminance(color):
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    """The contrast of two colours after WCAG 2, section 1.4.3."""
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


STYLE = resources.files(html).joinpath("style.css").read_text(encoding="utf-8")
LIGHT, DARK = [
    dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block))
    for block in re.findall(r":root \{(.*?)\}", STYLE, flags=re.DOTALL)[:2]
]


@pytest.mark.parametrize("colors", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ink", ["text", "quiet", "accent", "add", "change", "remove", "inherited"])
def test_every_ink_can_be_read_on_every_ground(colors, ink):
    grounds = [colors["page"], colors["card"], colors["raised"]]
    if f"{ink}-tint" in colors:
        grounds.append(colors[f"{ink}-tint"])
    assert min(contrast(colors[ink], ground) for ground in grounds) >= 4.5
