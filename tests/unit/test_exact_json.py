"""JSON that goes back as it came."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.graph import exact_json

NUMBERS = st.from_regex(
    r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?", fullmatch=True
)


@pytest.mark.parametrize(
    "number",
    [
        "0.12345678901234567890123",
        "1e400",
        "123456789012345678901234567890",
        "-1E-400",
        "1.0",
        "0.1",
    ],
)
def test_a_number_keeps_all_its_digits(number):
    text = f'{{"a":[{number}]}}'

    written = exact_json.dumps(exact_json.loads(text))

    (kept,) = json.loads(written, parse_float=str, parse_int=str)["a"]
    assert Decimal(kept) == Decimal(number)


@given(NUMBERS)
def test_reading_what_was_written_gives_the_same_number(number):
    value = exact_json.loads(f"[{number}]")

    assert exact_json.loads(exact_json.dumps(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "[Infinity]",
        '{"a": -Infinity}',
        "[" * 100_000,
        "[" * 51 + "]" * 51,
        "[" * 600 + "0.12345678901234567890" + "]" * 600,
        "[" * 50_000 + "]" * 50_000,
        "",
        "{",
        "1e" + "9" * 30,
    ],
)
def test_what_is_not_json_is_an_error(text):
    with pytest.raises(ValueError, match=r"."):
        exact_json.loads(text)


def test_what_is_nested_as_deep_as_allowed_goes_back():
    text = "[" * 50 + "0.12345678901234567890" + "]" * 50

    assert exact_json.dumps(exact_json.loads(text)) == text


def test_keys_are_sorted_and_letters_kept_beside_a_long_number():
    value = exact_json.loads('{"b": 0.12345678901234567890, "a": ["\\ud800", "ä", null, true]}')

    assert exact_json.dumps(value, sort_keys=True) == (
        '{"a":["\\ud800","\\u00e4",null,true],"b":0.12345678901234567890}'
    )
    assert "ä" in exact_json.dumps(value, ensure_ascii=False)


def test_without_long_numbers_it_is_the_json_of_the_library():
    value = {"b": [1, 2.5, None, True, "x"], "a": {}}

    assert exact_json.dumps(value) == json.dumps(value, separators=(",", ":"))
