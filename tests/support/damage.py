"""Strategies for what is almost as it should be: JSON values and bytes with some places damaged. No test stands here."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.support.strategies import hostile_names, json_values

ODD = st.one_of(
    json_values,
    hostile_names,
    st.sampled_from(
        [
            0,
            -1,
            2**70,
            1e308,
            "",
            "0",
            [],
            {},
            [[]],
            {"": None},
            "plan",
            "9999-12-31",
            "\x1b[2J",
        ]
    ),
)


def places(value, path=()):
    """Every place in a JSON value, the value itself among them."""
    yield path
    if isinstance(value, dict | list):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(child, (*path, key))


def with_damage(value, path, how, odd):
    """The same value, with what stands at ``path`` replaced, taken out or there twice."""
    if not path:
        return odd
    key, *rest = path
    if isinstance(value, list):
        if not rest and how != "replace":
            return (
                value[:key]
                + (value[key : key + 1] * 2 if how == "twice" else [])
                + value[key + 1 :]
            )
        return [*value[:key], with_damage(value[key], rest, how, odd), *value[key + 1 :]]
    if not rest and how == "remove":
        return {name: child for name, child in value.items() if name != key}
    if not rest and how == "twice":
        return {**value, f"{key}2": value[key]}
    return {**value, key: with_damage(value[key], rest, how, odd)}


_NOT_JSON = st.sampled_from([float("inf"), float("nan")])
"""Python writes and reads them as JSON all the same."""

FRACTION = st.floats(0, 1, exclude_max=True)
DAMAGES = st.lists(
    st.tuples(
        FRACTION, st.sampled_from(["replace", "replace", "remove", "twice"]), _NOT_JSON | ODD
    ),
    min_size=1,
    max_size=3,
)


def damaged(value, damages):
    """A JSON value, some places of which are not as they were."""
    for fraction, how, odd in damages:
        found = list(places(value))
        value = with_damage(value, found[int(fraction * len(found))], how, odd)
    return value


PIECES = st.binary(max_size=6) | st.sampled_from(
    [
        None,
        b"",
        b"\xef\xbb\xbf",
        b"\xc2\x85",
        b"\xff",
        b"\x00",
        b"&a ",
        b"*a",
        b"!!x ",
        b"<<: ",
        b"9",
    ]
)
TEARS = st.lists(st.tuples(FRACTION, st.integers(0, 20), PIECES), min_size=1, max_size=3)


def torn(content, tears):
    """Bytes with something cut out and put in; None puts in twice what was cut out."""
    for fraction, length, piece in tears:
        at = int(fraction * (len(content) + 1))
        cut = content[at : at + length]
        content = content[:at] + (cut * 2 if piece is None else piece) + content[at + length :]
    return content
