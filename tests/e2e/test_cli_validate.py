"""``reconciler validate`` and ``reconciler schema``: checks that need no tenant."""

from __future__ import annotations

import jsonschema
import pytest
from ruamel.yaml import YAML

from tests.support.run_cli import copy_example, run


@pytest.fixture
def root(tmp_path):
    return copy_example(tmp_path)


def test_the_example_is_valid(tmp_path, root):
    ran = run("validate", cwd=tmp_path)
    assert (ran.code, ran.stdout, ran.stderr) == (
        0,
        "Valid: 12 policies declared, 0 warnings.\n",
        "",
    )


def test_every_mistake_of_every_file_is_shown_with_its_line_and_how_to_mend_it(tmp_path, root):
    (root / "policies" / "linux.yaml").write_text("policies:\n  - name: Linux\n    inclde: []\n")
    (root / "policies" / "more.yaml").write_text("policies: []\n")
    ran = run("validate", cwd=tmp_path)
    assert ran.code == 1
    assert "desired-state/policies/linux.yaml:3:5: error: unknown key" in ran.stdout
    assert "  3 |     inclde: []\n    |     ^\n  help: did you mean" in ran.stdout
    assert "desired-state/policies/more.yaml:1:1: error: " in ran.stdout
    assert ran.stdout.endswith("Invalid: 2 errors, 0 warnings.\n")
    assert ran.stderr == ""


def test_the_json_of_validate_names_the_root_and_the_place(tmp_path, root):
    (root / "policies" / "linux.yaml").write_text("policies:\n  - name: Linux\n    inclde: []\n")
    ran = run("validate", "--format", "json", cwd=tmp_path)
    assert ran.code == 1
    assert ran.json["valid"] is False
    [found] = ran.json["diagnostics"]
    assert (found["root"], found["severity"], found["code"]) == (
        "desired-state",
        "error",
        "unknown-key",
    )
    place = found["declared_at"]
    assert (place["file"], place["line"], place["column"]) == ("policies/linux.yaml", 3, 5)


def test_annotations_lead_to_the_file_from_the_repository_s_top(tmp_path, root):
    (root / "policies" / "linux.yaml").write_text("policies:\n  - name: Linux\n    inclde: []\n")
    ran = run("validate", "--format", "github", cwd=tmp_path)
    assert ran.code == 1
    assert ran.stdout.startswith("::error file=desired-state/policies/linux.yaml,line=3,col=5,")


def test_the_result_goes_to_the_file_that_is_named_and_its_folder_is_made(tmp_path, root):
    ran = run("validate", "--format", "sarif", "--out", "reports/x/found.sarif", cwd=tmp_path)
    assert (ran.code, ran.stdout) == (0, "")
    assert '"version": "2.1.0"' in (tmp_path / "reports/x/found.sarif").read_text()


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        (
            "nope",
            'there is no folder "nope"; name the folder that holds your tenant.yaml, or write',
        ),
        ("file.txt", '"file.txt" is a file; name the folder that holds tenant.yaml'),
        ("empty", '"empty" has no tenant.yaml'),
    ],
)
def test_a_path_that_is_no_tenant_root_is_an_error(tmp_path, path, complaint):
    (tmp_path / "file.txt").touch()
    (tmp_path / "empty").mkdir()
    ran = run("validate", path, cwd=tmp_path)
    assert (ran.code, ran.stdout) == (1, "")
    assert ran.error.startswith(complaint)


def test_tenants_of_a_folder_that_is_missing(tmp_path):
    ran = run("tenants", cwd=tmp_path)
    assert (ran.code, ran.stdout) == (1, "")
    assert ran.error.startswith('there is no folder "desired-state"; name the folder')


def test_all_roots_below_a_folder_are_checked(tmp_path):
    for name in ("eu", "us"):
        copy_example(tmp_path / name)
    (tmp_path / "eu/desired-state/policies/linux.yaml").write_text("policies: []\n")
    ran = run("validate", ".", cwd=tmp_path)
    assert ran.code == 1
    assert ran.stdout.startswith("eu/desired-state/policies/linux.yaml:1:1: error: ")


@pytest.mark.parametrize("name", ["tenant", "policies"])
def test_the_example_s_yaml_fits_the_schema_that_editors_are_given(tmp_path, root, name):
    ran = run("schema", name, cwd=tmp_path)
    assert (ran.code, ran.stderr) == (0, "")
    validator = jsonschema.Draft202012Validator(ran.json)
    files = [root / "tenant.yaml"] if name == "tenant" else sorted(root.glob("policies/**/*.yaml"))
    assert files
    for file in files:
        validator.validate(YAML(typ="safe").load(file))
    assert list(validator.iter_errors({"policys": []}))


def test_the_schema_of_policies_comes_without_asking_and_goes_into_a_file(tmp_path):
    said = run("schema", cwd=tmp_path)
    assert run("schema", "policies", "--out", "s.json", cwd=tmp_path).stdout == ""
    assert said.stdout == (tmp_path / "s.json").read_text()
