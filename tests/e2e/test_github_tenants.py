"""``reconciler tenants --format json``: the matrix that the workflows run over."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from tests.support.run_cli import copy_example, run
from tests.support.workflow_runner import outputs_of

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


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("label: eu\ntenant: 7\nbroken: [\n", "eu"),
        ("label: 'eu'\r\ntenant: [\r\n", "eu"),
        ("label: eu\nunknown: key\n", "eu"),
        ('label: "Zürich: prod/1"\nunknown: key\n', "Zürich: prod/1"),
        ("label: [eu]\n", "0"),
        ("label: eu # or us\ntenant: [\n", "0"),
        ("labels: eu\n", "0"),
        ("nested:\n  label: eu\n  x: [\n", "0"),
    ],
)
def test_a_tenant_keeps_its_label_where_its_file_has_other_errors(roots, text, label):
    folder = roots("eu")
    (folder / "roots" / "0" / "tenant.yaml").write_text(text)
    ran = run("tenants", "roots", "--format", "json", cwd=folder)
    assert [(each["label"], each["tenant"]) for each in ran.json["include"]] == [(label, "")]


# --changed-since


def git(folder, *arguments):
    settings = ["-c", "user.name=A", "-c", "user.email=a@contoso.example", "-c", "gc.auto=0"]
    subprocess.run(["git", *settings, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def history(tmp_path):
    """A repository with two tenant roots that extend one folder, and one root inside of the other."""
    extended = {"eu": "[../baseline]", "us": "[../baseline]", "eu/lab": "[]"}
    for number, (name, extends) in enumerate(extended.items()):
        root = tmp_path / "roots" / name
        (root / "policies").mkdir(parents=True)
        (root / "tenant.yaml").write_text(
            f"tenant: {TENANT[:-1]}{number}\nlabel: {name}\nextends: {extends}\n"
        )
        (root / "policies" / "p.yaml").write_text(
            f"policies:\n  - name: Policy of {name}\n    include: [all_devices]\n"
        )
    shared = tmp_path / "roots" / "baseline"
    shared.mkdir()
    (shared / "shared.yaml").write_text("policies:\n  - name: Shared\n    include: [all_users]\n")
    (tmp_path / "README.md").write_text("words\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "-m", "start")
    return tmp_path


def touched(folder, since="HEAD", path="roots"):
    ran = run("tenants", path, "--changed-since", since, "--format", "json", cwd=folder)
    assert ran.code == 0, ran.stderr
    return [each["label"] for each in ran.json["include"]]


@pytest.mark.parametrize(
    ("file", "labels"),
    [
        ("roots/us/policies/p.yaml", ["us"]),
        ("roots/us/tenant.yaml", ["us"]),
        ("roots/eu/policies/p.yaml", ["eu"]),
        ("roots/eu/lab/policies/p.yaml", ["eu/lab"]),
        ("roots/baseline/shared.yaml", ["eu", "us"]),
        ("README.md", []),
    ],
)
@pytest.mark.parametrize("is_committed", [True, False])
def test_a_root_is_touched_through_its_own_folder_and_those_it_extends(
    history, file, labels, is_committed
):
    with (history / file).open("a") as opened:
        opened.write("# changed\n")
    if is_committed:
        git(history, "commit", "--quiet", "--all", "-m", "next")
    assert touched(history, "HEAD~1" if is_committed else "HEAD") == labels


def test_new_deleted_and_moved_files_touch_a_root(history):
    (history / "roots" / "us" / "policies" / "Ünï \n new.yaml").write_text("policies: []\n")
    assert touched(history) == ["us"]
    git(history, "add", "--all")
    git(history, "commit", "--quiet", "-m", "new")
    git(history, "mv", "roots/us/policies/p.yaml", "roots/eu/policies/moved.yaml")
    assert touched(history) == ["eu", "us"]
    git(history, "reset", "--quiet", "--hard")
    git(history, "rm", "--quiet", "roots/eu/policies/p.yaml")
    assert touched(history) == ["eu"]


def test_a_root_whose_folders_cannot_be_told_is_always_touched(history):
    shutil.rmtree(history / "roots" / "baseline")
    assert touched(history) == ["eu", "us"]
    git(history, "commit", "--quiet", "--all", "-m", "gone")
    assert touched(history) == ["eu", "us"]
    (history / "roots" / "eu" / "tenant.yaml").write_text("tenant: [\n")
    git(history, "commit", "--quiet", "--all", "-m", "broken")
    assert touched(history) == ["eu", "us"]


def test_no_touched_root_is_an_empty_matrix_and_a_note(history):
    ran = run("tenants", "roots", "--changed-since", "HEAD", "--format", "json", cwd=history)
    assert (ran.code, ran.stdout) == (0, '{"include":[]}\n')
    assert "no tenant root is touched by a change since HEAD" in ran.stderr


@pytest.mark.parametrize(
    "since", ["0" * 40, "no-such-branch", "--output=pwned", "HEAD:README.md", ""]
)
def test_a_commit_that_the_clone_lacks_is_an_error(history, since):
    ran = run("tenants", "roots", f"--changed-since={since}", cwd=history)
    assert (ran.code, ran.stdout) == (1, "")
    assert f'this repository has no commit "{since}"' in ran.error
    assert not (history / "pwned").exists()


def test_outside_of_a_repository_there_is_no_since(roots):
    ran = run("tenants", "roots", "--changed-since", "HEAD", cwd=roots("us"))
    assert ran.code == 1
    assert ran.error.endswith("is not in a git repository")


def test_in_actions_the_matrix_and_the_slugs_are_outputs(roots, tmp_path):
    env = {"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(tmp_path / "output")}
    run("tenants", "roots", "--format", "json", cwd=roots("a b", "us"), env=env)
    written = outputs_of((tmp_path / "output").read_text())
    assert written["slugs"] == "a-b\nus"
    assert [each["slug"] for each in json.loads(written["matrix"])["include"]] == ["a-b", "us"]
