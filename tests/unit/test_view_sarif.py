"""SARIF: the structure that the specification asks for, and fingerprints that survive edits."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from jsonschema import Draft202012Validator

from reconciler.model.diagnostics import Location, error, warning
from reconciler.views import sarif
from tests.support.build_impact import blocking, devices, with_impact
from tests.support.build_plans import WINDOWS, at, create, group, plan, policy_plan
from tests.support.example_plans import STATES
from tests.support.golden import assert_golden

TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"minLength": 1}}}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
RULE = {
    "required": ["id", "shortDescription"],
    "properties": {
        "id": {"type": "string", "minLength": 1},
        "name": {"type": "string"},
        "shortDescription": TEXT,
        "defaultConfiguration": {"properties": {"level": LEVEL}, "additionalProperties": False},
    },
    "additionalProperties": False,
}
REGION = {
    "required": ["startLine"],
    "properties": {
        "startLine": {"type": "integer", "minimum": 1},
        "startColumn": {"type": "integer", "minimum": 1},
    },
    "additionalProperties": False,
}
ARTIFACT = {
    "required": ["uri"],
    "properties": {
        "uri": {"type": "string", "pattern": r"^[A-Za-z0-9._~/%-]+$"},
        "uriBaseId": {"type": "string"},
    },
    "additionalProperties": False,
}
LOCATION = {
    "required": ["physicalLocation"],
    "properties": {
        "physicalLocation": {
            "required": ["artifactLocation"],
            "properties": {"artifactLocation": ARTIFACT, "region": REGION},
            "additionalProperties": False,
        }
    },
    "additionalProperties": False,
}
RESULT = {
    "required": ["ruleId", "message", "locations"],
    "properties": {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": LEVEL,
        "message": TEXT,
        "locations": {"type": "array", "items": LOCATION, "minItems": 1, "maxItems": 10},
        "partialFingerprints": {"additionalProperties": {"type": "string"}},
    },
    "additionalProperties": False,
}
LOG = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "required": ["tool", "results"],
                "properties": {
                    "tool": {
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "required": ["name"],
                                "properties": {
                                    "name": {"type": "string"},
                                    "semanticVersion": {"type": "string"},
                                    "rules": {
                                        "type": "array",
                                        "items": RULE,
                                        "uniqueItems": True,
                                    },
                                },
                                "additionalProperties": False,
                            }
                        },
                        "additionalProperties": False,
                    },
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "results": {"type": "array", "items": RESULT},
                },
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}
"""What the specification says of the parts in use, in our own words."""


def run(text):
    log = json.loads(text)
    Draft202012Validator(LOG).validate(log)
    [only] = log["runs"]
    return only


@pytest.mark.parametrize("name", STATES)
def test_a_plans_findings_have_the_structure(name):
    found = run(sarif.render_plan(STATES[name](), root="desired state", version="0.1.0"))
    rules = found["tool"]["driver"]["rules"]
    for result in found["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]


def test_the_log_is_as_reviewed():
    text = sarif.render_plan(STATES["stopped"](), root="desired-state", version="0.1.0")
    assert_golden("sarif/stopped.sarif", text)


def test_nothing_found_is_a_log_without_results():
    found = run(sarif.render([], root="", version="0.1.0"))
    assert found["results"] == []
    assert found["tool"]["driver"]["rules"] == []


def fingerprints(*diagnostics):
    results = run(sarif.render(diagnostics, root="", version="0.1.0"))["results"]
    return [result["partialFingerprints"]["findingHash/v1"] for result in results]


def test_a_fingerprint_stays_when_lines_move():
    before = error("unknown-group", 'no group is called "X"', at(line=7), policy="P")
    after = replace(before, location=at(line=70))
    assert fingerprints(before) == fingerprints(after)


def test_a_fingerprint_stays_when_a_number_changes():
    change = create(WINDOWS, group("Sales"))
    made = plan(policy_plan(WINDOWS, change))
    seen = set()
    for number in (1240, 3410):
        counted = with_impact(made, {change: devices(number)}, {WINDOWS: blocking()})
        [result] = run(sarif.render_plan(counted, root="", version="0.1.0"))["results"]
        assert f"reaches at most {number:,} devices" in result["message"]["text"]
        seen.add(result["partialFingerprints"]["findingHash/v1"])
    assert len(seen) == 1


def test_findings_that_read_the_same_have_fingerprints_of_their_own():
    found = [error("unknown-group", "no", at(line=line)) for line in (7, 9)]
    assert len(set(fingerprints(*found))) == 2


def test_a_uri_is_encoded_and_a_message_links_nowhere():
    place = Location("policies/a b#[ü].yaml", 1, 2)
    found = run(
        sarif.render([warning("w", "see [this](http://x)", place)], root="r", version="0.1.0")
    )
    [result] = found["results"]
    [where] = result["locations"]
    uri = where["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "r/policies/a%20b%23%5B%C3%BC%5D.yaml"
    assert result["message"]["text"] == r"see \[this\](http://x)"


def test_a_finding_without_a_place_stands_with_the_tenants_file():
    found = run(sarif.render([error("e", "x")], root="r", version="0.1.0"))
    [where] = found["results"][0]["locations"]
    assert where["physicalLocation"]["artifactLocation"]["uri"] == "r/tenant.yaml"
