"""The pull-request comment says what changes, for whom, what is dangerous and what happens next."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from reconciler.differ.risk import dangers_of
from reconciler.model.diagnostics import error, warning
from reconciler.model.state import (
    BroadTargets,
    Cloud,
    Filter,
    FilterMode,
    Guardrails,
    Target,
    TargetKind,
)
from reconciler.views import markdown, markdown_failure
from reconciler.views.markdown_context import Context, marker_prefix, place, policy_url
from tests.support.build_impact import blocking, devices, uncounted, with_impact
from tests.support.build_plans import (
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
    update,
    without,
)
from tests.support.example_plans import STATES, counted, large, ordinary, unchanged
from tests.support.golden import assert_golden

CONTEXT = Context(
    commit="0123456789abcdef0123456789abcdef01234567",
    run_url="https://github.com/contoso/intune/actions/runs/42",
    root="desired-state",
)


@pytest.mark.parametrize("name", STATES)
def test_the_page_is_as_reviewed(name):
    assert_golden(f"markdown/{name}.md", markdown.render(saved(STATES[name]()), CONTEXT))


def test_the_page_with_the_impact_is_as_reviewed():
    assert_golden("markdown/counted.md", markdown.render(saved(counted()), CONTEXT))


def test_a_plan_too_large_keeps_its_counts_and_says_what_is_missing():
    context = replace(CONTEXT, budget=9_000)
    text = markdown.render(saved(large(400)), context)
    assert len(text) <= 9_000
    assert_golden("markdown/too-large.md", text)


def test_mistakes_without_a_plan_are_shown():
    found = [
        error("unknown-key", 'unknown key "gruop"', at(), help='did you mean "group"?'),
        warning("empty", "this file declares nothing", at("b.yaml", 1, 1)),
    ]
    assert_golden(
        "markdown/problems.md", markdown_failure.render_validation(found, "contoso-prod", CONTEXT)
    )


def test_files_without_mistakes_are_called_valid():
    text = markdown_failure.render_validation([], "contoso-prod", CONTEXT)
    assert "## The files are valid: 0 errors, 0 warnings · `contoso-prod`" in text


@pytest.mark.parametrize("changes", [0, 1, 30, 400, 10_000])
@pytest.mark.parametrize("budget", [8_000, 60_000])
def test_the_budget_holds(changes, budget):
    context = replace(CONTEXT, budget=budget)
    assert len(markdown.render(saved(large(changes)), context)) <= budget


@pytest.mark.parametrize("per_policy", [2, 7, 10, 50, 2_000])
def test_of_two_thousand_changes_most_are_shown_and_every_policy_is_named(per_policy):
    made = large(2_000, per_policy=per_policy)
    text = markdown.render(saved(made), replace(CONTEXT, budget=65_000))
    assert len(text) <= 65_000
    groups = set(re.findall(r"Group \d+-\d+", text))
    if per_policy > 2:
        assert len(groups) >= 1_200
    named = re.findall(r"^@@ (Policy \d+) +.*@@", text, re.MULTILINE)
    assert len(named) == len(set(named)) == len(made.policies)
    is_whole = len(groups) == 2_000
    assert (f"Shown here: {len(groups)} of 2000 changes" in text) is not is_whole


def test_a_policy_that_is_not_shown_whole_has_its_counts():
    text = markdown.render(saved(large(2_000)), replace(CONTEXT, budget=30_000))
    assert "(10 not shown)" in text
    assert re.search(r"^@@ Policy 00199 @@  \+10 ~0 -0 \(10 not shown\)$", text, re.MULTILINE)


def test_sixty_changes_are_all_open():
    """Seen without a click: 106 lines of code take 2,100 of 2,600 pixels."""
    for per_policy in (1, 2, 10, 60):
        text = markdown.render(saved(large(60, per_policy=per_policy)), CONTEXT)
        opened = re.sub(r"<details>.*?</details>", "", text, flags=re.DOTALL)
        assert len(set(re.findall(r"^\+ .*(Group \d+-\d+)", opened, re.MULTILINE))) == 60
        [block] = re.findall(r"```diff\n(.*?)\n```", opened, re.DOTALL)
        assert len(block.splitlines()) <= 106


def large_and_counted(changes, per_policy):
    made = large(changes, per_policy=per_policy)
    reach = {change: devices(400 + n) for n, change in enumerate(made.changes)}
    return with_impact(made, reach)


def test_sixty_changes_are_all_open_with_their_reach():
    for per_policy in (1, 2, 10, 60):
        text = markdown.render(saved(large_and_counted(60, per_policy)), CONTEXT)
        opened = re.sub(r"<details>.*?</details>", "", text, flags=re.DOTALL)
        assert len(set(re.findall(r"at most (\d+) devices", opened))) == 60
        [block] = re.findall(r"```diff\n(.*?)\n```", opened, re.DOTALL)
        assert len(block.splitlines()) <= 106
        assert text.count("noncompliant: block after") == len(
            large(60, per_policy=per_policy).policies
        )


@pytest.mark.parametrize("per_policy", [2, 7, 10, 50, 2_000])
def test_of_two_thousand_changes_the_reach_goes_before_a_change_does(per_policy):
    made = large_and_counted(2_000, per_policy)
    text = markdown.render(saved(made), replace(CONTEXT, budget=65_000))
    plain = markdown.render(saved(replace(made, impact=None)), replace(CONTEXT, budget=65_000))
    assert len(text) <= 65_000
    groups, without_impact = (set(re.findall(r"Group \d+-\d+", each)) for each in (text, plain))
    assert len(groups) >= len(without_impact) * 0.95
    assert "Their reach is left out." in text


def test_a_plan_says_that_its_reach_was_not_read():
    assert " · reach not read · " in markdown.render(saved(ordinary()), CONTEXT)
    assert "reach not read" not in markdown.render(saved(counted()), CONTEXT)
    assert "reach not read" not in markdown.render(saved(unchanged()), CONTEXT)


def test_a_plan_to_review_lists_what_to_review():
    first, _, rest = markdown.render(saved(ordinary()), CONTEXT).partition("### Assignments that")
    assert "- **Filter changed:** [`macOS - FileVault`](" in first
    assert "- **New exclusion:** [`Windows 11 - Baseline`](" in first
    assert "Look at these first" not in rest


def test_a_routine_plan_lists_nothing_to_look_at_first():
    made = plan(policy_plan(WINDOWS, create(WINDOWS, group("Sales laptops"))))
    text = markdown.render(saved(made), CONTEXT)
    assert "Look at these first" not in text
    assert " · risk: routine · `contoso-prod`" in text


def test_what_is_not_known_stands_before_the_changes():
    changes = [create(WINDOWS, group(f"Group {n}")) for n in range(3)]
    made = with_impact(plan(policy_plan(WINDOWS, *changes)), dict.fromkeys(changes, uncounted()))
    first, _, rest = markdown.render(saved(made), CONTEXT).partition("### Assignments that")
    assert "Not known: members of the group, for 3 changes (403: needs `Device.Read.All`)." in first
    assert "### Look at these first\n\n- **Reach not known:** 3 changes\n\n" in first
    assert "403" not in rest


def test_a_danger_says_whom_it_reaches_and_whether_the_policy_blocks_at_once():
    change = delete(WINDOWS, excluded("Contractors"))
    other = delete(MACS, group("Executives"))
    made = plan(policy_plan(WINDOWS, change), policy_plan(MACS, other, keep(MACS, group("B"))))
    made = with_impact(
        made, {change: devices(310), other: devices(12)}, dict.fromkeys((WINDOWS, MACS), blocking())
    )
    first, _, _ = markdown.render(saved(made), CONTEXT).partition("### Assignments that")
    assert "left out at most 310 devices · blocks at once\n" in first
    assert "`Executives` · reached at most 12 devices\n" in first


def test_a_warning_that_stands_above_is_not_repeated():
    change = delete(WINDOWS, excluded("Contractors"))
    found = tuple(
        warning(code, "it says so", policy=WINDOWS.name)
        for code in ("exclusion-removed", "only-exclusions")
    )
    text = markdown.render(saved(plan(policy_plan(WINDOWS, change), diagnostics=found)), CONTEXT)
    assert text.count("it says so") == 1


def test_policies_with_many_changes_are_folded_by_name():
    many = policy("Many `@adele` </details>")
    changes = [create(many, group(f"Group {n}")) for n in range(200)]
    other = policy_plan(WINDOWS, create(WINDOWS, group("Sales laptops")))
    text = markdown.render(
        saved(plan(policy_plan(many, *changes), other, guardrails=Guardrails(max_creates=999))),
        CONTEXT,
    )
    summary = "<summary><code>Many `@adele` &lt;/details&gt;  (Windows 10/11)</code>: 200 to add"
    assert summary in text
    assert text.index("Sales laptops") < text.index(summary)


def test_many_dangers_leave_room_for_the_changes():
    many = policy("Many")
    changes = [delete(many, group(f"Group {n}")) for n in range(900)]
    other = policy_plan(WINDOWS, create(WINDOWS, group("Sales laptops")))
    text = markdown.render(saved(plan(policy_plan(many, *changes), other)), CONTEXT)
    assert len(text) <= CONTEXT.budget
    assert "- … and 895 more of this kind, among the changes below" in text
    assert '\n+ include group "Sales laptops"   on Windows 11 - Baseline' in text


def test_the_comment_is_found_by_its_prefix():
    first = markdown.render(saved(ordinary()), CONTEXT).splitlines()[0]
    assert first.startswith(marker_prefix("plan", "contoso-prod"))
    assert not first.startswith(marker_prefix("plan", "contoso"))
    assert not first.startswith(marker_prefix("apply", "contoso-prod"))
    facts = f"digest={ordinary().digest} commit={CONTEXT.commit} run=42 changes=3/1/0"
    assert first.endswith(f"{facts} v=1 -->")


def test_a_plan_without_changes_is_short():
    assert len(markdown.render(saved(unchanged()), CONTEXT).splitlines()) < 20


def test_a_group_without_a_name_shows_its_whole_id():
    made = plan(policy_plan(WINDOWS, create(WINDOWS, group(None, id="0b5e7a30-1c02-4e0b"))))
    shown = "+ include group 0b5e7a30-1c02-4e0b (not in the directory)"
    assert shown in markdown.render(saved(made), CONTEXT)


def test_names_that_lead_to_two_ids_show_the_beginning_of_them():
    one, two = Filter(FilterMode.INCLUDE, "f1", "Same"), Filter(FilterMode.INCLUDE, "f2", "Same")
    made = plan(
        policy_plan(
            WINDOWS,
            create(WINDOWS, group("Twins", id="g1")),
            create(WINDOWS, group("Twins", id="g2")),
            update(WINDOWS, group("Other"), one, two),
        )
    )
    text = markdown.render(saved(made), CONTEXT)
    assert '+ include group "Twins" (g1)\n+ include group "Twins" (g2)' in text
    assert '! ~ include group "Other"   filter: include "Same"' in text


def test_a_name_cannot_pass_for_more_than_a_name():
    """Neither for a filter that is not there, nor for two groups."""
    names = ('Sales"   filter: include "Corporate', 'A" "B', "back\\slash", 'back\\slash and "')
    changes = [create(WINDOWS, group(name)) for name in names]
    text = markdown.render(saved(plan(policy_plan(WINDOWS, *changes))), CONTEXT)
    lines = sorted(line for line in text.splitlines() if line.startswith("+ "))
    assert lines == [
        '+ include group "A\\" \\"B"',
        '+ include group "Sales\\" <U+0020><U+0020>filter: include \\"Corporate"',
        '+ include group "back\\\\slash and \\""',
        '+ include group "back\\slash"',
    ]


DANGERS = {
    "everybody": (
        create(WINDOWS, Target(TargetKind.ALL_DEVICES)),
        "reaches all devices",
        "**Reaches everybody:** [`Windows 11 - Baseline`](",
    ),
    "a filter taken off everybody": (
        update(WINDOWS, Target(TargetKind.ALL_USERS), only("Corporate owned"), None),
        "reaches all users",
        "**Reaches everybody:**",
    ),
    "an exclusion": (
        delete(WINDOWS, excluded("Contractors")),
        "no longer excludes 1 group",
        ", `Contractors` may then be reached",
    ),
    "a filter inverted": (
        update(WINDOWS, group("A"), only("Kiosks"), without("Kiosks")),
        "inverts or widens 1 filter",
        "**Filter inverted:** [`Windows 11 - Baseline`](",
    ),
    "a filter taken off": (
        update(WINDOWS, group("A"), only("Kiosks"), None),
        "inverts or widens 1 filter",
        ", `A`, include `Kiosks` → no filter",
    ),
    "an include": (
        delete(WINDOWS, group("Executives")),
        "removes cover from 1 group",
        "**No longer assigned:** [`Windows 11 - Baseline`](",
    ),
}


@pytest.mark.parametrize(("change", "title", "line"), DANGERS.values(), ids=DANGERS)
def test_what_matters_is_in_the_title_and_comes_first(change, title, line):
    limits = Guardrails(max_deletes=9, broad_targets=BroadTargets.ALLOW)
    made = plan(policy_plan(WINDOWS, keep(WINDOWS, group("Left")), change), guardrails=limits)
    text = markdown.render(saved(made), CONTEXT)
    heading = text.splitlines()[2]
    assert heading.endswith(f" to remove · risk: dangerous · {title} · `contoso-prod`")
    first, _, rest = text.partition("### Assignments that would change")
    assert line in first
    assert "Look at these first" in first
    assert "Look at these first" not in rest


def test_a_group_that_changes_sides_is_one_danger():
    for taken, given, said in (
        (excluded("A"), group("A"), "**Exclude becomes include:**"),
        (group("A"), excluded("A"), "**Include becomes exclude:**"),
    ):
        made = plan(
            policy_plan(
                WINDOWS, keep(WINDOWS, group("B")), delete(WINDOWS, taken), create(WINDOWS, given)
            ),
            guardrails=Guardrails(max_deletes=9),
        )
        found = dangers_of(made)
        assert len(found) == 1
        assert said in markdown.render(saved(made), CONTEXT)


def test_the_worst_comes_first():
    made = plan(
        policy_plan(
            WINDOWS,
            delete(WINDOWS, group("Executives")),
            delete(WINDOWS, excluded("Contractors")),
            update(WINDOWS, group("A"), only("Kiosks"), without("Kiosks")),
            create(WINDOWS, Target(TargetKind.ALL_DEVICES)),
        )
    )
    assert [each.code.value for each in dangers_of(made)] == [
        "reaches-everybody", "exclusion-removed", "filter-inverted", "include-removed",
    ]  # fmt: skip


def test_a_policy_that_loses_its_last_include_reaches_nobody():
    made = plan(policy_plan(WINDOWS, delete(WINDOWS, group("Last")), keep(WINDOWS, excluded("B"))))
    assert [each.code.value for each in dangers_of(made)] == ["last-include-removed"]


def test_the_title_counts_the_policies_that_reach_nobody():
    one, two = (policy_plan(each, delete(each, group("Last"))) for each in (WINDOWS, MACS))
    limits = Guardrails(max_deletes=9)
    for made, words in (
        (plan(one, guardrails=limits), "a policy reaches nobody"),
        (plan(one, two, guardrails=limits), "2 policies reach nobody"),
    ):
        title = markdown.render(saved(made), CONTEXT).splitlines()[2]
        assert title.endswith(f" · risk: dangerous · {words} · `contoso-prod`")


def test_lines_and_policies_are_linked():
    context = replace(
        CONTEXT,
        repository_url="https://github.com/contoso/intune",
        report_url="https://github.com/contoso/intune/actions/runs/42/artifacts/7",
        run_number="9",
    )
    text = markdown.render(saved(ordinary()), context)
    path = "desired-state/policies/windows.yaml"
    line = f"https://github.com/contoso/intune/blob/{CONTEXT.commit}/{path}#L31"
    assert f"[`{path}:31`]({line})" in text
    assert f"CompliancePolicyOverview.ReactView/policyId/{WINDOWS.id}/" in text
    assert "[run 9](https://github.com/contoso/intune/actions/runs/42)" in text
    assert "[HTML report](https://github.com/contoso/intune/actions/runs/42/artifacts/7)" in text


def test_a_file_name_that_utf_8_cannot_hold_is_linked_all_the_same():
    context = replace(CONTEXT, repository_url="https://github.com/contoso/intune")
    text = place(at("a\ud800.yaml", 3), context)
    assert text.startswith("[`desired-state/a<U+D800>.yaml:3`](https://github.com/contoso/intune/")
    assert "/desired-state/a%3F.yaml#L3" in text


def test_a_policy_whose_id_utf_8_cannot_hold_is_linked_all_the_same():
    assert "/policyId/%3F/policyName/Baseline/" in policy_url(
        replace(WINDOWS, id="\ud800", name="Baseline"), Cloud.GLOBAL
    )


def test_each_cloud_has_its_admin_center():
    hosts = {cloud: policy_url(WINDOWS, cloud).split("/")[2] for cloud in Cloud}
    assert hosts == {
        Cloud.GLOBAL: "intune.microsoft.com",
        Cloud.US_GOV_L4: "intune.microsoft.us",
        Cloud.US_GOV_L5: "intune.microsoft.us",
        Cloud.CHINA: "intune.microsoftonline.cn",
    }


def test_what_happens_on_merge_is_the_callers_to_say():
    context = replace(CONTEXT, on_merge="The apply workflow runs on main and waits for @ops.")
    text = markdown.render(saved(ordinary()), context)
    assert "**What happens next.** The apply workflow runs on main and waits for `@ops`." in text


def test_a_stopped_plan_never_promises_what_happens_on_merge():
    made = plan(
        policy_plan(WINDOWS, create(WINDOWS, group("A"))), guardrails=Guardrails(max_creates=0)
    )
    text = markdown.render(saved(made), replace(CONTEXT, on_merge="It is applied."))
    assert "It is applied." not in text
    assert "apply ends before its first write" in text


def test_an_address_that_is_none_is_left_out():
    context = replace(CONTEXT, run_url="javascript:alert(1)")
    assert "javascript" not in markdown.render(saved(ordinary()), context)


def test_a_scope_tag_group_and_a_collection_are_named():
    targets = (
        Target(TargetKind.SCOPE_TAG_GROUP, "0b5e", None, "device"),
        Target(TargetKind.COLLECTION, "sms00042", "SMS00042"),
    )
    made = plan(policy_plan(WINDOWS, *(create(WINDOWS, target) for target in targets)))
    text = markdown.render(saved(made), CONTEXT)
    assert "+ include scope-tag group 0b5e (device)" in text
    assert "+ include Configuration Manager collection SMS00042" in text


def test_the_callers_note_stands_below_the_title():
    context = replace(CONTEXT, note="Found by the nightly run, see #12.")
    for text in (
        markdown.render(saved(ordinary()), context),
        markdown_failure.render_validation([], "contoso-prod", context),
    ):
        assert text.splitlines()[4] == "Found by the nightly run, see `#12`."
