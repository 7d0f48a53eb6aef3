"""The lock holds what names lead to, and tells when one leads elsewhere."""

from dataclasses import replace

from reconciler.differ.lock import check_lock, compare_locks, make_lock, merge_locks
from reconciler.model.lock import Lock, LockedKind, LockedObject
from reconciler.model.state import Group, LivePolicy
from tests.support import build

OTHER = "10000002-0000-4000-8000-00000000000c"
SALES = Group(build.SALES, "Sales")
AGAIN = Group(build.FINANCE, "Sales")
CORPORATE = build.AssignmentFilter(build.CORPORATE, "Corporate")
POLICY = build.policy("Baseline")
RENEW = "if this is right, review it and write the lock anew with: reconciler lock"
LINE = build.declare(build.named("Sales", line=5), filter=("include", build.named("Corporate")))


def files(*lines, of=None, removals=(), platform=None):
    policy = build.declared_policy(of or build.named("Baseline"), *lines, platform=platform)
    return build.desired(replace(policy, removals=tuple(removals)))


def tenant(*policies):
    return build.tenant_of(*(LivePolicy(each, ()) for each in policies or [POLICY]))


def lock(groups=(), filters=(), policies=()):
    listed = zip(LockedKind, (groups, filters, policies), strict=True)
    return Lock({kind: tuple(LockedObject(*each) for each in objects) for kind, objects in listed})


WHOLE = lock([("Sales", build.SALES)], [("Corporate", build.CORPORATE)], [("Baseline", POLICY.id)])


def told(desired, against, *known, live=None):
    found = check_lock(desired, against, live or tenant(), build.directory(*known))
    return [(each.code, each.message, each.help, each.policy, each.location) for each in found]


def test_a_lock_holds_what_each_name_leads_to():
    made = make_lock(files(LINE), tenant(), build.directory(SALES, CORPORATE))
    assert (made, len(made)) == (WHOLE, 3)
    assert told(files(LINE), made, SALES, CORPORATE) == []


def test_lines_of_remove_are_locked_too():
    made = make_lock(files(removals=[LINE]), tenant(), build.directory(SALES, CORPORATE))
    assert made == WHOLE


def test_what_is_named_by_its_id_alone_is_not_locked():
    line = build.declare(build.named(id=build.SALES))
    made = make_lock(files(line, of=build.named(id=POLICY.id)), tenant(), build.directory(SALES))
    assert made == lock()


def test_a_name_that_leads_nowhere_or_to_several_is_left_out_and_not_compared():
    """Resolving it is an error by itself."""
    for known in ([], [SALES, AGAIN]):
        made = make_lock(files(LINE), tenant(), build.directory(*known))
        assert made == lock(policies=[("Baseline", POLICY.id)])
        assert told(files(LINE), made, *known) == []


def test_an_id_beside_the_name_tells_which_of_several_is_meant():
    line = build.declare(build.named("Sales", build.FINANCE))
    made = make_lock(files(line), tenant(), build.directory(SALES, AGAIN))
    assert made == lock([("Sales", build.FINANCE)], (), [("Baseline", POLICY.id)])


def test_an_id_beside_a_name_that_is_not_its_own_is_left_out():
    line = build.declare(build.named("Sales", build.KIOSK_GROUP))
    assert (
        make_lock(files(line), tenant(), build.directory(SALES)).ids(LockedKind.GROUPS, "Sales")
        == set()
    )


def test_policies_of_one_name_are_locked_with_their_platform():
    twin = build.policy("Baseline", OTHER, platform="macOS")
    desired = files(platform="MACOS")
    live = tenant(POLICY, twin)
    made = make_lock(desired, live, build.directory())
    assert made == lock(policies=[("Baseline", OTHER, "macOS")])
    unknown = tenant(POLICY, replace(twin, platform=None))
    by_id = files(of=build.named("Baseline", OTHER))
    assert make_lock(by_id, unknown, build.directory()) == lock(policies=[("Baseline", OTHER)])


def test_a_name_that_leads_elsewhere_is_an_error_at_its_line():
    assert told(files(LINE), WHOLE, AGAIN, CORPORATE) == [
        (
            "lock-mismatch",
            f'the group "Sales" is {build.FINANCE} now, and was {build.SALES} when it was locked',
            f"it was deleted and created again, or another group has taken the name; {RENEW}",
            "Baseline",
            build.at(5),
        )
    ]


def test_every_id_that_the_lock_has_for_a_name_is_told():
    twice = lock([("Sales", "b"), ("Sales", "a")], (), [("Baseline", POLICY.id)])
    ((_, message, *_),) = told(files(LINE), twice, SALES)
    assert f"is {build.SALES} now, and was a or b when" in message


def test_a_name_that_leads_nowhere_hides_no_later_one():
    lines = [build.declare(build.named("Nobody")), LINE]
    assert [each[0] for each in told(files(*lines), WHOLE, AGAIN)] == ["lock-mismatch"]


def test_a_name_that_the_lock_lacks_is_an_error_at_its_line():
    without = lock([("Sales", build.SALES)], (), [("Baseline", POLICY.id)])
    assert told(files(LINE), without, SALES, CORPORATE) == [
        (
            "lock-lacks-name",
            f'the lock has no filter called "Corporate" (now {build.CORPORATE})',
            RENEW,
            "Baseline",
            build.at(),
        )
    ]


def test_a_name_with_its_id_beside_it_can_only_be_lacking():
    line = build.declare(build.named("Sales", build.FINANCE))
    assert [each[0] for each in told(files(line), WHOLE, AGAIN)] == ["lock-lacks-name"]


def test_a_policy_without_a_name_is_named_by_its_id():
    line = build.declare(build.named("Sales"))
    ((*_, policy, _),) = told(files(line, of=build.named(id=POLICY.id)), lock(), SALES)
    assert policy == POLICY.id


def test_a_default_exclusion_is_told_of_no_policy():
    default = replace(build.declare(build.named("Sales", line=3), exclude=True), is_default=True)
    own = build.declare(build.named("Sales", line=9))
    found = told(files(default, own), lock(policies=[("Baseline", POLICY.id)]), SALES)
    assert [(policy, location.line) for *_, policy, location in found] == [("", 3), ("Baseline", 9)]


def test_a_new_lock_is_compared_name_by_name():
    before = lock([("B", "1"), ("A", "1"), ("Same", "1")], [("F", "2")])
    after = lock([("A", "3"), ("A", "1"), ("B", "4"), ("Same", "1")], (), [("P", "5")])
    assert compare_locks(before, after) == (
        'group "A": was 1, is 1 and 3',
        'group "B": was 1, is 4',
        'filter "F": was 2, is not in the lock',
        'policy "P": was not in the lock, is 5',
    )
    assert compare_locks(Lock({}), Lock({})) == ()
    assert compare_locks(None, after) == ()


def test_a_lock_with_more_names_keeps_those_it_has():
    first = lock([("B", "1")], [("F", "2")])
    assert merge_locks(first, lock([("A", "3"), ("B", "1")])) == lock(
        [("A", "3"), ("B", "1")], [("F", "2")]
    )
    assert merge_locks(Lock({}), Lock({})) == lock()
