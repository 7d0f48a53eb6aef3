"""What lies on the disk besides well-formed files: links, pipes, permissions, folders."""

import os
from pathlib import Path

import pytest

from reconciler.loader import discover_roots, load
from reconciler.loader.document import MAX_BYTES
from reconciler.model.errors import ConfigError

POLICY = "policies:\n  - name: {}\n    include: [all_users]\n"


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    write(folder / "tenant.yaml", "tenant: contoso.com\n")
    write(folder / "a.yaml", POLICY.format("A"))
    return folder


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def findings(loaded):
    return [(found.location.file, found.severity, found.code) for found in loaded.diagnostics]


def names(loaded):
    return [policy.reference.name for policy in loaded.state.policies]


def test_a_file_reached_by_two_names_counts_once(root):
    os.link(root / "a.yaml", root / "b.yaml")
    (root / "c.yaml").symlink_to("a.yaml")
    loaded = load(root)
    assert findings(loaded) == []
    assert [source.file for source in loaded.sources] == ["tenant.yaml", "a.yaml"]


def test_a_link_to_a_folder_is_not_followed_and_not_passed_over_in_silence(root):
    (root / "loop").symlink_to(".", target_is_directory=True)
    loaded = load(root)
    assert findings(loaded) == [("loop", "warning", "link-to-folder")]
    assert names(loaded) == ["A"]


def test_a_link_out_of_the_root_is_not_read(root, tmp_path):
    secret = write(tmp_path / "secret", "password: hunter2\n")
    (root / "b.yaml").symlink_to(secret)
    loaded = load(root)
    assert findings(loaded) == [("b.yaml", "error", "link-outside")]
    assert "hunter2" not in repr(loaded)


def test_a_link_into_an_extended_folder_is_read(root, tmp_path):
    write(tmp_path / "baseline" / "base.yaml", POLICY.format("Base"))
    write(tmp_path / "baseline" / "spare.txt", POLICY.format("Spare"))
    write(root / "tenant.yaml", "tenant: contoso.com\nextends: [../baseline]\n")
    (root / "b.yaml").symlink_to("../baseline/spare.txt")
    loaded = load(root)
    assert findings(loaded) == []
    assert names(loaded) == ["Base", "A", "Spare"]


def test_a_link_that_leads_nowhere_is_an_error(root):
    (root / "b.yaml").symlink_to("gone.yaml")
    (root / "c.yaml").symlink_to("c.yaml")
    assert findings(load(root)) == [
        ("b.yaml", "error", "unreadable-file"),
        ("c.yaml", "error", "unreadable-file"),
    ]


def test_a_folder_or_a_pipe_with_the_name_of_a_yaml_file_is_an_error(root):
    (root / "b.yaml").mkdir()
    os.mkfifo(root / "c.yaml")
    assert findings(load(root)) == [
        ("b.yaml", "error", "not-a-file"),
        ("c.yaml", "error", "not-a-file"),
    ]


def test_a_tenant_file_that_is_a_folder_is_an_error(tmp_path):
    (tmp_path / "tenant.yaml").mkdir()
    write(tmp_path / "a.yaml", POLICY.format("A"))
    assert ("tenant.yaml", "error", "not-a-file") in findings(load(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_an_error(root):
    (root / "a.yaml").chmod(0)
    closed = root / "closed"
    closed.mkdir(mode=0)
    try:
        assert findings(load(root)) == [
            ("a.yaml", "error", "unreadable-file"),
            ("closed", "error", "unreadable-folder"),
        ]
    finally:
        closed.chmod(0o700)


def test_a_large_file_is_refused_without_being_parsed(root):
    write(root / "b.yaml", "[" * (MAX_BYTES + 1))
    assert findings(load(root)) == [("b.yaml", "error", "file-too-large")]


def test_a_file_name_cannot_steer_a_terminal(root):
    write(root / "b\x1b[31m\n.yaml", "[")
    assert findings(load(root)) == [("b<U+001B>[31m<U+000A>.yaml", "error", "yaml-syntax")]


def test_extending_a_folder_above_does_not_bring_in_other_tenants(root, tmp_path):
    write(tmp_path / "shared.yaml", POLICY.format("Shared"))
    write(tmp_path / "other" / "tenant.yaml", "tenant: other.example\n")
    write(tmp_path / "other" / "x.yaml", POLICY.format("Other"))
    write(root / "tenant.yaml", "tenant: contoso.com\nextends: [..]\n")
    loaded = load(root)
    assert names(loaded) == ["Shared", "A"]
    assert [source.file for source in loaded.sources] == ["tenant.yaml", "../shared.yaml", "a.yaml"]


def test_extending_a_name_that_no_system_can_hold_is_an_error_and_no_crash(root):
    long = "x" * 250
    write(
        root / "tenant.yaml", f'tenant: contoso.com\nextends: ["{long}/../../{long}", "\\u2028"]\n'
    )
    assert load(root).state is None


@pytest.mark.parametrize(
    ("extended", "code"),
    [
        ("{tmp}/secrets", "extends-absolute"),
        ("../../secrets", "extends-outside"),
        ("../shared/../../secrets", "extends-outside"),
        ("../door", "extends-outside"),
        ("../.git", "extends-outside"),
    ],
)
def test_extends_does_not_lead_out_of_the_repository(tmp_path, extended, code):
    root = tmp_path / "repository" / "root"
    secret = write(tmp_path / "secrets" / "environ", "password: hunter2\n")
    write(root.parent / ".git" / "config", "password: hunter2\n")
    (root.parent / "shared").mkdir()
    (root.parent / "door").symlink_to(secret.parent, target_is_directory=True)
    write(
        root / "tenant.yaml", f"tenant: contoso.com\nextends: [{extended.format(tmp=tmp_path)}]\n"
    )
    (root / "a.yaml").symlink_to(secret)
    (root / "b.yaml").symlink_to(root.parent / ".git" / "config")
    loaded = load(root)
    assert findings(loaded) == [
        ("a.yaml", "error", "link-outside"),
        ("b.yaml", "error", "link-outside"),
        ("tenant.yaml", "error", code),
    ]
    assert "hunter2" not in repr(loaded)


def test_a_link_into_gits_own_files_is_not_read_though_the_whole_repository_is_extended(tmp_path):
    root = tmp_path / "root"
    write(tmp_path / ".git" / "config", "extraheader: hunter2\n")
    write(root / "tenant.yaml", "tenant: contoso.com\nextends: [..]\n")
    (root / "a.yaml").symlink_to("../.git/config")
    loaded = load(root)
    assert ("a.yaml", "error", "link-outside") in findings(loaded)
    assert "hunter2" not in repr(loaded)


def test_extends_reaches_every_folder_of_the_repository(tmp_path):
    write(tmp_path / ".git", "gitdir: elsewhere\n")  # as in a worktree
    write(tmp_path / "shared" / "base.yaml", POLICY.format("Base"))
    root = tmp_path / "tenants" / "eu" / "root"
    write(root / "tenant.yaml", "tenant: contoso.com\nextends: [../../../shared]\n")
    assert names(load(root)) == ["Base"]


def test_without_a_repository_extends_reaches_the_folders_beside_the_root_alone(tmp_path):
    write(tmp_path / "shared" / "base.yaml", POLICY.format("Base"))
    root = tmp_path / "tenants" / "root"
    write(root / "tenant.yaml", "tenant: contoso.com\nextends: [../../shared]\n")
    assert ("tenant.yaml", "error", "extends-outside") in findings(load(root))


def test_a_lock_that_stands_elsewhere_or_is_empty_is_an_error(root):
    write(root / "reconciler.lock.yaml", "version: 1\ngroups: []\n")
    write(root / "policies" / "reconciler.lock.yaml", "[")
    assert findings(load(root)) == [
        ("policies/reconciler.lock.yaml", "error", "lock-misplaced"),
        ("reconciler.lock.yaml", "error", "lock-empty"),
    ]


@pytest.mark.parametrize(
    ("label", "code"),
    [
        ("contoso\\u202Edorp", "label-invisible-character"),
        ("prod\\u200B", "label-invisible-character"),
        ("prod\\u3164", "label-invisible-character"),
        ("two\\nlines", "label-invisible-character"),
        ("\\e[31mred", "label-invisible-character"),
        (" ", "label-empty"),
        ("x" * 101, "label-too-long"),
    ],
)
def test_a_label_is_what_it_looks_like_and_short(root, label, code):
    write(root / "tenant.yaml", f'tenant: contoso.com\nlabel: "{label}"\n')
    loaded = load(root)
    assert findings(loaded) == [("tenant.yaml", "error", code)]
    assert loaded.config is None


@pytest.mark.parametrize("label", ["x" * 100, "Zürich: prod/1", "営業部", "\\U0001F6E1\\uFE0F EU"])
def test_a_label_may_hold_anything_that_is_seen(root, label):
    write(root / "tenant.yaml", f'tenant: contoso.com\nlabel: "{label}"\n')
    assert findings(load(root)) == []


def test_a_folder_name_that_is_no_label_must_be_given_one(tmp_path):
    root = tmp_path / "eu\u202e"
    write(root / "tenant.yaml", "tenant: contoso.com\n")
    write(root / "a.yaml", POLICY.format("A"))
    assert findings(load(root)) == [("tenant.yaml", "error", "label-invisible-character")]
    write(root / "tenant.yaml", "tenant: contoso.com\nlabel: eu\n")
    assert findings(load(root)) == []


def test_the_label_is_the_folders_name(root, monkeypatch):
    monkeypatch.chdir(root)
    assert load(Path()).state.config.label == "root"


def test_a_root_that_is_not_there_says_what_to_do(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no folder .*; name the folder that holds"):
        load(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"is a file; name the folder that holds tenant\.yaml"):
        load(write(tmp_path / "tenant.yaml", ""))


def test_roots_are_found_at_any_depth_and_below_each_other(tmp_path):
    for folder in ("b", "a", "a/inner/deep", ".hidden", "c/.git"):
        write(tmp_path / folder / "tenant.yaml", "")
    write(tmp_path / "d" / "tenant.yml", "")
    (tmp_path / "loop").symlink_to(".", target_is_directory=True)
    found = [path.relative_to(tmp_path).as_posix() for path in discover_roots(tmp_path)]
    assert found == ["a", "a/inner/deep", "b"]
    assert discover_roots(tmp_path / "a") == (tmp_path / "a", tmp_path / "a" / "inner" / "deep")


def test_finding_roots_in_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"the folder .* cannot be read"):
        discover_roots(tmp_path / "nowhere")


def test_a_deep_tree_of_folders_is_walked(root):
    folder = root.joinpath(*["d"] * 300)
    write(folder / "z.yaml", POLICY.format("Deep"))
    assert names(load(root)) == ["A", "Deep"]


def test_without_git_extends_may_name_what_lies_below_the_working_directory(tmp_path, monkeypatch):
    write(tmp_path / "baseline" / "a.yaml", POLICY.format("A"))
    root = tmp_path / "tenants" / "contoso"
    write(root / "tenant.yaml", "tenant: contoso.example\nextends: [../../baseline]\n")

    monkeypatch.chdir(tmp_path)
    assert load(root).diagnostics == ()
    monkeypatch.chdir(tmp_path / "tenants")
    assert [found.code for found in load(root).diagnostics] == ["extends-outside"]
