"""No help leads to a target that reaches more, to a higher limit, or to a removal."""

import re
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.differ.compare import diff
from reconciler.differ.guardrails import stops
from reconciler.differ.lint import lint
from reconciler.differ.resolve import resolve
from reconciler.loader import load
from reconciler.model.ports import GroupSearch
from reconciler.model.state import BroadTargets, Group, Guardrails, LivePolicy, ResolvedState
from tests.support import build
from tests.support.property_rounds import examples
from tests.support.strategies import directories, plans, resolved_policies

ABOUT_NO_TARGET = {
    "broad-not-applicable",  # without the consent less is reached
    "control-character",
    "custom-tag",
    "extends-empty",
    "extends-itself",
    "extends-repeated",
    "filter-on-exclusion",  # without its filter an exclusion leaves out more
    "lock-unsupported",
    "merge-conflict",
    "name-whitespace",
    "not-a-file",
    "unused-anchor",
    "yaml-directive",
    "yaml-syntax",
}
"""Codes whose help may speak of removing: a character, a file, a word that narrows."""


def leads_to_more(code, help, written):
    """What of the help nobody wrote, and reaches more, allows more or takes away; None where fine."""
    help = re.sub(r"one of: [\w, -]*", "", help)
    plain = re.sub("[^a-z]", "", written.lower())
    for word in ("all_users", "all_devices", "authoritative", "allow", "broad: true"):
        if re.search(rf"\b{word}\b", help) and re.sub("s$|[^a-z]", "", word) not in plain:
            return word
    number = re.search(r"write max_\w+: (\d+)", help)
    if number and number[1] not in written:
        return number[0]
    removal = re.search(r"\b(remove|delete|drop|take)\b", help)
    is_own = removal is None or removal[0] in written or code in ABOUT_NO_TARGET
    return None if is_own else removal[0]


def diagnostics_of(policies, tenant):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        root.mkdir()
        (root / "tenant.yaml").write_text(tenant, encoding="utf-8")
        (root / "a.yaml").write_text(policies, encoding="utf-8")
        return load(root).diagnostics


words = st.sampled_from(
    [
        "all_users",
        "all_devices",
        "all_nurses",
        "All-users",
        "users",
        "user",
        "device",
        "devices",
        "everyone",
        "everybody",
        "group",
        "groups",
        "Group",
        "broad",
        "board",
        "filter",
        "include",
        "exclude",
        "includes",
        "exlude",
        "true",
        "false",
        "yes",
        "no",
        "null",
        "~",
        "[]",
        "{}",
        "1",
        "1.5",
        "-1",
        '"7"',
        "authoritative",
        "authoritive",
        "additive",
        "allow",
        "alow",
        "deny",
        "confirm",
        "max_deletes",
        "max_delete",
        "max_creates",
        "ownership",
        "owner",
        "guardrails",
        "broad_targets",
        "platform",
        "cloud",
        "us-gov",
        "policies",
        "policy",
        "name",
        "id",
        "remove",
        "defaults",
        "hold",
        "collection",
        "scope_tag_group",
        "target_type",
        "entra_object_id",
        "VIP-users",
        "someone@contoso.com",
        "LAPTOP-1",
        "Windows-11",
    ]
)
values = st.recursive(
    words,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.lists(st.tuples(words, inner), max_size=3).map(
            lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
        )
    ),
    max_leaves=8,
)
policy_keys = st.sampled_from(
    ["include", "exclude", "ownership", "platform", "id", "users", "includes"]
)


@examples(300)
@given(st.lists(st.tuples(policy_keys, values), max_size=4, unique_by=lambda pair: pair[0]))
@example([("include", "[VIP-users, {user: someone@contoso.com}, {device: LAPTOP-1}]")])
@example([("include", "[]")])
@example([("include", "[remove]")])
@example([("include", "[{all_devices: false}, {group: A, filter: }]"), ("exclude", "null")])
def test_no_help_for_a_policy_leads_to_more(keys):
    text = "policies:\n  - name: Win\n" + "".join(f"    {key}: {value}\n" for key, value in keys)
    for each in diagnostics_of(text, "tenant: contoso.com\n"):
        assert leads_to_more(each.code, each.help, text) is None, each


tenant_keys = st.sampled_from(
    [
        "cloud",
        "ownership",
        "writes",
        "guardrails",
        "max_deletes",
        "broad_targets",
        "owner",
        "allow_broad",
        "label",
    ]
)
limits = st.sampled_from(
    ["max_deletes", "max_creates", "max_delete", "broad_targets", "broad", "allow"]
)
guardrail_values = st.tuples(limits, words).map(lambda pair: f"{{{pair[0]}: {pair[1]}}}")


@examples(300)
@given(
    st.lists(
        st.tuples(tenant_keys, values | guardrail_values),
        max_size=4,
        unique_by=lambda pair: pair[0],
    )
)
@example([("guardrails", "{max_deletes: 1.5, max_creates: }")])
@example([("guardrails", "{broad_targets: alow}"), ("ownership", "authoritive")])
@example([("guardrails", "{max_deletes: -1}")])
def test_no_help_for_a_tenant_leads_to_more(keys):
    text = "tenant: contoso.com\n" + "".join(f"{key}: {value}\n" for key, value in keys)
    for each in diagnostics_of("policies: [{name: Win, include: [group: A]}]\n", text):
        assert leads_to_more(each.code, each.help, text) is None, each


part = st.sampled_from(
    [
        "all",
        "users",
        "devices",
        "sales",
        "laptops",
        "pilot",
        "VIP",
        "everyone",
        "Windows",
        "11",
        "ring",
    ]
)
group_names = st.lists(part, min_size=1, max_size=3).map(" ".join)


@examples(300)
@given(group_names, st.lists(group_names, max_size=6, unique=True), st.booleans())
@example("VIP users", ["all users"], False)
@example("sales laptops pilot", ["sales laptops"], False)
def test_no_suggested_group_reaches_everybody_or_leaves_a_word_out(written, there, is_exclusion):
    known = [Group(f"2000000{n}-0000-4000-8000-000000000000", name) for n, name in enumerate(there)]
    directory = build.directory()
    directory = replace(directory, groups=GroupSearch({}, {}, {written: tuple(known)}))
    line = build.declare(build.named(written), exclude=is_exclusion)
    desired = build.desired(build.declared_policy(build.named("Win"), line))
    (only,) = resolve(
        desired, build.tenant_of(LivePolicy(build.policy(name="Win"), ())), directory
    ).diagnostics
    assert leads_to_more(only.code, only.help, written) is None
    for suggested in re.findall(r'"([^"]+)"', only.help):
        first, own = suggested.split()[0], written.split()[0]
        assert first == own or first not in ("all", "everyone")
        assert not set(suggested.split()) < set(written.split())


@examples(100)
@given(resolved_policies(), directories())
def test_no_help_of_the_differ_leads_to_more(wanted, directory):
    difference = diff(ResolvedState(build.config(), (wanted,)), directory)
    for each in (*difference.diagnostics, *lint(difference.policies, directory)):
        assert leads_to_more(each.code, each.help, "") is None, each


@examples(100)
@given(plans(), st.sampled_from(BroadTargets))
def test_no_stop_tells_how_to_lift_a_limit(plan, broad_targets):
    guardrails = Guardrails(0, 0, 0, broad_targets)
    for stop in stops(plan.changes, guardrails):
        assert not re.search(r"--\w|\ballow|\braise|\bset\b|tenant\.yaml to", stop.message), stop
