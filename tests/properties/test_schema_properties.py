"""The JSON Schemas accept what the loader accepts, and refuse the rest as far as a schema can say."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from reconciler.loader import load
from reconciler.loader.json_schema import policies_schema, tenant_schema
from tests.support.property_rounds import examples

TENANT = Draft202012Validator(tenant_schema())
POLICIES = Draft202012Validator(policies_schema())
ID = "4f1c2d3e-0000-4000-8000-00000000000a"
BEYOND_A_SCHEMA = frozenset(
    {
        "dates-out-of-order",
        "declared-and-removed",
        "duplicate-policy",
        "duplicate-target",
        "group-on-both-sides",
        "invalid-date",
        "name-empty",
        "override-of-nothing",
        "policy-without-targets",
        "reason-empty",
        "remove-alone-authoritative",
    }
)
"""What compares two places, knows the calendar, or looks into a text."""

strange = st.sampled_from([None, True, False, 0, -1, 7, "", "A", [], {}, [None], {"a": 1}])
texts = st.sampled_from(["A", "B", ID])
days = st.sampled_from(["2026-12-01", "2027-02-28"])
odd_days = st.sampled_from(["2027-02-30", "2027-13-01", "1.12.2026"])


@st.composite
def rarely(draw, odd, usual):
    """Mostly what belongs there: a document with many mistakes is refused whatever the rest says."""
    return draw(odd if draw(st.integers(0, 29)) == 7 else usual)


def or_strange(sound):
    """Now and then something else."""
    return rarely(strange, sound)


def mapping(required, optional=None):
    """A mapping with its keys, now and then without one, or with one too many."""
    odd = st.sampled_from(["x", "Name", "filter", "from", "broad", "hold"])
    made = st.fixed_dictionaries(required, optional=optional or {})
    broken = st.builds(lambda base, key, value: {**base, key: value}, made, odd, strange)
    lacking = st.builds(lambda base: dict(list(base.items())[1:]), made)
    return rarely(broken | lacking, made)


references = or_strange(st.one_of(texts, mapping({"id": st.just(ID)}, {"name": texts})))
filters = or_strange(st.one_of(mapping({"include": references}), mapping({"exclude": references})))
dates = {"from": or_strange(rarely(odd_days, days)), "until": or_strange(rarely(odd_days, days))}
scope_tags = or_strange(
    mapping({"target_type": st.sampled_from(["user", "device", "x"]), "entra_object_id": texts})
)
words = st.sampled_from(["all_devices", "all_users"])
inclusions = or_strange(
    st.one_of(
        words,
        mapping(
            {"all_devices": or_strange(st.just(True))},
            {"filter": filters, "broad": or_strange(st.booleans()), **dates},
        ),
        mapping({"group": references}, {"filter": filters, **dates}),
        mapping({"collection": or_strange(texts)}, {"filter": filters, **dates}),
        mapping({"scope_tag_group": scope_tags}, {"filter": filters, **dates}),
    )
)
exclusions = or_strange(mapping({"group": references}, dates))
removals = or_strange(
    st.one_of(
        words,
        mapping({"all_users": or_strange(st.just(True))}),
        mapping({"group": references}),
        mapping({"collection": or_strange(texts)}),
        mapping({"scope_tag_group": scope_tags}),
    )
)
holds = or_strange(
    mapping({"until": or_strange(rarely(odd_days, days)), "reason": or_strange(texts)})
)
policies = mapping(
    {"name": or_strange(texts), "include": or_strange(st.lists(inclusions, max_size=2))},
    {
        "id": or_strange(st.just(ID)),
        "platform": or_strange(st.just("windows10")),
        "ownership": or_strange(st.sampled_from(["additive", "authoritative"])),
        "exclude": or_strange(st.lists(exclusions, max_size=2)),
        "remove": or_strange(st.lists(removals, max_size=2)),
        "override": or_strange(st.sampled_from(["add", "replace"])),
        "defaults": or_strange(st.booleans()),
        "hold": holds,
    },
)
policy_files = mapping({"policies": or_strange(st.lists(policies, min_size=1, max_size=2))})
limits = or_strange(st.integers(-1, 9))
tenant_files = mapping(
    {"tenant": or_strange(st.just("contoso.com"))},
    {
        "cloud": or_strange(st.sampled_from(["global", "china"])),
        "label": or_strange(texts),
        "ownership": or_strange(st.just("authoritative")),
        "writes": or_strange(st.sampled_from(["auto", "assign"])),
        "guardrails": or_strange(
            mapping({"max_creates": limits}, {"broad_targets": or_strange(st.just("deny"))})
        ),
        "defaults": or_strange(mapping({"exclude": or_strange(st.lists(exclusions, max_size=2))})),
        "hold": holds,
    },
)


def errors_of(tenant, policies):
    """The codes of the loader's errors; JSON is YAML."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root")
        root.mkdir()
        root.joinpath("tenant.yaml").write_text(json.dumps(tenant), "utf-8")
        root.joinpath("a.yaml").write_text(json.dumps(policies), "utf-8")
        return {each.code for each in load(root).diagnostics if each.is_error}


def agree(validator, written, codes):
    if validator.is_valid(written):
        assert codes <= BEYOND_A_SCHEMA
    else:
        assert codes


@examples(400)
@given(policy_files)
def test_the_schema_of_policies_and_the_loader_agree(written):
    agree(POLICIES, written, errors_of({"tenant": "contoso.com"}, written))


@examples(300)
@given(tenant_files)
def test_the_schema_of_a_tenant_and_the_loader_agree(written):
    sound = {"policies": [{"name": "Z", "include": ["all_users"]}]}
    agree(TENANT, written, errors_of(written, sound))
