"""Which call writes, and how a run learns that the documented one does not exist."""

from __future__ import annotations

import threading

import pytest

from reconciler.applier.route import Route
from reconciler.model.diagnostics import Location
from reconciler.model.errors import NotExecutedError, RouteMissingError, ThrottledError
from reconciler.model.plan import Create, Delete
from reconciler.model.ports import Receipt
from reconciler.model.state import Assignment, Policy, Target, TargetKind, Writes
from tests.support.in_process import Heard

POLICY = Policy("p", "Policy", "classic")
CREATE = Create(POLICY, Target(TargetKind.GROUP, "g"), None, Location("f", 1, 1))
DELETE = Delete(POLICY, Assignment("a", Target(TargetKind.GROUP, "h"), None, "direct", "{}"))
DONE = Receipt("r")


CLASSIC, LINUX = ("classic", "v1.0"), ("settings_catalog", "beta")


def missing():
    raise RouteMissingError("no route", attempted="creating", status=400)


def create(route, call, place=CLASSIC):
    with route.trying(place):
        return call()


@pytest.mark.parametrize(
    ("writes", "changes", "wants_create"),
    [
        (Writes.CREATE, [CREATE], True),
        (Writes.CREATE, [DELETE], True),
        (Writes.ASSIGN, [CREATE], False),
        (Writes.AUTO, [CREATE], True),
        (Writes.AUTO, [CREATE, CREATE], True),
        (Writes.AUTO, [CREATE, DELETE], False),
        (Writes.AUTO, [DELETE], False),
    ],
)
def test_the_call_follows_from_writes_and_from_what_is_due(writes, changes, wants_create):
    assert Route(writes, Heard()).wants_create(changes) is wants_create


def test_auto_takes_assign_once_the_route_is_known_to_be_missing_and_says_so_once():
    heard = Heard()
    route = Route(Writes.AUTO, heard)

    for _ in range(3):
        with pytest.raises(RouteMissingError):
            create(route, missing)

    assert route.is_missing(CLASSIC)
    assert len(heard.notes) == 1


def test_create_alone_never_falls_back():
    heard = Heard()
    route = Route(Writes.CREATE, heard)
    with pytest.raises(RouteMissingError):
        create(route, missing)

    assert not route.falls_back
    assert route.wants_create([CREATE])
    assert heard.notes == []


def test_while_the_first_create_is_on_its_way_the_others_wait_for_its_answer():
    route = Route(Writes.AUTO, Heard())
    under_way, may_answer = threading.Event(), threading.Event()
    calls, ends = [], []

    def first():
        calls.append("first")
        under_way.set()
        assert may_answer.wait(5)
        missing()

    def attempt(call):
        try:
            create(route, call)
        except RouteMissingError:
            ends.append("missing")
        except NotExecutedError:
            ends.append("read again")

    threads = [threading.Thread(target=attempt, args=(first,))]
    threads[0].start()
    assert under_way.wait(5)
    threads += [
        threading.Thread(target=attempt, args=(lambda: calls.append("other"),)) for _ in range(3)
    ]
    for thread in threads[1:]:
        thread.start()
    may_answer.set()
    for thread in threads:
        thread.join(5)

    assert calls == ["first"]
    assert sorted(ends) == ["missing"] + ["read again"] * 3


def test_once_a_create_has_worked_the_others_go_side_by_side():
    route = Route(Writes.AUTO, Heard())
    create(route, lambda: DONE)
    together = threading.Barrier(3)
    threads = [
        threading.Thread(target=lambda: create(route, lambda: (together.wait(5) and DONE) or DONE))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)

    assert not together.broken


def test_a_create_that_fails_otherwise_proves_nothing():
    route = Route(Writes.AUTO, Heard())

    def throttled():
        raise ThrottledError("slow down", attempted="creating", status=429)

    with pytest.raises(ThrottledError):
        create(route, throttled)

    assert not route.is_missing(CLASSIC)
    assert create(route, lambda: DONE) is DONE


def test_each_family_that_has_the_route_or_lacks_it_is_remembered_by_itself():
    """[O] graph.md section 2: routes are missing type by type."""
    route = Route(Writes.AUTO, Heard())
    create(route, lambda: DONE)

    with pytest.raises(RouteMissingError):
        create(route, missing, LINUX)

    assert not route.is_missing(CLASSIC)
    assert route.is_missing(LINUX)


def test_a_route_that_the_first_create_lacks_is_asked_for_in_no_other_family():
    route = Route(Writes.AUTO, Heard())
    with pytest.raises(RouteMissingError):
        create(route, missing)

    assert route.is_missing(LINUX)


def test_a_route_that_worked_once_and_is_missing_later_stays_missing_and_is_said_once():
    """Some policies of a family take the call and others do not: never the same call twice."""
    heard = Heard()
    route = Route(Writes.AUTO, heard)
    create(route, lambda: DONE)
    for place in (CLASSIC, LINUX):
        with pytest.raises(RouteMissingError):
            create(route, missing, place)

    assert route.is_missing(CLASSIC)
    assert len(heard.notes) == 1


def test_v1_may_have_the_route_where_beta_has_not():
    route = Route(Writes.AUTO, Heard())
    create(route, lambda: DONE)

    with pytest.raises(RouteMissingError):
        create(route, missing, ("classic", "beta"))

    assert not route.is_missing(CLASSIC)
    assert route.is_missing(("classic", "beta"))
