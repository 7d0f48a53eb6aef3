"""What hangs on a group or a filter, live and declared."""

from reconciler.differ.usage import find_usages
from reconciler.model.state import Group, ResolvedState
from reconciler.model.usage import Usage
from tests.support import build

KNOWN = build.directory(
    Group(build.SALES, "Sales"), build.AssignmentFilter(build.CORPORATE, "Corporate")
)
OTHER = build.policy("Other", "10000002-0000-4000-8000-00000000000c")


def usages(id, *policies, declared=None):
    """Look an id up among policies; ``declared`` are those with a declaration, else all."""
    live = build.tenant_of(*(each.live for each in policies))
    state = ResolvedState(build.config(), tuple(policies if declared is None else declared))
    return find_usages([id], state, live, KNOWN)


def usage(target, filter=None, *, of=None, live=True, source="direct", declared_at=None):
    return Usage(of or build.policy(), target, filter, live, source, declared_at)


def names(found):
    return [(each.target.name, each.filter and each.filter.name) for each in found]


def test_a_group_is_found_live_and_declared_on_both_sides():
    live = [build.live(build.group(build.FINANCE)), build.live(build.exclusion()), build.live()]
    found = usages(build.SALES, build.resolved(build.want(line=7), live=live))
    assert found == (
        usage(build.group(), declared_at=build.at(7)),
        usage(build.exclusion()),
    )
    assert names(found) == [("Sales", None)] * 2


def test_a_filter_is_found_where_it_is_live_and_where_it_is_declared():
    narrowed = build.live(build.all_users(), build.filtered())
    wanted = build.want(build.group(build.FINANCE), build.filtered(), line=8)
    found = usages(build.CORPORATE, build.resolved(wanted, live=[narrowed]))
    assert found == (
        usage(build.all_users(), build.filtered()),
        usage(wanted.target, build.filtered(), live=False, source=None, declared_at=build.at(8)),
    )
    assert names(found)[0] == (None, "Corporate")


def test_a_line_that_is_live_with_the_same_filter_is_one_use():
    wanted, live = build.want(filter=build.filtered(), line=8), build.live(filter=build.filtered())
    policy = build.resolved(wanted, live=[live])
    assert usages(build.CORPORATE, policy) == (
        usage(build.group(), build.filtered(), declared_at=build.at(8)),
    )


def test_a_line_about_the_target_with_another_filter_declares_no_use_of_the_live_filter():
    wanted = build.want(build.all_users(), build.filtered(build.KIOSKS))
    narrowed = build.live(build.all_users(), build.filtered())
    policy = build.resolved(wanted, live=[narrowed])
    assert usages(build.CORPORATE, policy) == (usage(build.all_users(), build.filtered()),)


def test_what_policy_sets_assign_is_found_with_its_source_in_order():
    live = [build.inherited(id="set"), build.live()]
    assert [each.source for each in usages(build.SALES, build.resolved(live=live))] == [
        "direct",
        "policySets",
    ]


def test_policies_that_nobody_declares_are_looked_through_too():
    ours, other = build.resolved(live=[build.live()]), build.resolved(live=[build.live()], of=OTHER)
    found = usages(build.SALES, ours, other, declared=[])
    assert found == (usage(build.group(), of=OTHER), usage(build.group()))


def test_an_id_in_a_target_of_an_unknown_form_counts():
    strange = build.opaque(reaches={"group": build.SALES.upper()})
    policy = build.resolved(live=[strange, build.opaque("opaque-2")])
    assert usages(build.SALES, policy) == (usage(strange.target),)


def test_an_id_elsewhere_in_a_known_target_does_not_count():
    policy = build.resolved(live=[build.live(build.all_users(), note=build.SALES)])
    assert usages(build.SALES, policy) == ()
