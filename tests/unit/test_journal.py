"""One line of JSON per event, on disk before anything else happens."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from reconciler.applier.journal import FileJournal, JournalError, NoJournal
from reconciler.model.errors import Interrupted
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


needs_posix = pytest.mark.skipif(os.name == "nt", reason="pipes and limits of POSIX")


@needs_posix
def test_a_full_disk_is_an_error_at_that_very_line():
    with (
        pytest.raises(JournalError, match="No space left"),
        FileJournal(Path("/dev/full"), FakeClock(), run={}),
    ):
        raise AssertionError("must not be reached")


_FILLS_THE_DISK = """
import resource, sys
from pathlib import Path
from reconciler.applier.journal import FileJournal, JournalError
from reconciler.model.state import Policy
from reconciler.runtime.clock import SystemClock

policy = Policy("p", "Policy", "classic")
with FileJournal(Path(sys.argv[1]), SystemClock(), run={}) as journal:
    size = Path(sys.argv[1]).stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40, resource.RLIM_INFINITY))
    try:
        journal.record("write", policy, before=["x" * 100])
    except JournalError as fault:
        print(fault)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    journal.record("accepted", policy)
"""


@needs_posix
def test_a_line_that_a_full_disk_cut_short_stays_by_itself(tmp_path):
    path = tmp_path / "journal.jsonl"

    done = subprocess.run(
        [sys.executable, "-c", _FILLS_THE_DISK, str(path)],
        check=True,
        capture_output=True,
        text=True,
    )

    assert "cannot be written" in done.stdout
    first, torn, last = path.read_text().splitlines()
    assert [json.loads(line)["event"] for line in (first, last)] == ["run", "accepted"]
    with pytest.raises(ValueError, match="Unterminated"):
        json.loads(torn)


@pytest.mark.parametrize(
    ("former", "is_torn"), [(b"", False), (b'{"event":"run"}\n', False), (b'{"event":"wri', True)]
)
def test_a_last_line_that_was_torn_is_continued_on_a_new_one(tmp_path, former, is_torn):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(former)

    with FileJournal(path, FakeClock(), run={"digest": "two"}) as journal:
        journal.record("write", POLICY)

    content = path.read_bytes()
    assert content.startswith(former + (b"\n" if is_torn else b""))
    events = [json.loads(line)["event"] for line in content[len(former) :].split(b"\n") if line]
    assert events == ["run", "write"]


@needs_posix
def test_a_device_without_a_disk_is_a_journal_too():
    with FileJournal(Path("/dev/null"), FakeClock(), run={}) as journal:
        journal.record("write", POLICY)


@needs_posix
def test_a_pipe_takes_every_line(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    taken = bytearray()

    class ReadingClock(FakeClock):
        """While the journal waits, the pipe is read."""

        def sleep(self, seconds):
            taken.extend(os.read(reader, 1 << 16))

    with FileJournal(pipe, ReadingClock(), run={}) as journal:
        journal.record("write", POLICY, before=["x" * 300_000])
    taken += os.read(reader, 1 << 20)
    os.close(reader)

    assert [json.loads(line)["event"] for line in taken.decode().split("\n")[:-1]] == [
        "run",
        "write",
    ]


@needs_posix
def test_a_pipe_that_nobody_reads_is_an_error_and_no_wait(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with (
        pytest.raises(JournalError, match="no program reads this pipe"),
        FileJournal(tmp_path / "pipe", FakeClock(), run={}),
    ):
        raise AssertionError("must not be reached")


@needs_posix
@pytest.mark.parametrize("is_stopped", [False, True])
def test_a_pipe_whose_reader_stands_still_holds_up_nothing_for_ever(tmp_path, is_stopped):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    clock = FakeClock(interrupt_at=3 if is_stopped else None)

    expected = Interrupted if is_stopped else JournalError
    with FileJournal(pipe, clock, run={}) as journal, pytest.raises(expected):
        journal.record("write", POLICY, before=["x" * 300_000])
    os.close(reader)

    assert clock.monotonic() < 31


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps no such modes")
def test_only_the_owner_can_read_a_new_journal(tmp_path):
    with FileJournal(tmp_path / "journal", FakeClock(), run={}):
        pass

    assert stat.S_IMODE((tmp_path / "journal").stat().st_mode) == 0o600


def test_a_journal_that_is_not_open_says_so(tmp_path):
    with pytest.raises(JournalError, match="not open"):
        FileJournal(tmp_path / "journal", FakeClock(), run={}).record("write", POLICY)


def test_no_journal_keeps_nothing(tmp_path):
    with NoJournal() as journal:
        journal.record("write", POLICY, before=[])

    assert list(tmp_path.iterdir()) == []
