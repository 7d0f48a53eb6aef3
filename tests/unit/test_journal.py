"""One line of JSON per event, on disk before anything else happens."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading

import pytest

from reconciler.applier.journal import FileJournal, JournalError, NoJournal
from reconciler.model.state import Policy
from tests.support.clocks import FakeClock

POLICY = Policy("p-1", "Ünï \n\u2028 policy", "classic")


def lines(path):
    return [json.loads(line) for line in path.read_bytes().decode().split("\n")[:-1]]


def test_each_line_is_on_disk_when_the_call_returns(tmp_path):
    path = tmp_path / "deep" / "journal.jsonl"
    clock = FakeClock()

    with FileJournal(path, clock, run={"digest": "sha256:0"}) as journal:
        assert [line["event"] for line in lines(path)] == ["run"]
        clock.advance(1.5)
        journal.record("write", POLICY, method="assign", before=[{"id": "a"}])
        written = lines(path)

    assert (written[0]["event"], written[0]["digest"]) == ("run", "sha256:0")
    assert written[1] == {
        "at": clock.now().isoformat(),
        "event": "write",
        "policy": {"id": "p-1", "name": POLICY.name},
        "method": "assign",
        "before": [{"id": "a"}],
    }


_DIES = """
import os, sys
from pathlib import Path
from reconciler.applier.journal import FileJournal
from reconciler.model.state import Policy
from reconciler.runtime.clock import SystemClock

with FileJournal(Path(sys.argv[1]), SystemClock(), run={}) as journal:
    journal.record("write", Policy("p", "Policy", "classic"))
    os.kill(os.getpid(), 9)
"""


def test_a_line_survives_the_death_of_the_process(tmp_path):
    path = tmp_path / "journal.jsonl"

    subprocess.run([sys.executable, "-c", _DIES, str(path)], check=False)

    assert [line["event"] for line in lines(path)] == ["run", "write"]


def test_a_second_run_appends(tmp_path):
    path = tmp_path / "journal.jsonl"
    for digest in ("one", "two"):
        with FileJournal(path, FakeClock(), run={"digest": digest}):
            pass

    assert [line["digest"] for line in lines(path)] == ["one", "two"]


def test_threads_do_not_mix_their_lines(tmp_path):
    path = tmp_path / "journal.jsonl"
    with FileJournal(path, FakeClock(), run={}) as journal:
        threads = [
            threading.Thread(
                target=lambda n=n: [
                    journal.record("write", POLICY, text=str(n) * 5000) for _ in range(10)
                ]
            )
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(lines(path)) == 41


@pytest.mark.parametrize("where", ["folder", "below-a-file/journal"])
def test_a_journal_that_cannot_be_kept_stops_before_anything_is_written(tmp_path, where):
    (tmp_path / "folder").mkdir()
    (tmp_path / "below-a-file").write_text("")

    with (
        pytest.raises(JournalError, match="name another file with --journal"),
        FileJournal(tmp_path / where, FakeClock(), run={}),
    ):
        raise AssertionError("must not be reached")


class FullDisk(io.StringIO):
    """A file on a disk without room."""

    def write(self, _text):
        raise OSError(28, "No space left on device")


def test_a_full_disk_is_an_error_at_that_very_line(tmp_path):
    with FileJournal(tmp_path / "journal", FakeClock(), run={}) as journal:
        journal._file.close()
        journal._file = FullDisk()

        with pytest.raises(JournalError, match="No space left"):
            journal.record("write", POLICY)


def test_a_journal_that_is_not_open_says_so(tmp_path):
    with pytest.raises(JournalError, match="not open"):
        FileJournal(tmp_path / "journal", FakeClock(), run={}).record("write", POLICY)


def test_no_journal_keeps_nothing(tmp_path):
    with NoJournal() as journal:
        journal.record("write", POLICY, before=[])

    assert list(tmp_path.iterdir()) == []
