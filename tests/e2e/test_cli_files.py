"""The files that a run reads and writes: their encodings, their modes, and disks that are full."""

from __future__ import annotations

import codecs
import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from tests.support.run_cli import COMMAND, TIME_LIMIT, copy_example, environment, run, served

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="needs a device that is always full")
APPLY = ("apply", "--sandbox", "--auto-approve")


@pytest.fixture
def root(tmp_path):
    return copy_example(tmp_path)


def into(stream: Path, *arguments: str, cwd: Path) -> tuple[int, str]:
    """Run with stdout into a file; gives the exit code and what stderr shows."""
    with stream.open("w") as stdout:
        done = subprocess.run(
            [*COMMAND, *arguments],
            cwd=cwd,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            timeout=TIME_LIMIT,
            check=False,
        )
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (b"", "utf-16-le"),
    ],
)
def test_a_plan_that_powershell_wrote_is_read_shown_and_applied(tmp_path, root, mark, encoding):
    text = run("plan", "--sandbox", "--format", "json", cwd=tmp_path).stdout
    plan = tmp_path / "p.json"
    plan.write_bytes(mark + text.replace("\n", "\r\n").encode(encoding))
    assert run("show", "p.json", cwd=tmp_path).stdout.startswith("Tenant contoso-prod")
    assert run("apply", "p.json", *APPLY[1:], cwd=tmp_path).code == 0


def test_letters_that_powershell_changed_are_explained(tmp_path, root):
    text = run("plan", "--sandbox", "--format", "json", cwd=tmp_path).stdout
    changed = text.replace("Contoso", "Contos├╢")
    (tmp_path / "p.json").write_bytes(codecs.BOM_UTF16_LE + changed.encode("utf-16-le"))
    ran = run("show", "p.json", cwd=tmp_path)
    assert ran.code == 3
    assert "PowerShell" in ran.error
    assert "reconciler plan --out p.json" in ran.error


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_what_holds_a_tenant_s_data_is_for_its_owner_alone(tmp_path, root):
    (tmp_path / "old.json").write_text("{}")
    (tmp_path / "old.json").chmod(0o644)
    for name in ("p.json", "old.json", "plans/today/p.json"):
        assert run("plan", "--sandbox", "--out", name, cwd=tmp_path).code == 0
    result = ("--journal", "j.jsonl", "--format", "json", "--out", "r.json")
    assert run(*APPLY, *result, cwd=tmp_path).code == 0
    assert run("show", "p.json", "--format", "html", "--out", "p.html", cwd=tmp_path).code == 0
    files = [
        *(tmp_path / name for name in ("p.json", "old.json", "plans/today/p.json")),
        *(tmp_path / name for name in ("j.jsonl", "r.json", "p.html")),
        *(root / ".reconciler").glob("*.json"),
    ]
    assert len(files) == 7
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_schema_is_for_everybody(tmp_path):
    assert run("schema", "--out", "s.json", cwd=tmp_path).code == 0
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "s.json").stat().st_mode) == 0o666 & ~umask


@needs_full
def test_a_plan_that_cannot_be_shown_is_not_applied(tmp_path, root):
    code, stderr = into(FULL, *APPLY, "-q", cwd=tmp_path)
    assert code == 1
    assert "the plan cannot be shown on stdout (No space left on device)" in stderr
    assert "nothing was written" in stderr
    assert not (root / ".reconciler").exists()


@needs_full
@pytest.mark.parametrize("form", ["json", "markdown"])
def test_a_full_disk_under_the_result_hides_nothing_of_it(tmp_path, root, form):
    code, stderr = into(FULL, *APPLY, "-q", "--format", form, cwd=tmp_path)
    assert code == 1
    assert stderr.rstrip().endswith("Error: No space left on device")
    shown = stderr.rpartition("Error: ")[0]
    if form == "json":
        assert json.loads(shown)["summary"]["create"] == 8
    else:
        assert "macOS - Developer machines" in shown


@needs_full
def test_a_full_disk_under_the_file_of_the_result_hides_nothing_of_it(tmp_path, root):
    ran = run(*APPLY, "-q", "--out", "/dev/full", cwd=tmp_path)
    assert ran.code == 1
    assert "Apply complete: " in ran.stderr
    assert "/dev/full cannot be written (No space left on device)" in ran.error


@needs_full
def test_a_full_disk_under_the_journal_hides_nothing_of_what_was_written(tmp_path, root):
    ran = run(*APPLY, "--journal", "/dev/full", cwd=tmp_path)
    assert ran.code == 1
    assert "the journal /dev/full cannot be written (No space left on device)" in ran.stderr


@pytest.mark.parametrize(
    ("file", "view"),
    [("p.html", "html"), ("p.md", "markdown"), ("p.txt", "text"), ("p.sarif", "sarif")],
)
def test_a_plan_is_saved_as_json_alone_and_the_commands_for_another_form_are_named(
    tmp_path, root, file, view
):
    ran = run("plan", "--sandbox", "--out", file, cwd=tmp_path)
    assert (ran.code, ran.stdout) == (64, "")
    assert f"--out saves the plan as JSON, and {file} says .{file[2:]}. Use:" in ran.stderr
    assert not (tmp_path / file).exists()
    saving, showing = [line.split() for line in ran.stderr.splitlines() if "  reconciler" in line]
    assert run(*saving[1:], "--sandbox", cwd=tmp_path).code == 0
    assert run(*showing[1:], cwd=tmp_path).code == 0
    assert showing[-4:] == ["--format", view, "--out", file]
    assert (tmp_path / file).exists()


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_out_saves_json_whatever_the_format_on_stdout(tmp_path, root, form):
    ran = run("plan", "--sandbox", "--format", form, "--out", "p.json", cwd=tmp_path)
    assert ran.code == 0
    assert json.loads((tmp_path / "p.json").read_text())["complete"] is True


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (("validate", "--out", "v.json"), "v.json would hold text; add --format json"),
        (("doctor", "--out", "v.json"), "v.json would hold text; add --format json"),
        (("apply", "--out", "r.md"), "r.md would hold text; add --format markdown"),
        (
            ("validate", "--format", "json", "--out", "v.sarif"),
            "v.sarif would hold json; add --format sarif",
        ),
    ],
)
def test_a_file_whose_ending_says_another_form_is_refused(tmp_path, root, arguments, advice):
    ran = run(*arguments, cwd=tmp_path)
    assert (ran.code, ran.stdout) == (64, "")
    assert advice in ran.error


def test_a_state_folder_that_is_full_hides_nothing_of_what_was_written(tmp_path, root):
    """The size of a file is limited here as a quota does it."""
    limited = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000)); "
    done = subprocess.run(
        [COMMAND[0], "-c", limited + "os.execv(sys.argv[1], sys.argv[1:])", *COMMAND, *APPLY],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIME_LIMIT,
        check=False,
        text=True,
    )
    assert done.returncode == 1
    assert "Apply complete: 8 added" in done.stdout
    assert "the sandbox's writes could not be kept in desired-state/.reconciler/" in done.stdout
    assert "(File too large), so the next plan does not see them" in done.stdout


def test_an_approval_code_that_cannot_be_kept_is_shown(tmp_path, root):
    tenant = root / "sandbox.json"
    document = json.loads(tenant.read_text())
    tenant.write_text(json.dumps({**document, "multiAdminApproval": {"form": "documented"}}))
    limited = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20, 20)); "
    with served(tenant, cwd=tmp_path) as way:
        done = subprocess.run(
            [
                *(COMMAND[0], "-c", limited + "os.execv(sys.argv[1], sys.argv[1:])"),
                *(*COMMAND, "apply", "--auto-approve", "--justification", "Change 7"),
            ],
            cwd=tmp_path,
            env=environment(way),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIME_LIMIT,
            check=False,
            text=True,
        )
    assert done.returncode == 1
    assert done.stdout.count("\n      approval code ") == 6
    assert "--approval-code" in done.stdout


def test_a_slash_at_the_end_means_a_folder(tmp_path, root):
    assert run("plan", "--sandbox", "--out", "plans.html/", cwd=tmp_path).code == 0
    assert [file.name for file in (tmp_path / "plans.html").iterdir()] == ["contoso-prod.json"]


@pytest.mark.parametrize("command", ["plan", "validate", "doctor", "tenants"])
def test_a_dash_is_no_file(tmp_path, root, command):
    ran = run(command, "--out", "-", cwd=tmp_path)
    assert (ran.code, ran.stdout) == (64, "")
    assert "name a file. Without --out the result goes to stdout" in ran.error
    assert not (tmp_path / "-").exists()
