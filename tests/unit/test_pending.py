"""Queued writes outlive the run that queued them."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading

import pytest

from reconciler.applier.pending import FilePendingApprovals
from reconciler.model.errors import ReconcilerError
from reconciler.model.ports import PendingApproval

ONE = PendingApproval("code-1", "digest-1")
TWO = PendingApproval("code-2", "digest-2")


@pytest.fixture
def file(tmp_path):
    return tmp_path / ".reconciler" / "approvals.json"


def test_what_one_run_puts_the_next_one_gets(file):
    FilePendingApprovals(file).put("p", ONE)

    assert FilePendingApprovals(file).get("p") == ONE
    assert FilePendingApprovals(file).get("q") is None


def test_a_new_request_takes_the_place_of_the_old_one(file):
    memory = FilePendingApprovals(file)
    memory.put("p", ONE)
    memory.put("p", TWO)

    assert FilePendingApprovals(file).get("p") == TWO


def test_what_is_forgotten_is_gone_and_the_rest_stays(file):
    memory = FilePendingApprovals(file)
    memory.put("p", ONE)
    memory.put("q", TWO)
    memory.forget("p", ONE.code)
    memory.forget("unknown", ONE.code)

    assert FilePendingApprovals(file).get("p") is None
    assert FilePendingApprovals(file).get("q") == TWO


def test_reading_creates_no_file(file):
    FilePendingApprovals(file).forget("p", ONE.code)

    assert not file.parent.exists()


def test_the_file_holds_codes_and_digests_and_nothing_else(file):
    FilePendingApprovals(file).put("p", ONE)

    assert json.loads(file.read_text()) == {
        "pending": {"p": {"code": "code-1", "body_digest": "digest-1"}}
    }
    kept = {one.name: one.read_text() for one in file.parent.iterdir()}
    assert kept.keys() == {".gitignore", "approvals.json", "approvals.lock"}
    assert kept["approvals.lock"] == ""


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 100_000,
        b'{"pending": {"p": {}}}',
        b'{"other": 1}',
        b"\xff\xfe",
        *(
            b'{"pending": {"p": {"code": "%s", "body_digest": "d"}}}' % code
            for code in (b"", b"\\ud800", b"\\n", b"\xc3\xa9")
        ),
    ],
)
def test_a_file_that_cannot_be_read_says_what_to_do_and_is_left_alone(file, content):
    file.parent.mkdir()
    file.write_bytes(content)

    with pytest.raises(ReconcilerError, match="remove it, and give the codes"):
        FilePendingApprovals(file)

    assert file.read_bytes() == content


def test_a_file_that_cannot_be_written_says_where_the_codes_are(file):
    memory = FilePendingApprovals(file)
    file.parent.write_text("in the way")

    with pytest.raises(ReconcilerError, match="give them with --approval-code"):
        memory.put("p", ONE)


def test_threads_lose_nothing(file):
    memory = FilePendingApprovals(file)
    threads = [
        threading.Thread(target=lambda n=n: memory.put(f"p{n}", PendingApproval(f"c{n}", "d")))
        for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    kept = FilePendingApprovals(file)
    assert all(kept.get(f"p{n}").code == f"c{n}" for n in range(20))


def test_two_applies_that_share_the_file_lose_no_code(file):
    """Both read the file before either wrote it."""
    one, other = FilePendingApprovals(file), FilePendingApprovals(file)
    one.put("p", ONE)
    other.put("q", TWO)
    one.forget("p", ONE.code)

    kept = FilePendingApprovals(file)
    assert (kept.get("p"), kept.get("q")) == (None, TWO)


def test_a_newer_code_of_another_apply_is_not_forgotten_with_the_old_one(file):
    FilePendingApprovals(file).put("p", ONE)
    one, other = FilePendingApprovals(file), FilePendingApprovals(file)
    other.put("p", TWO)
    one.forget("p", ONE.code)

    assert FilePendingApprovals(file).get("p") == TWO


_PUTS = """
import sys
from pathlib import Path
from reconciler.applier.pending import FilePendingApprovals
from reconciler.model.ports import PendingApproval

memory = FilePendingApprovals(Path(sys.argv[1]))
for number in range(20):
    memory.put(f"{sys.argv[2]}-{number}", PendingApproval(f"c{number}", "d"))
"""


def test_processes_side_by_side_lose_nothing(file):
    running = [
        subprocess.Popen([sys.executable, "-c", _PUTS, str(file), str(number)])
        for number in range(4)
    ]
    assert [process.wait(60) for process in running] == [0] * 4

    kept = json.loads(file.read_text())["pending"]
    assert len(kept) == 80


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps no such modes")
def test_only_the_owner_can_read_the_codes(file):
    FilePendingApprovals(file).put("p", ONE)

    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert {
        stat.S_IMODE(file.parent.joinpath(name).stat().st_mode)
        for name in ("approvals.json", "approvals.lock")
    } == {0o600}
