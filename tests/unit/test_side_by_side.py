"""Several tenant roots within one bound."""

from __future__ import annotations

import math
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.graph.auth.sign_in import asks_a_person
from reconciler.operations.side_by_side import SpareTime, share, try_each
from reconciler.runtime.deadline import Deadline
from tests.support.clocks import FakeClock

ROOTS = [Path(name) for name in ("a", "b", "c")]


@given(parallelism=st.integers(1, 16), roots=st.integers(1, 50))
def test_the_parts_together_never_exceed_the_bound(parallelism, roots):
    part = share(parallelism, roots)
    assert part.roots >= 1
    assert part.requests >= 1
    assert part.roots * part.requests <= parallelism
    assert part.roots == min(parallelism, roots)


def test_roots_go_on_at_the_same_time():
    together = threading.Barrier(3, timeout=10)

    def meet(root):
        together.wait()
        return root.name

    assert try_each(ROOTS, meet, at_once=3) == ["a", "b", "c"]


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_a_failure_stops_no_other_root_and_keeps_its_place(at_once):
    fault = ValueError("b")

    def work(root):
        if root.name == "b":
            raise fault
        return root.name

    assert try_each(ROOTS, work, at_once=at_once) == ["a", fault, "c"]


@pytest.mark.parametrize(
    ("given_variables", "interactive", "asks"),
    [
        ({"RECONCILER_ACCESS_TOKEN": "x"}, True, False),
        ({"AZURE_CLIENT_ID": "x"}, True, True),
        ({"AZURE_CLIENT_ID": "x"}, False, False),
        ({"AZURE_CLIENT_ID": "x", "RECONCILER_AUTH": "interactive"}, True, True),
        ({"RECONCILER_AUTH": "managed-identity"}, True, False),
        ({"RECONCILER_AUTH": "nonsense"}, True, False),
        ({}, True, False),
    ],
)
def test_which_sign_in_asks_a_person(given_variables, interactive, asks):
    assert asks_a_person(given_variables, interactive=interactive) is asks


def test_roots_that_wait_keep_time_for_what_they_cannot_do_without():
    clock = FakeClock()
    spare = SpareTime(Deadline(clock, 600.0), roots=9, at_once=4)
    assert spare.seconds() == 600.0 / 6
    clock.advance(300.0)
    for _ in range(5):
        spare.root_ended()
    assert spare.seconds() == 300.0


@given(roots=st.integers(1, 60), at_once=st.integers(1, 16), timeout=st.integers(1, 600))
def test_the_last_root_still_has_time_whatever_the_others_wait_for(roots, at_once, timeout):
    clock = FakeClock()
    deadline = Deadline(clock, float(timeout))
    spare = SpareTime(deadline, roots=roots, at_once=at_once)
    for begun in range(0, roots, at_once):
        if begun + at_once >= roots:
            assert deadline.remaining() >= 0.99 * timeout / math.sqrt(math.ceil(roots / at_once))
            break
        clock.advance(spare.seconds())
        for _ in range(at_once):
            spare.root_ended()
