"""The deadline, the waits, the pace."""

import random
import threading
from contextlib import suppress

import pytest

from reconciler.model.errors import DeadlineError
from reconciler.runtime.deadline import Deadline
from reconciler.runtime.pace import Pacer
from reconciler.runtime.retry import Backoff
from tests.support.clocks import FakeClock


def test_a_wait_that_fits_is_taken_and_one_that_does_not_fails_at_once():
    clock = FakeClock()
    deadline = Deadline(clock, 10)
    deadline.sleep(4, "throttled")
    with pytest.raises(DeadlineError) as caught:
        deadline.sleep(6, "throttled")
    assert str(caught.value) == (
        "throttled; waiting 6 s more would go over --timeout (10 s); "
        "run again, or allow more time with --timeout"
    )
    assert (clock.slept, deadline.remaining()) == ([4], 6)


def test_once_the_time_is_up_nothing_goes_on():
    clock = FakeClock()
    deadline = Deadline(clock, 10)
    clock.sleep(9.5)
    deadline.check("reading")
    clock.sleep(3)
    assert deadline.remaining() == 0
    with pytest.raises(DeadlineError, match=r"reading: the time is up \(--timeout 10 s\)"):
        deadline.check("reading")


def test_the_time_a_person_thinks_does_not_count():
    clock = FakeClock()
    deadline = Deadline(clock, 10)
    with deadline.paused():
        clock.sleep(100)
    assert deadline.remaining() == 10
    with suppress(KeyboardInterrupt), deadline.paused():
        clock.sleep(5)
        raise KeyboardInterrupt
    assert deadline.remaining() == 10


@pytest.mark.parametrize(
    ("attempt", "ceiling"), [(1, 1), (2, 2), (3, 4), (5, 16), (6, 30), (7, 30), (5000, 30)]
)
def test_waits_double_up_to_half_a_minute_and_half_of_each_is_random(attempt, ceiling):
    waits = [Backoff(random.Random(seed)).seconds(attempt) for seed in range(50)]
    assert ceiling / 2 <= min(waits) < ceiling * 0.6
    assert ceiling * 0.9 < max(waits) <= ceiling


def test_writes_go_out_at_once_until_the_window_is_full():
    clock = FakeClock()
    pacer = Pacer(clock, writes=3, window=20)
    assert [pacer.reserve() for _ in range(7)] == [0, 0, 0, 20, 20, 20, 40]


def test_a_slot_is_free_again_once_the_window_has_passed():
    clock = FakeClock()
    pacer = Pacer(clock, writes=2, window=20)
    assert [pacer.reserve(), pacer.reserve()] == [0, 0]
    clock.sleep(15)
    assert pacer.reserve() == 5
    clock.sleep(100)
    assert [pacer.reserve(), pacer.reserve(), pacer.reserve()] == [0, 0, 20]


def test_the_pace_stays_under_graphs_limit():
    clock = FakeClock()
    pacer = Pacer(clock)
    waits = [pacer.reserve() for _ in range(161)]
    assert (waits[:80], waits[80:160], waits[160]) == ([0] * 80, [20] * 80, 40)


def test_who_is_told_at_once_again_and_again_waits_a_second():
    backoff = Backoff(random.Random(0))
    assert [backoff.wait(attempt, 0.0) for attempt in (1, 2, 3, 9)] == [0, 0, 1, 1]
    assert [backoff.wait(attempt, 7.5) for attempt in (1, 9)] == [7.5, 7.5]


def test_a_grace_is_over_with_its_block_and_for_one_thread_alone():
    clock = FakeClock()
    deadline = Deadline(clock, 10)
    clock.sleep(30)
    with deadline.grace(5):
        deadline.check("looking once more")
        seen = []
        other = threading.Thread(target=lambda: seen.append(deadline.remaining()))
        other.start()
        other.join()
    assert seen == [0.0]
    assert deadline.remaining() == 0.0
