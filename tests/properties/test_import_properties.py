"""The law of import: what it writes is what is there, so a plan right after it is empty."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.differ.compare import diff
from reconciler.differ.resolve import resolve
from reconciler.loader import load
from reconciler.loader.document import read
from reconciler.loader.policy_writer import (
    WrittenPolicy,
    WrittenReference,
    WrittenTarget,
    add_policies,
    scalar,
)
from reconciler.loader.yaml_nodes import plain
from reconciler.model.diagnostics import has_errors
from reconciler.model.ports import Directory, GroupSearch
from reconciler.model.state import AssignmentFilter, Group, LivePolicy, LiveState, Ownership
from reconciler.operations.import_files import Layout, plan_files
from reconciler.operations.import_policies import import_policies
from tests.support import build
from tests.support.strategies import (
    FILTER_IDS,
    GROUP_IDS,
    POLICY_IDS,
    hostile_names,
    live_sets,
    policies,
)

plain_names = st.sampled_from(
    ["Sales", "Win 11", "yes", "1.0", "#x", "a: b", "- dash", "end ", "{a}"]
)
names = hostile_names | plain_names
TRICKY = [
    "no", "Yes", "1.0", "0x1F", "1e3", ".inf", "~", "null", "2026-12-01", "a: b", "a #b", "#a", "- a",
    "-a", "&a", "*a", "!a", "|", ">", "@a", "`a", "%a", "a,b", "{a}", "[a]", "'a'", '"a"', " a", "a ",
    "a\u00a0b", "\u200bA", "Zoë 😀", "a\\b", "a\tb", "x" * 256, "A  B", "a:", "?a", "=", "<<", "Sales (EU)",
]  # fmt: skip


@pytest.mark.parametrize("text", TRICKY)
def test_a_scalar_reads_as_the_text_that_was_written(text):
    for form in (f"a: {scalar(text)}\n", f"a: {{b: {scalar(text)}}}\n", f"- {scalar(text)}  # c\n"):
        document = read(form.encode(), "f.yaml")
        assert document.diagnostics == ()
        assert plain(document.root) in ({"a": text}, {"a": {"b": text}}, [text])


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_any_scalar_reads_as_the_text_that_was_written(text):
    document = read(f"a: {{b: {scalar(text)}}}\n".encode(), "f.yaml")
    assert document.diagnostics == ()
    assert plain(document.root) == {"a": {"b": text}}


BY_HAND = b"""# ours
x-common: &pilot {group: Pilot}
policies:
  - name: "Old one"   # kept
    include:
      - *pilot
      - group: 'Sales'
  # the end
"""


@st.composite
def tenants(draw):
    ids = draw(st.lists(st.sampled_from(POLICY_IDS), min_size=1, max_size=4, unique=True))
    live = [LivePolicy(draw(policies(id)), draw(live_sets())) for id in ids]
    groups = [
        Group(id, draw(names)) for id in draw(st.lists(st.sampled_from(GROUP_IDS), unique=True))
    ]
    known = [
        AssignmentFilter(id, draw(names))
        for id in draw(st.lists(st.sampled_from(FILTER_IDS), unique=True))
    ]
    by_name: dict[str, tuple[Group, ...]] = {}
    for group in groups:
        by_name[group.name] = (*by_name.get(group.name, ()), group)
    directory = Directory(
        GroupSearch({group.id: group for group in groups}, by_name, {}),
        {each.id: each for each in known},
    )
    return LiveState({each.policy.id: each for each in live}), directory


@settings(max_examples=200, deadline=None)
@given(
    tenants(),
    st.sampled_from(Ownership),
    st.none() | st.sampled_from(Ownership),
    st.sampled_from(Layout),
    st.sampled_from(["policies/windows10.yaml", "policies/Linux.yaml", "by-hand.yaml"]),
)
def test_a_plan_right_after_an_import_is_empty(tenant, default, ownership, layout, by_hand):
    live, directory = tenant
    imported = import_policies(live, live, directory, default=default, ownership=ownership)
    counted = sum(each.assignments + len(each.left_out) for each in imported)
    assert counted == sum(len(each.assignments) for each in live)
    edits = plan_files(imported, {by_hand: BY_HAND}, layout)
    for edit in edits:
        assert edit.before is None or (edit.path == by_hand and edit.after.startswith(BY_HAND))
    with TemporaryDirectory() as folder:
        root = Path(folder)
        root.joinpath("policies").mkdir()
        root.joinpath("tenant.yaml").write_text(
            f"tenant: {build.TENANT}\nlabel: a\nownership: {default}\n", "utf-8"
        )
        root.joinpath(by_hand).write_bytes(BY_HAND)
        for edit in edits:
            root.joinpath(edit.path).write_bytes(edit.after)
        loaded = load(root)
    assert loaded.state is not None, loaded.diagnostics
    resolution = resolve(loaded.state, live, directory)
    ours = [found for found in resolution.diagnostics if found.policy != "Old one"]
    assert not has_errors(ours), ours
    difference = diff(resolution.state, directory)
    assert not has_errors(difference.diagnostics), difference.diagnostics
    written = [each for each in imported if each.written]
    assert len(difference.policies) == len(written)
    assert [change for policy in difference.policies for change in policy.changes] == []


def policy_names(content: bytes) -> list[str]:
    root: Any = plain(read(content, "f.yaml").root)
    return [policy["name"] for policy in root["policies"]]


NEW = WrittenPolicy(WrittenReference("New: one"), include=(WrittenTarget("all_devices"),))


@pytest.mark.parametrize("content", [BY_HAND, BY_HAND.replace(b"\n", b"\r\n"), BY_HAND.rstrip()])
def test_policies_are_added_behind_bytes_that_stay(content):
    added = add_policies(content, [NEW, NEW])
    assert added is not None
    assert added.startswith(content)
    assert (b"\r\n" in content) == (b"\r\n" in added[len(content) :])
    assert policy_names(added) == [
        "Old one",
        "New: one",
        "New: one",
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"policies: []\n",
        b"policies: [{name: A, exclude: [{group: B}]}]\n",
        b"policies:\n  - name: A\n    exclude: [{group: B}]\nx-last: 1\n",
        b"policies:\n  -\n    name: A\n    exclude: [{group: B}]\n",
        b"policies:\n  - name: A\n    exclude: [{group: B}]\n...\n",
        b"other: 1\n",
        b"policies:\n  - name: A\n\tbad\n",
        b"policies:\n- name: A\n  exclude: [{group: B}]\n- name: |\n    B",
        b"\xff\xfe",
    ],
)
def test_a_file_of_another_form_is_left_alone(content):
    added = add_policies(content, [NEW])
    assert added is None or added.startswith(content)
    if added is not None:
        assert policy_names(added)[-1] == "New: one"
