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
