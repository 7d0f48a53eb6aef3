"""``reconciler tenants --format json``: the matrix that the workflows run over."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.support.run_cli import copy_example, run

TENANT = "7d2f9a54-51d8-4c0e-9b57-0c1f5d6c7a11"


@pytest.fixture
def roots(tmp_path):
    """Make a tenant root per label."""
    example = copy_example(tmp_path / "example")
    shutil.rmtree(example / "policies")

    def roots(*labels):
        for number, label in enumerate(labels):
            root = tmp_path / "roots" / str(number)
            shutil.copytree(example, root)
            said = json.dumps(label, ensure_ascii=False)
            config = root / "tenant.yaml"
            config.write_text(config.read_text().replace("contoso-prod", said))
        return tmp_path

    return roots


def test_the_matrix_is_one_line_with_all_that_a_job_needs(roots):
    ran = run("tenants", "roots", "--format", "json", cwd=roots("Zürich: prod/1", "us"))
    assert ran.stdout.count("\n") == 1
    assert ran.json == {
        "include": [
            {
                "path": "roots/0",
                "label": "Zürich: prod/1",
                "tenant": TENANT,
                "slug": "Z-rich-prod-1",
            },
            {"path": "roots/1", "label": "us", "tenant": TENANT, "slug": "us"},
        ]
    }


def test_slugs_differ_even_where_labels_differ_in_signs_or_case_alone(roots):
    ran = run("tenants", "roots", "--format", "json", cwd=roots("a b", "a/b", "A-B", "?", "//"))
    assert [each["slug"] for each in ran.json["include"]] == [
        "a-b",
        "a-b-2",
        "A-B-3",
        "tenant",
        "tenant-2",
    ]


def test_one_tenant_can_be_asked_for_by_its_label(roots):
    folder = roots("a b", "a/b")
    ran = run("tenants", "roots", "--label", "a/b", "--format", "json", cwd=folder)
    assert [(each["label"], each["slug"]) for each in ran.json["include"]] == [("a/b", "a-b-2")]
    none = run("tenants", "roots", "--label", "A/B", cwd=folder)
    assert (none.code, none.stdout) == (1, "")
    assert none.error == 'no tenant root below roots has the label "A/B"; there is "a b", "a/b"'
