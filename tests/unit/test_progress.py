"""What a person at a terminal sees while waiting."""

import io

import pytest

from reconciler.cli.console import Color, Console
from reconciler.cli.progress import ConsoleProgress


class Screen(io.StringIO):
    def isatty(self):
        return True

    @property
    def line(self):
        """The counting line as it stands."""
        return self.getvalue().rpartition("\r\x1b[2K")[2]


@pytest.fixture
def start(monkeypatch):
    """Give what begins to watch; pytest puts its own stderr in place between fixture and test."""

    def started():
        screen = Screen()
        monkeypatch.setattr("sys.stderr", screen)
        environ = {"TERM": "xterm"}
        console = Console(
            color=Color.NEVER, quiet=False, verbose=0, log_json=False, environ=environ
        )
        return screen, ConsoleProgress(console)

    return started


def test_a_stage_without_a_total_counts_the_objects_that_are_read(start):
    screen, progress = start()
    progress.stage("Reading the tenant")
    assert screen.line == "Reading the tenant..."
    progress.read(1)
    assert screen.line == "Reading the tenant... 1 object"
    progress.read(27)
    assert screen.line == "Reading the tenant... 28 objects"


def test_a_stage_with_a_total_counts_its_own_steps_alone(start):
    screen, progress = start()
    progress.stage("Applying", 6)
    assert screen.line == "Applying... 0 of 6 policies"
    progress.read(12)
    progress.advance(3)
    progress.read(12)
    assert screen.line == "Applying... 3 of 6 policies"


def test_one_policy_is_one_policy(start):
    screen, progress = start()
    progress.stage("Applying", 1)
    assert screen.line == "Applying... 0 of 1 policy"


class Seconds:
    """A monotonic clock that is set by hand."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_without_a_terminal_a_line_comes_every_ten_seconds(monkeypatch):
    log = io.StringIO()
    monkeypatch.setattr("sys.stderr", log)
    seconds = Seconds()
    console = Console(color=Color.NEVER, quiet=False, verbose=0, log_json=False, environ={})
    progress = ConsoleProgress(console, monotonic=seconds)
    progress.stage("Applying", 40)
    for _ in range(25):
        seconds.now += 1
        progress.advance()
    assert log.getvalue().splitlines() == [
        "Applying...",
        "Applying... 10 of 40 policies",
        "Applying... 20 of 40 policies",
    ]


def test_a_counting_line_never_wraps(start, monkeypatch):
    screen, progress = start()
    monkeypatch.setenv("COLUMNS", "20")
    progress.stage("Reading a/very/long/path/of/a/tenant/root", 6)
    assert screen.line == "Reading a/very/long"


def test_a_terminal_that_has_gone_ends_no_run(start):
    screen, progress = start()
    screen.write = lambda _text: (_ for _ in ()).throw(OSError(5, "Input/output error"))
    progress.stage("Applying", 6)
    progress.advance()
    progress.note("this tenant has no create call")
    progress.end()
