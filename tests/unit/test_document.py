import math
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.cyaml import CParser  # type: ignore[attr-defined] # imported there, not listed

from reconciler.loader.document import DEFAULT_EVENTS, MAX_BYTES, c_events, pure_events, read
from reconciler.loader.yaml_builder import MAX_DEPTH, MAX_EXPANSION
from reconciler.loader.yaml_nodes import Mapping, Scalar, plain, quoted

CASES = Path(__file__).parents[1] / "cases" / "loader"
FILES = sorted(path for path in CASES.rglob("*") if path.suffix.lower() in (".yaml", ".yml"))


def values(text, **options):
    document = read(text.encode(), "x.yaml", **options)
    return document.root and plain(document.root)


def codes(text, **options):
    content = text if isinstance(text, bytes) else text.encode()
    return [diagnostic.code for diagnostic in read(content, "x.yaml", **options).diagnostics]


def test_the_c_parser_is_in_use():
    assert YAML(typ="safe").Parser is CParser
    assert DEFAULT_EVENTS is c_events


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CASES)))
def test_the_pure_parser_reads_what_the_c_parser_reads(path):
    content = path.read_bytes()
    fast, slow = read(content, "x.yaml"), read(content, "x.yaml", events=pure_events)
    assert slow.diagnostics == fast.diagnostics
    assert (slow.root and plain(slow.root)) == (fast.root and plain(fast.root))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("NO", "NO"),
        ("on", "on"),
        ("~", None),
        ("null", None),
        ("", None),
        ("12", 12),
        ("-7", -7),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".inf", math.inf),
        ("9" * 5000, math.inf),
        ("12:30:45", "12:30:45"),
        ("2024-01-01", "2024-01-01"),
        ("4f1c2d3e-0000-4000-8000-00000000000a", "4f1c2d3e-0000-4000-8000-00000000000a"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("!!str 12", "12"),
        ("! 12", "12"),
        ("|-\n  12", "12"),
    ],
)
def test_scalars_follow_yaml_1_2(text, value):
    assert values(f"a: {text}\n") == {"a": value}


def test_places_count_from_one_and_in_characters():
    document = read("ключ: é\nb:\n  - x: 1\n".encode(), "x.yaml")
    root = document.root
    assert isinstance(root, Mapping)
    (_, first), (_, second) = root.entries
    assert str(document.place(first)) == "x.yaml:1:7"
    assert document.place(second.items[0]).text == "  - x: 1"
    assert str(document.place(second.items[0].find("x")[1])) == "x.yaml:3:8"


def test_windows_line_ends_count_once():
    document = read(b"a: 1\r\nb: 2\r\n", "x.yaml")
    assert document.root.find("b")[1] == Scalar(2, "2", 2, 4)
    assert document.at(2, 1).text == "b: 2"


def test_an_alias_stands_where_it_is_used_and_its_inside_where_it_was_written():
    document = read(b"x: &a\n  k: v\ny: *a\n", "x.yaml")
    _, aliased = document.root.find("y")
    assert (aliased.line, aliased.column) == (3, 4)
    assert aliased.find("k")[0].line == 2


def test_a_merge_key_gives_way_to_what_is_written_out_and_the_first_of_several_wins():
    text = "a: &a {k: 1, l: 1}\nb: &b {k: 2, m: 2}\nc:\n  l: 3\n  <<: [*a, *b]\n"
    assert values(text)["c"] == {"l": 3, "k": 1, "m": 2}


def test_a_quoted_merge_key_is_a_key():
    assert values('"<<": 1\n') == {"<<": 1}


def test_a_file_may_be_as_large_as_the_limit_and_no_larger():
    comment = b"# " + b"x" * (MAX_BYTES - 3) + b"\n"
    assert read(comment, "x.yaml").diagnostics == ()
    assert codes(comment + b"\n") == ["file-too-large"]


@pytest.mark.parametrize("events", [c_events, pure_events])
def test_nesting_may_reach_the_limit_and_no_deeper(events):
    assert codes("[" * MAX_DEPTH + "]" * MAX_DEPTH, events=events) == []
    assert codes("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), events=events) == ["too-deep"]


def test_aliases_do_not_nest_deeper_than_is_allowed_either():
    half = MAX_DEPTH // 2
    anchored = f"a: &a {'[' * half}{']' * half}\n"
    assert codes(f"{anchored}b: {'[' * (half - 2)}*a{']' * (half - 2)}\n") == []
    assert codes(f"{anchored}b: {'[' * half}*a{']' * half}\n") == ["too-deep"]


def test_aliases_may_expand_to_the_limit_and_no_further():
    thousand = f"a: &a [{','.join('x' * 999)}]\n"
    full = MAX_EXPANSION // 1000
    assert codes(f"{thousand}b: [{','.join(['*a'] * full)}]\n") == []
    assert codes(f"{thousand}b: [{','.join(['*a'] * (full + 1))}]\n") == ["alias-expansion"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"\xff\xfea\x00", "not-utf8"),
        (b"a: \x80", "not-utf8"),
        (b"a: \x00", "control-character"),
        ("a: !x 1", "custom-tag"),
        ("a: !!int 1", "custom-tag"),
        ("a: !!seq {}", "custom-tag"),
        ("a: 1\na: 2", "duplicate-key"),
        ("a: 1\n---\nb: 1", "several-documents"),
        ("true: 1", "key-not-text"),
        ("a: &a [*a]", "recursive-alias"),
        ("a: *b", "unknown-anchor"),
        ("a: &a 1\nb: &a 2", "duplicate-anchor"),
        ("a: {<<: 1}", "merge-key"),
        ("a: {<<: {}, <<: {}}", "duplicate-key"),
        ("a:\n\tb: 1", "yaml-syntax"),
        ("%YAML 3.0\n---\na: 1", "yaml-directive"),
    ],
)
def test_what_yaml_allows_and_this_program_does_not_is_refused(text, code):
    assert codes(text) == [code]


@pytest.mark.parametrize("text", ["", "# a comment\n", "\n\n", "---\n", "%YAML 1.2\n---\n"])
def test_a_file_without_a_value_is_empty_and_not_broken(text):
    document = read(text.encode(), "x.yaml")
    assert document.diagnostics == ()
    assert document.root is None or document.root.value is None


def test_a_text_is_quoted_short_and_harmless():
    assert quoted("a\x1b[31mb") == '"a<U+001B>[31mb"'
    assert quoted("x" * 500) == f'"{"x" * 79}…"'


def test_the_shown_line_is_bounded_and_cannot_steer_a_terminal():
    document = read(b"a: \x1b[31m" + b"x" * 500, "x.yaml")
    (diagnostic,) = document.diagnostics
    assert diagnostic.location.text == "a: \ufffd[31m" + "x" * 192


def test_the_nearest_anchor_is_looked_up_for_the_first_unknown_aliases_alone(monkeypatch):
    compared = []

    def near(name, known, _number):
        compared.append(len(list(known)))
        return ["first"]

    monkeypatch.setattr("reconciler.loader.yaml_builder.difflib.get_close_matches", near)
    anchors = "".join(f"- &anchor{number} x\n" for number in range(3_000))
    aliases = "".join(f"- *unknown{number}\n" for number in range(3_000))
    diagnostic = read(f"{anchors}{aliases}".encode(), "x.yaml").diagnostics
    helped = [each.help == "did you mean *first?" for each in diagnostic]
    assert helped == [True] * 5 + [False] * 2_995
    assert compared == [1_000] * 5


def test_a_long_alias_is_compared_with_nothing():
    (diagnostic,) = read(f"- &{'a' * 99} x\n- *{'a' * 98}\n".encode(), "x.yaml").diagnostics
    assert "did you mean" not in diagnostic.help


PARSERS = pytest.mark.parametrize("events", [c_events, pure_events])
NO_LINE_ENDS = pytest.mark.parametrize("character", ["\x85", "\u2028", "\u2029"])
SPOTS = {
    "in a comment": "# one{0}two: three\n",
    "alone in a comment": "#{0}\n",
    "in quotes": "a: 'one{0}two'\n",
    "in double quotes": 'a: "one{0}  two"\n',
    "alone in quotes": "a: '{0}'\n",
    "in plain text": "a: one{0}two\n",
    "in a key": "o{0}ne: two\n",
    "in a block": "a: |\n  one{0}two\n",
    "in a folded block": "a: >\n  one{0}  two\n",
    "in brackets": "a: [one,{0} two]\n",
    "after a value": "a: 'one' #{0}\n",
}


@PARSERS
@NO_LINE_ENDS
@pytest.mark.parametrize("spot", SPOTS)
def test_lines_are_counted_as_editors_count_them(spot, character, events):
    text = SPOTS[spot].format(character) + "b: 1\nwrong: !tag x\n"
    document = read(text.encode(), "x.yaml", events=events)
    (diagnostic,) = document.diagnostics
    line = text.split("\n").index("wrong: !tag x") + 1
    assert (diagnostic.code, str(diagnostic.location)) == ("custom-tag", f"x.yaml:{line}:8")
    assert diagnostic.location.text == "wrong: !tag x"


@PARSERS
@NO_LINE_ENDS
def test_columns_go_on_behind_them(character, events):
    text = f"b: ['1{character}2', !tag x]\n"
    (diagnostic,) = read(text.encode(), "x.yaml", events=events).diagnostics
    assert str(diagnostic.location) == "x.yaml:1:12"


@PARSERS
@NO_LINE_ENDS
def test_a_syntax_error_behind_them_is_on_its_line(character, events):
    text = f"# {character}\na: '{character}'\nb: 'never closed\nc: 1\n"
    (diagnostic,) = read(text.encode(), "x.yaml", events=events).diagnostics
    assert (diagnostic.code, str(diagnostic.location)) == ("yaml-syntax", "x.yaml:3:4")


@PARSERS
@NO_LINE_ENDS
def test_a_comment_goes_on_behind_them_as_it_does_in_an_editor(character, events):
    text = f"a: 1 # one{character}b: 2{character}- all_users\nc: 3\n"
    assert values(text, events=events) == {"a": 1, "c": 3}


@PARSERS
@NO_LINE_ENDS
def test_a_value_keeps_them(character, events):
    text = f"a: 'x{character}  y'\nb: x{character}y: z\nc: |\n  x{character}y\n"
    assert values(text.replace("y: z", "y"), events=events) == {
        "a": f"x{character}  y",
        "b": f"x{character}y",
        "c": f"x{character}y\n",
    }


@PARSERS
def test_their_stand_ins_may_stand_in_the_file_too(events):
    text = "a: '\ue000\x85\ue001\u2028\ue002\u2029\ue003'\n"
    assert values(text, events=events) == {"a": text[4:-2]}


@PARSERS
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_line_ends_at_what_ends_it_in_an_editor(end, events):
    text = end.join(["# x", "a: 'x\x85'", "b: 1", "c: !tag x", ""])
    (diagnostic,) = read(text.encode(), "x.yaml", events=events).diagnostics
    assert (str(diagnostic.location), diagnostic.location.text) == ("x.yaml:4:4", "c: !tag x")


@NO_LINE_ENDS
def test_the_line_that_is_shown_cannot_be_broken_by_them(character):
    text = f"a{character}b: !tag x\n"
    (diagnostic,) = read(text.encode(), "x.yaml").diagnostics
    assert diagnostic.location.text == "a\ufffdb: !tag x"


@NO_LINE_ENDS
def test_bytes_and_characters_that_are_refused_are_on_the_line_of_an_editor(character):
    before = f"a: '{character}'\n".encode()
    (not_utf8,) = read(before + b"b: \xff\n", "x.yaml").diagnostics
    (control,) = read(before + b"b: \x07\n", "x.yaml").diagnostics
    assert {str(not_utf8.location), str(control.location)} == {"x.yaml:2:4"}
