"""Queued writes outlive the run that queued them."""

from __future__ import annotations

import json
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
    memory.forget("p")
    memory.forget("unknown")

    assert FilePendingApprovals(file).get("p") is None
    assert FilePendingApprovals(file).get("q") == TWO


def test_reading_creates_no_file(file):
    FilePendingApprovals(file).forget("p")

    assert not file.parent.exists()


def test_the_file_holds_codes_and_digests_and_nothing_else(file):
    FilePendingApprovals(file).put("p", ONE)

    assert json.loads(file.read_text()) == {
        "pending": {"p": {"code": "code-1", "body_digest": "digest-1"}}
    }
    assert sorted(one.name for one in file.parent.iterdir()) == [".gitignore", "approvals.json"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"pending": {"p": {}}}', b'{"other": 1}', b"\xff\xfe"]
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
