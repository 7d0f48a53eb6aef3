"""What a reviewer should know of a plan."""

import pytest

from reconciler.differ.lint import lint
from reconciler.model.diagnostics import ONE_SIDE
from reconciler.model.plan import Keep, Unmanaged
from reconciler.model.state import AssignmentFilter, Group, Writes
from tests.support import build

LAPTOPS = Group(build.SALES, "Laptops", '(device.deviceOSType -eq "Windows")')
LAPTOPS_AGAIN = Group(build.FINANCE, "Again", '(device.deviceOSType  -EQ "windows")')
STAFF = Group(build.KIOSK_GROUP, "Staff", '(user.department -eq "Sales")')
BOTH = Group(build.BREAK_GLASS, "Both", '(user.city -eq "x") or (device.model -eq "y")')
ASSIGNED = Group(build.BREAK_GLASS, "Assigned")


def checked(*wanted, live=(), known=(), of=None, owned="additive"):
    plan = build.planned(*wanted, live=live, known=known, of=of, owned=owned)
    return lint([plan], build.directory(*known))


def codes_of(*wanted, **options):
    return [
        (one.severity.value, one.code, one.location.line if one.location else None)
        for one in checked(*wanted, **options)
    ]


def test_a_plain_plan_says_nothing():
    assert codes_of(build.want(), live=[build.live(build.group(build.FINANCE))]) == []


def test_a_new_assignment_to_everybody_is_a_warning_at_its_line():
    (one,) = checked(build.want(build.all_users(), broad=True))
    assert (one.code, one.location, one.message, one.policy) == (
        "broad-target",
        build.at(5),
        "this assigns the policy to every user of the tenant",
        "Windows 11 - Baseline",
    )


def test_an_assignment_to_everybody_that_is_there_is_no_news():
    assert codes_of(build.want(build.all_users()), live=[build.live(build.all_users())]) == []


def test_one_group_on_both_sides_is_an_error_at_the_declared_line():
    include = checked(build.want(build.group()), live=[build.live(build.exclusion())])
    exclude = checked(build.want(build.exclusion()), live=[build.live(build.group())])
    assert [(one.is_error, one.code, one.location) for one in (*include, *exclude)] == [
        (True, "group-on-both-sides", build.at(5))
    ] * 2
    assert "included here and excluded on this policy in the tenant" in include[0].message
    assert "excluded here and included on this policy in the tenant" in exclude[0].message


def test_one_group_on_both_sides_of_the_tenant_is_a_warning():
    live = [build.live(build.group()), build.live(build.exclusion())]
    assert codes_of(live=live) == [("warning", "group-on-both-sides", None)]


def test_a_side_that_is_deleted_is_no_conflict():
    live = [build.live(build.group())]
    assert codes_of(build.want(build.exclusion()), live=live, owned="authoritative") == []


@pytest.mark.parametrize(
    ("writes", "codes"), [("create", ["side-change-in-two-calls"]), ("assign", []), ("auto", [])]
)
def test_a_group_that_changes_sides_by_two_calls_is_a_warning(writes, codes):
    plan = build.planned(
        build.want(build.exclusion(), line=6),
        build.want(build.exclusion(build.FINANCE), line=7),
        build.want(build.all_users(), build.filtered(), line=8),
        live=[build.live(), build.live(build.all_devices())],
        owned="authoritative",
    )
    found = lint([plan], build.directory(), Writes(writes))
    assert [each.code for each in found] == codes
    assert {each.location for each in found} <= {build.at(6)}


def test_each_group_on_both_sides_is_told_whatever_the_others_are():
    live = [
        build.live(),
        build.inherited(build.exclusion(), id="set"),
        build.live(build.group(build.FINANCE)),
        build.live(build.exclusion(build.FINANCE)),
    ]
    found = checked(
        build.want(build.group(build.KIOSK_GROUP)),
        live=[*live, build.live(build.exclusion(build.KIOSK_GROUP))],
        known=[Group(build.FINANCE, "Finance"), Group(build.KIOSK_GROUP, "Kiosks")],
    )
    assert [(each.is_error, each.message, each.policy) for each in found] == [
        (
            False,
            'the group "Finance" is included and excluded in the tenant',
            build.policy().name,
        ),
        (
            True,
            'the group "Kiosks" is included here and excluded on this policy in the tenant',
            build.policy().name,
        ),
    ]
    portal = "for Intune the exclusion wins; decide in the Intune portal which of the two is meant"
    assert [each.help.removeprefix(f"{ONE_SIDE}; ") for each in found] == [portal] * 2


def test_each_include_that_an_exclusion_cancels_is_told_with_the_reason():
    found = checked(
        build.want(build.all_users(), build.filtered(), line=5),
        build.want(build.group(STAFF.id), line=6),
        build.want(build.group(LAPTOPS.id), line=7),
        live=[
            build.inherited(build.exclusion(STAFF.id), id="set"),
            build.live(build.exclusion(LAPTOPS_AGAIN.id)),
        ],
        known=(STAFF, LAPTOPS, LAPTOPS_AGAIN),
    )
    told = {each.location.line: each.message for each in found if each.code == "shadowed-include"}
    cancels = "cancels this include completely"
    assert told == {
        6: f'the exclusion of "Staff" {cancels}: a policy set excludes it',
        7: f'the exclusion of "Again" {cancels}: it has the same members',
    }


def test_a_group_on_both_sides_is_told_where_a_policy_set_includes_it_too():
    live = [build.live(), build.live(build.exclusion()), build.inherited(id="set")]
    assert ("warning", "group-on-both-sides", None) in codes_of(live=live)


def test_a_group_on_both_sides_hides_no_later_include_that_is_cancelled():
    live = [
        build.live(build.exclusion(LAPTOPS.id)),
        build.inherited(build.exclusion(STAFF.id), id="set"),
    ]
    wanted = [build.want(build.group(LAPTOPS.id)), build.want(build.group(STAFF.id), line=6)]
    found = codes_of(*wanted, live=live, known=(LAPTOPS, STAFF))
    assert ("warning", "shadowed-include", 6) in found


def test_a_filter_of_a_covered_target_must_fit_too():
    apps = AssignmentFilter(build.CORPORATE, "Corporate", "windows10AndLater", "apps")
    covered = build.inherited(filter=build.filtered(), id="other", source="somethingNew")
    wanted = build.want(filter=build.filtered(), line=8)
    assert codes_of(wanted, live=[covered], known=[apps]) == [("warning", "filter-for-apps", 8)]


def test_groups_and_filters_of_one_name_are_told_apart_by_their_ids():
    groups = [Group(id, "Twin") for id in (build.SALES, build.FINANCE)]
    filters = [
        AssignmentFilter(id, "Twin", "windows10AndLater", "apps")
        for id in (build.CORPORATE, build.KIOSKS)
    ]
    side, misfit = checked(
        build.want(filter=build.filtered(name="Twin")),
        live=[build.live(build.exclusion())],
        known=[*groups, *filters],
    )
    assert side.message.startswith('the group "Twin" (20000001) is included here')
    assert misfit.message.startswith('the filter "Twin" (30000001) is for managed apps')


def test_an_exclusion_by_a_policy_set_takes_an_include_back():
    live = [build.inherited(build.exclusion(), id="set")]
    assert codes_of(build.want(), live=live) == [("warning", "shadowed-include", 5)]


def test_an_exclusion_with_the_same_rule_takes_an_include_back():
    live = [build.live(build.exclusion(LAPTOPS_AGAIN.id))]
    known = (LAPTOPS, LAPTOPS_AGAIN)
    assert codes_of(build.want(), live=live, known=known) == [("warning", "shadowed-include", 5)]
    assert codes_of(build.want(), live=live, known=(ASSIGNED, Group(build.FINANCE, "b"))) == []
    assert codes_of(live=[*live, build.live()], known=known) == []


@pytest.mark.parametrize(
    ("included", "excluded", "is_mixed"),
    [
        (LAPTOPS, STAFF, True),
        (STAFF, LAPTOPS, True),
        (LAPTOPS, Group(build.FINANCE, "Others", '(device.model -eq "x")'), False),
        (LAPTOPS, BOTH, False),
        (BOTH, LAPTOPS, False),
        (LAPTOPS, ASSIGNED, False),
        (ASSIGNED, LAPTOPS, False),
    ],
)
def test_users_excluded_from_devices_are_a_warning_where_rules_tell(included, excluded, is_mixed):
    wanted = [
        build.want(build.group(included.id)),
        build.want(build.exclusion(excluded.id), line=6),
    ]
    expected = [("warning", "mixed-exclusion", 6)] if is_mixed else []
    assert codes_of(*wanted, known=(included, excluded)) == expected


def test_a_mix_is_fine_where_both_kinds_are_included():
    wanted = [
        build.want(build.group(LAPTOPS.id)),
        build.want(build.group(STAFF.id)),
        build.want(build.exclusion(build.FINANCE)),
    ]
    others = Group(build.FINANCE, "Other staff", '(user.department -eq "Other")')
    assert codes_of(*wanted, known=(LAPTOPS, STAFF, others)) == []


def test_a_mix_that_nobody_declares_is_left_alone():
    live = [build.live(build.exclusion(STAFF.id))]
    assert codes_of(build.want(), live=live, known=(LAPTOPS, STAFF)) == []


@pytest.mark.parametrize(
    ("policy", "platform", "kind", "code"),
    [
        ("windows10", "windows10AndLater", "devices", None),
        ("windows10", "WINDOWS10andLater", "devices", None),
        ("windows10", "iOS", "devices", "filter-platform"),
        ("windows10", "androidForWork", "devices", "filter-platform"),
        ("windows10", None, None, None),
        ("windows10", "windows10AndLater", "apps", "filter-for-apps"),
        ("windows10", "iOSMobileApplicationManagement", "Apps", "filter-for-apps"),
        ("androidWorkProfile", "androidForWork", "devices", None),
        ("androidDeviceOwner", "androidWorkProfile", "devices", None),
        ("aospDeviceOwner", "androidAOSP", "devices", None),
        ("aospDeviceOwner", "androidForWork", "devices", "filter-platform"),
        ("linux", "windows10AndLater", "devices", "filter-on-linux"),
        ("visionOS", "iOS", "devices", None),
        (None, "iOS", "devices", None),
    ],
)
def test_a_filter_must_fit_the_policy(policy, platform, kind, code):
    known = (AssignmentFilter(build.CORPORATE, "Corporate", platform, kind),)
    wanted = build.want(filter=build.filtered())
    expected = [("warning", code, 5)] if code else []
    of = build.policy(platform=policy)
    assert codes_of(wanted, known=known, of=of) == expected
    there = [build.live(filter=build.filtered())]
    assert codes_of(wanted, known=known, of=of, live=there) == expected
    changed = [build.live(filter=build.filtered(mode="exclude"))]
    assert codes_of(wanted, known=known, of=of, live=changed) == expected
    assert codes_of(known=known, of=of, live=there) == []


def test_custom_compliance_takes_no_filter():
    of = build.policy(custom_compliance=True)
    assert codes_of(build.want(filter=build.filtered()), of=of) == [
        ("warning", "filter-on-custom-compliance", 5)
    ]
    assert codes_of(build.want(), of=of) == []


def test_a_filter_is_named_with_both_platforms():
    known = (AssignmentFilter(build.CORPORATE, "Corporate", "iOS", "devices"),)
    (one,) = checked(build.want(filter=build.filtered(name="Corporate")), known=known)
    assert one.message == 'the filter "Corporate" is for iOS, and the policy is for Windows 10/11'


def test_only_a_new_scope_tag_group_is_warned_of():
    target = build.scope_tag_group()
    assert codes_of(build.want(target)) == [("warning", "scope-tag-group", 5)]
    assert codes_of(build.want(target), live=[build.live(target)]) == []


def test_every_policy_is_checked():
    policies = [
        build.nothing(build.policy(name=name), unmanaged=both_sides(), kept=(kept_filter(),))
        for name in "ab"
    ]
    codes = [(one.policy, one.code) for one in lint(policies, build.directory())]
    assert codes == [("a", "group-on-both-sides"), ("b", "group-on-both-sides")]


def both_sides():
    return tuple(
        Unmanaged(build.policy(), build.live(t)) for t in (build.group(), build.exclusion())
    )


def kept_filter():
    return Keep(
        build.policy(), build.live(build.group(build.FINANCE), build.filtered()), build.at()
    )
