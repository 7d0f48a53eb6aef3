"""``who``: what hangs on a group or filter, live or declared."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.run_cli import copy_example, run

GONE = "b21b1c2e-1f61-41bc-acb7-0dd842762334"


@pytest.fixture
def who(tmp_path: Path):
    """Ask about the example as it is shipped, whatever was applied in this checkout."""
    root = copy_example(tmp_path)
    return lambda name, *options: run("who", name, root, "--sandbox", *options, cwd=tmp_path)


def test_a_filter_is_answered_with_every_assignment_that_it_narrows(who):
    ran = who("Kiosks")
    assert ran.code == 0
    assert 'include group "Windows corporate devices"   live, not declared' in ran.stdout
    assert 'filter: exclude "Kiosks"' in ran.stdout
    assert ran.stdout.endswith("2 assignments on 2 policies.\n")


def test_rows_have_the_members_that_are_promised(who):
    rows = who("Sales laptops", "--format", "json").json
    (row,) = rows
    assert set(row) == {
        "policy", "side", "filter", "target", "live", "declared", "source", "declared_at",
    }  # fmt: skip
    assert row["policy"]["name"] == "Windows 11 - Disk encryption"
    assert (row["side"], row["live"], row["declared"], row["source"]) == (
        "include", False, True, None,
    )  # fmt: skip
    assert row["declared_at"]["file"] == "policies/windows.yaml"


def test_an_assignment_of_a_policy_set_counts_and_says_so(who):
    rows = who("Finance staff", "--format", "json").json
    assert [(row["source"], row["live"], row["declared"]) for row in rows] == [
        ("policySets", True, True)
    ]


def test_two_groups_of_one_name_are_both_answered_and_told_apart(who):
    ran = who("Contractors", "--format", "markdown")
    assert ran.stdout.count("### ") == 2
    assert "(45ac16b9)" in ran.stdout
    assert "(0b80a255)" in ran.stdout


def test_a_deleted_group_is_found_by_its_id(who):
    ran = who(GONE.upper())
    assert ran.code == 0
    assert "Windows 11 - Kiosks" in ran.stdout


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Break glas", 'nearest: "Break glass devices"'),
        ("kiosks", 'no group and no filter is called "kiosks"'),
        ("00000000-0000-4000-8000-000000000000", "no group and no filter has the id"),
    ],
)
def test_a_name_that_nobody_has_is_an_error_with_the_nearest(who, name, told):
    ran = who(name)
    assert ran.code == 1
    assert told in ran.stderr
    assert ran.stdout == ""


def test_a_group_that_nothing_uses_says_so(who):
    ran = who("iPhone users")
    assert ran.code == 0
    assert ran.stdout.endswith("No assignment uses it, live or declared.\n")
