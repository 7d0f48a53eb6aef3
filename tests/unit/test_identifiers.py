"""One pattern for ids, and the shortest id that tells two objects of one name apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.identifiers import is_guid, short_ids

ONE = "4f1c2d3e-0000-4000-8000-000000000001"
SAME_BLOCK = "4f1c2d3e-0000-4000-9000-000000000002"
OTHER = "9a8b7c6d-0000-4000-8000-000000000003"


@pytest.mark.parametrize("text", [ONE, ONE.upper()])
def test_a_guid_is_a_guid_in_either_case(text):
    assert is_guid(text)


@pytest.mark.parametrize("text", ["", ONE[:-1], f"{ONE}\n", f" {ONE}", f"{{{ONE}}}", ONE + "0"])
def test_what_is_not_exactly_a_guid_is_none(text):
    assert not is_guid(text)


def test_objects_with_names_of_their_own_need_no_id():
    assert short_ids([(ONE, "Sales"), (OTHER, "Marketing"), (ONE, "Sales")]) == {}


def test_two_of_one_name_show_the_first_block():
    assert short_ids([(ONE, "Sales"), (OTHER, "Sales")]) == {ONE: "4f1c2d3e", OTHER: "9a8b7c6d"}


def test_where_the_first_block_does_not_tell_them_apart_more_is_shown():
    assert short_ids([(ONE, "Sales"), (SAME_BLOCK, "Sales"), (OTHER, "Sales")]) == {
        ONE: "4f1c2d3e-0000-4000-8000",
        SAME_BLOCK: "4f1c2d3e-0000-4000-9000",
        OTHER: "9a8b7c6d-0000-4000-8000",
    }


def test_one_id_in_two_spellings_is_one_object():
    assert short_ids([(ONE, "Sales"), (ONE.upper(), "Sales")]) == {}


def test_objects_without_a_name_are_left_out():
    assert short_ids([(ONE, None), (OTHER, ""), (SAME_BLOCK, None)]) == {}


few_ids = st.tuples(*[st.sampled_from(["a", "b"])] * 3).map("-".join) | st.uuids().map(str)


@given(st.lists(st.tuples(few_ids, st.sampled_from(["Sales", "Marketing", None])), max_size=8))
def test_a_name_and_its_short_id_lead_to_one_object_alone(objects):
    names = dict(objects)
    short = short_ids(names.items())
    shown = [(name, short.get(object_id)) for object_id, name in names.items() if name]
    assert len(shown) == len(set(shown))
    assert all(object_id.startswith(beginning) for object_id, beginning in short.items())
