"""A saved plan comes back whole, or not at all."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.documents import dumps, loads
from reconciler.documents.envelope import checksum
from reconciler.model.errors import PlanFileError, StalePlanError
from reconciler.model.plan import fingerprint
from tests.support import build
from tests.support.property_rounds import examples
from tests.support.strategies import hostile_names, plans, policy_plans, saved_plans

quick = examples(60)


def whole(saved):
    """Everything of a plan, the names included that are not compared."""
    return repr(saved.plan), saved.plan.digest, saved.created_at, saved.reconciler_version


@examples(120)
@given(saved_plans)
def test_a_plan_comes_back_as_it_was(saved):
    text = dumps(saved)
    assert whole(loads(text, source="plan.json")) == whole(saved)
    assert dumps(loads(text, source="plan.json")) == text


@quick
@given(saved_plans)
def test_a_plan_fits_into_a_file_whatever_its_names_are(saved):
    text = dumps(saved)
    assert whole(loads(text.encode().decode(), source="plan.json")) == whole(saved)
    assert text.endswith("}\n")


@quick
@given(saved_plans)
def test_the_file_says_of_the_plan_what_the_plan_says(saved):
    plan, document = saved.plan, json.loads(dumps(saved))
    assert document["digest"] == plan.digest
    assert document["applyable"] == plan.applyable
    assert document["baseline"] == {p.policy.id: fingerprint(p.live) for p in plan.policies}
    assert document["summary"]["create"] == sum(
        c["action"] == "create" for c in document["changes"]
    )
    lists = ("unchanged", "unmanaged", "inherited", "held", "scheduled")
    assert {name: document["summary"][name] for name in lists} == {
        name: len(document[name]) for name in lists
    }
    assert len(document["changes"]) == len(list(plan.changes))


@examples(150)
@given(saved_plans, st.data())
def test_a_character_that_was_altered_is_noticed_or_means_nothing(saved, data):
    text = dumps(saved)
    at = data.draw(st.integers(0, len(text) - 1))
    character = data.draw(
        st.sampled_from(list('0123456789abcdefAF"{}[],:.\\-nul \n')) | st.characters()
    )
    how = data.draw(st.sampled_from(["replace", "insert", "remove"]))
    after = text[at:] if how == "insert" else text[at + 1 :]
    altered = text[:at] + ("" if how == "remove" else character) + after
    try:
        found = loads(altered, source="plan.json")
    except (PlanFileError, StalePlanError):
        return
    assert whole(found) == whole(saved)


@quick
@given(saved_plans, st.data())
def test_a_file_that_was_cut_off_is_no_plan(saved, data):
    text = dumps(saved)
    cut = text[: data.draw(st.integers(0, len(text) - 2))]
    with pytest.raises(PlanFileError):
        loads(cut, source="plan.json")


def signed_again(document):
    """What somebody would write who edits a plan and mends its checksum."""
    document["checksum"] = checksum(document)
    return json.dumps(document)


@quick
@given(saved_plans, st.data())
def test_an_edited_operation_does_not_fit_the_digest_though_the_checksum_was_mended(saved, data):
    document = json.loads(dumps(saved))
    if not document["changes"]:
        return
    change = data.draw(st.sampled_from(document["changes"]))
    edit = data.draw(st.sampled_from(["drop", "target", "filter", "tenant"]))
    if edit == "drop":
        document["changes"].remove(change)
        document["impact"] = None  # it would name a policy without changes, which is refused first
    elif edit == "tenant":
        document["tenant"]["id"] = "another"
    elif change["action"] == "delete":
        change["live"]["target"]["id"] = "another"
    elif edit == "target":
        change["after"]["id"] = "another"
    else:
        narrowed = change["after"]["filter"]
        change["after"]["filter"] = (
            None if narrowed else {"mode": "include", "id": "x", "name": None}
        )
    with pytest.raises(StalePlanError, match="digest"):
        loads(signed_again(document), source="plan.json")


@quick
@given(plans(), plans())
def test_two_plans_share_a_file_only_if_they_are_the_same(one, other):
    files = [dumps(build.saved(plan)) for plan in (one, other)]
    assert (files[0] == files[1]) == (repr(one) == repr(other))


@quick
@given(policy_plans(), hostile_names)
def test_members_of_a_later_release_are_passed_over_and_counted_in_the_checksum(plan, name):
    saved = build.saved(build.plan(plan))
    document = json.loads(dumps(saved))
    if name in document:
        return
    document |= {name: 1, "format_version": "1.9"}
    assert whole(loads(signed_again(document), source="plan.json")) == whole(saved)
    document[name] = 2
    with pytest.raises(StalePlanError, match="checksum"):
        loads(json.dumps(document), source="plan.json")
