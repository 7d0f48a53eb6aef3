from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from reconciler.loader import load
from reconciler.loader.document import read
from reconciler.loader.json_schema import policies_schema, tenant_schema
from reconciler.loader.yaml_nodes import plain

CASES = Path(__file__).parents[1] / "cases" / "loader"

TENANT = Draft202012Validator(tenant_schema())
POLICIES = Draft202012Validator(policies_schema())


def policy(**keys):
    return {"policies": [{"name": "A", **keys}]}


@pytest.mark.parametrize("schema", [tenant_schema(), policies_schema()])
def test_the_schema_is_valid_and_names_its_draft(schema):
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"]
    assert "$id" not in schema


@pytest.mark.parametrize("schema", [tenant_schema(), policies_schema()])
def test_every_key_is_described_and_none_takes_null(schema):
    for body in [schema, *schema["$defs"].values()]:
        for key, value in body.get("properties", {}).items():
            assert value.get("description"), key
    assert '"null"' not in str(schema).replace("'", '"')


def sound_files():
    for case in sorted(CASES.iterdir()):
        marker = case / "root.txt"
        root = case / (marker.read_text().strip() if marker.exists() else ".")
        if (root / "tenant.yaml").exists():
            loaded = load(root)
            if loaded.state:
                yield from (
                    pytest.param(each, id=f"{case.name}/{each.file}") for each in loaded.sources
                )


@pytest.mark.parametrize("source", list(sound_files()))
def test_the_schema_accepts_every_file_that_loads(source):
    validator = TENANT if source.file == "tenant.yaml" else POLICIES
    validator.validate(plain(read(source.path.read_bytes(), source.file).root))


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"policies": []},
        {"policies": [{"name": "A"}]},
        {"policies": [{"include": ["all_users"]}]},
        policy(include=None),
        policy(include=["everyone"]),
        policy(include=[{"all_devices": False}]),
        policy(include=[{"group": "A", "collection": "B"}]),
        policy(include=[{"group": "A", "broad": True}]),
        policy(include=[{"filter": {"include": "A"}}]),
        policy(include=[{}]),
        policy(include=[None]),
        policy(include=[["A"]]),
        policy(include=[{"group": {}}]),
        policy(include=[{"group": 42}]),
        policy(include=[{"group": "A", "filter": "B"}]),
        policy(include=[{"group": "A", "filter": {}}]),
        policy(include=[{"group": "A", "filter": {"include": "B", "exclude": "C"}}]),
        policy(exclude=["all_users"]),
        policy(exclude=[{"group": "A", "filter": {"include": "B"}}]),
        policy(include=["all_users"], ownership="mine"),
        policy(include=["all_users"], inclde=[]),
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(broken, tmp_path):
    import json  # noqa: PLC0415 - JSON is YAML

    (tmp_path / "tenant.yaml").write_text("tenant: contoso.com\n")
    (tmp_path / "a.yaml").write_text(json.dumps(broken))
    assert not POLICIES.is_valid(broken)
    assert load(tmp_path).state is None


@pytest.mark.parametrize(
    ("entry", "place", "text"),
    [
        ({"grup": "A"}, [], "'grup' is not one of"),
        ({"group": "A", "filtr": {}}, [], "('filtr' was unexpected)"),
        ({"group": "A", "filter": {"includes": "B"}}, ["filter"], "('includes' was unexpected)"),
        ({"group": {"nam": "A"}}, ["group"], "('nam' was unexpected)"),
        ({"group": 42}, ["group"], "42 is not of type 'string', 'object'"),
        ({"all_devices": "yes"}, ["all_devices"], "True was expected"),
        ("everyone", [], "'everyone' is not one of ['all_devices', 'all_users']"),
        ({"filter": {"include": "B"}}, [], "is not valid under any of the given schemas"),
    ],
)
def test_a_mistake_in_an_include_entry_is_named_where_it_is(entry, place, text):
    errors = list(POLICIES.iter_errors(policy(include=[entry])))
    start = ["policies", 0, "include", 0]
    assert any(list(each.path) == start + place and text in each.message for each in errors)


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"tenant": "contoso.com", "cloud": "mars"},
        {"tenant": "contoso.com", "guardrails": {"max_creates": -1}},
        {"tenant": "contoso.com", "guardrails": {"max_crates": 1}},
        {"tenant": "contoso.com", "extends": "../baseline"},
        {"tenant": "contoso.com", "label": None},
    ],
)
def test_the_tenant_schema_refuses_what_is_wrong(broken):
    assert not TENANT.is_valid(broken)


def test_keys_for_anchors_are_free():
    POLICIES.validate({"x-anything": [1], **policy(include=["all_users"])})


def parts(schema):
    """The schema itself, and its definitions."""
    yield schema
    definitions = schema["$defs"]
    assert isinstance(definitions, dict)
    yield from definitions.values()


def keys_with_examples():
    for schema in (tenant_schema(), policies_schema()):
        for part in parts(schema):
            for key, body in part.get("properties", {}).items():
                for example in body.get("examples", ()):
                    whole = {**body, "$defs": schema["$defs"]}
                    yield pytest.param(whole, example, id=f"{key}-{example}")


@pytest.mark.parametrize(("schema", "example"), list(keys_with_examples()))
def test_every_example_fits_its_own_key(schema, example):
    Draft202012Validator(schema).validate(example)
