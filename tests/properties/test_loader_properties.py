"""What holds for every desired state: reading never fails, order means nothing, YAML loses nothing."""

import io
import re
import tempfile
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from reconciler.loader import Loaded, load
from reconciler.loader.document import c_events, pure_events, read
from reconciler.model.diagnostics import Location
from tests.support.property_rounds import examples

TENANT = b"tenant: contoso.com\n"
NOWHERE = Location("", 0, 0)


def load_files(files):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        root.mkdir()
        for name, content in {"tenant.yaml": TENANT, **files}.items():
            (root / name).write_bytes(content)
        return load(root)


names = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cn"]),
    min_size=1,
    max_size=30,
).filter(lambda text: text.strip() == text and text)
ids = st.uuids(version=4).map(str)
references = st.one_of(names, ids, st.fixed_dictionaries({"id": ids, "name": names}))
filters = st.one_of(
    st.fixed_dictionaries({"include": references}), st.fixed_dictionaries({"exclude": references})
)


def with_filter(target):
    return st.one_of(target, st.builds(lambda one, two: {**one, "filter": two}, target, filters))


includes = st.one_of(
    st.sampled_from(["all_devices", "all_users"]),
    with_filter(
        st.fixed_dictionaries({"all_devices": st.just(True)}, optional={"broad": st.booleans()})
    ),
    with_filter(st.fixed_dictionaries({"group": references})),
    with_filter(st.fixed_dictionaries({"collection": names})),
    with_filter(
        st.builds(
            lambda kind, one: {"scope_tag_group": {"target_type": kind, "entra_object_id": one}},
            st.sampled_from(["user", "device"]),
            ids,
        )
    ),
)


def target_key(entry):
    if isinstance(entry, str):
        return entry
    (key,) = entry.keys() - {"filter", "broad"}
    value = entry[key]
    if key == "group":
        return "group", value.get("name") if isinstance(value, dict) else value
    return (key, str(value).casefold()) if key != "all_devices" else key


policies = st.builds(
    lambda name, platform, include, exclude: {
        "name": name,
        **({"platform": platform} if platform else {}),
        "include": include,
        "exclude": exclude,
    },
    names,
    st.sampled_from([None, "iOS", "windows10", "visionOS"]),
    st.lists(includes, min_size=1, max_size=5, unique_by=target_key),
    st.just([]),
)
declared = st.lists(policies, min_size=1, max_size=5, unique_by=lambda policy: policy["name"])


def dump(policies):
    stream = io.BytesIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_unicode = True
    yaml.width = 10_000
    yaml.default_flow_style = False  # libyaml refuses {a: :b}, which ruamel.yaml writes
    yaml.dump({"policies": policies}, stream)
    return stream.getvalue()


def meaning(loaded: Loaded):
    """The policies without places, in an order of their own."""
    assert loaded.state, loaded.diagnostics
    return sorted(repr(without_places(policy)) for policy in loaded.state.policies)


def without_places(policy):
    return replace(
        policy,
        reference=replace(policy.reference, location=NOWHERE),
        assignments=tuple(sorted((blank(each) for each in policy.assignments), key=repr)),
    )


def blank(assignment):
    group, narrowed = assignment.group, assignment.filter
    if narrowed:
        narrowed = replace(narrowed, reference=replace(narrowed.reference, location=NOWHERE))
    return replace(
        assignment,
        location=NOWHERE,
        group=group and replace(group, location=NOWHERE),
        filter=narrowed,
    )


def reference_as_yaml(reference):
    """How YAML says what was loaded."""
    if reference.id is None or reference.name is None:
        return reference.name or reference.id
    return {"id": reference.id, "name": reference.name}


def as_yaml(assignment):
    kind = str(assignment.kind)
    value = reference_as_yaml(assignment.group) if assignment.group else assignment.id or True
    if assignment.target_type:
        value = {"target_type": assignment.target_type, "entra_object_id": assignment.id}
    narrowed = assignment.filter
    return {
        kind: value,
        **(
            {"filter": {str(narrowed.mode): reference_as_yaml(narrowed.reference)}}
            if narrowed
            else {}
        ),
        **({"broad": True} if assignment.broad else {}),
    }


def expected(entry):
    written = {entry: True} if isinstance(entry, str) else dict(entry)
    if not written.get("broad"):
        written.pop("broad", None)
    return written


@given(st.binary(max_size=300))
@example(b"policies:\n- {name: a, include: [all_users]}\n")
@example(b"\xef\xbb\xbf---\n")
def test_any_bytes_give_a_result_and_never_an_exception(content):
    loaded = load_files({"a.yaml": content})
    assert (loaded.state is None) == any(diagnostic.is_error for diagnostic in loaded.diagnostics)


yaml_soup = st.lists(
    st.sampled_from(
        [
            *"[]{}:,-&*!|>'\"%@`#? \n\t",
            "a",
            "b",
            "policies",
            "include",
            "name",
            "group",
            "filter",
            "<<",
            "&a",
            "*a",
            "- ",
            ": ",
            "\n  ",
            "\n    - ",
            "all_users",
            "true",
            "null",
            "1",
            "---",
        ]
    ),
    max_size=40,
).map("".join)


@examples(300)
@given(yaml_soup)
def test_any_text_that_looks_like_yaml_gives_a_result_in_every_file(text):
    content = text.encode()
    assert isinstance(load_files({"a.yaml": content, "tenant.yaml": content}), Loaded)


@examples(300)
@given(yaml_soup)
def test_neither_parser_raises_and_what_both_read_is_equal(text):
    """Where an odd anchor's name ends the two disagree: libyaml knows letters, digits, - and _."""
    assume(not re.search(r"[&*][\w-]*[^\w\s,\[\]{}-]", text))
    fast = read(text.encode(), "x.yaml", events=c_events)
    slow = read(text.encode(), "x.yaml", events=pure_events)
    if not fast.diagnostics and not slow.diagnostics:
        assert _values(fast.root) == _values(slow.root)


def _values(node):
    from reconciler.loader.yaml_nodes import plain  # noqa: PLC0415

    return node and plain(node)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | ids,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "policies",
                    "name",
                    "id",
                    "include",
                    "exclude",
                    "group",
                    "filter",
                    "all_users",
                    "x-a",
                    "broad",
                    "ownership",
                    "platform",
                    "scope_tag_group",
                    "collection",
                    "<group>",
                    "",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=25,
)


@examples(300)
@given(json_like)
@example({"policies": None, "name": "\x85"})
@example({"policies": None, "name": "\u2028"})
@example({"policies": None, "name": "\u2029\x85\u2028"})
@example({"\x85": None, "name": None})
@example([{"name": "\x85 a", "include": ["\u2028"]}, {"name": None}])
@example([{"name": "a", "include": [{"group": "\x85\x85", "filter": {"\u2028": None}}]}])
def test_any_shape_under_policies_gives_a_place_for_every_mistake(value):
    content = dump([value]) if not isinstance(value, list) else dump(value)
    loaded = load_files({"a.yaml": content})
    lines = content.decode().split("\n")
    for diagnostic in loaded.diagnostics:
        assert diagnostic.message
        assert "nput should" not in diagnostic.message
        assert 1 <= diagnostic.location.line <= len(lines)
        assert 1 <= diagnostic.location.column <= len(lines[diagnostic.location.line - 1]) + 1


@examples(50)
@given(declared)
def test_what_is_written_is_what_is_read(written):
    written = without_twins(written)
    loaded = load_files({"a.yaml": dump(written)})
    assert loaded.state, loaded.diagnostics
    read_back = [[as_yaml(each) for each in policy.assignments] for policy in loaded.state.policies]
    assert read_back == [[expected(entry) for entry in policy["include"]] for policy in written]
    assert [policy.reference.name for policy in loaded.state.policies] == [
        policy["name"] for policy in written
    ]


@examples(50)
@given(declared, st.randoms(use_true_random=False))
def test_the_order_of_files_policies_and_entries_means_nothing(written, random):
    written = without_twins(written)
    straight = load_files({"a.yaml": dump(written)})
    shuffled = [
        {**each, "include": random.sample(each["include"], len(each["include"]))}
        for each in written
    ]
    random.shuffle(shuffled)
    scattered = load_files({f"{n}.yaml": dump([each]) for n, each in enumerate(shuffled)})
    assert meaning(scattered) == meaning(straight)


def without_twins(written):
    """Give every group an id or name of its own: generated ones may collide, and that is an error."""
    for policy in written:
        seen = set()
        policy["include"] = [
            entry
            for entry in policy["include"]
            if not (seen & (keys := group_keys(entry)) or seen.update(keys))
        ] or ["all_users"]
    return written


def group_keys(entry):
    value = entry.get("group") if isinstance(entry, dict) else None
    return set(value.values()) if isinstance(value, dict) else {value} if value else set()


@pytest.mark.parametrize("spelling", [str.upper, str.lower])
def test_ids_are_read_without_regard_to_case(spelling):
    one = str(uuid.UUID(int=0xABCDEF << 96 | 4 << 76 | 2 << 62))
    loaded = load_files(
        {"a.yaml": dump([{"id": spelling(one), "include": [{"group": spelling(one)}]}])}
    )
    (policy,) = loaded.state.policies
    assert (policy.reference.id, policy.assignments[0].group.id) == (one, one)
