"""Names become ids, or an error at their line."""

from dataclasses import replace
from datetime import date

import pytest

from reconciler.differ.resolve import referenced_groups, resolve
from reconciler.model.diagnostics import warning
from reconciler.model.ports import Directory, GroupSearch
from reconciler.model.state import (
    DesiredAssignment,
    Group,
    LivePolicy,
    LiveState,
    Override,
    Reference,
    TargetKind,
    UnreadablePolicy,
)
from tests.support import build

SALES = Group(build.SALES, "Sales laptops")
CORPORATE = build.AssignmentFilter(build.CORPORATE, "Corporate owned", "windows10AndLater")
POLICY = build.named("Windows 11 - Baseline")


def resolved(*lines, of=POLICY, known=(SALES, CORPORATE), live=None, nearby=None, **options):
    """Resolve one declared policy against a tenant that has one."""
    tenant = live or build.tenant_of(LivePolicy(build.policy(), ()))
    resolution = build.directory(*known)
    groups = GroupSearch(resolution.groups.by_id, {}, nearby or {})
    desired = build.desired(build.declared_policy(of, *lines, **options))
    return resolve(desired, tenant, Directory(groups, resolution.filters))


def only_error(resolution):
    assert resolution.state.policies == ()
    (only,) = resolution.diagnostics
    assert only.is_error
    assert only.policy, "whose line it is"
    return only.code, only.location.line, only.message, only.help


def test_a_line_is_resolved_to_ids_and_keeps_its_names_place_and_consent():
    line = build.declare(
        build.named("Sales laptops"), filter=("exclude", build.named("Corporate owned")), broad=True
    )
    resolution = resolved(line)
    (assignment,) = resolution.state.policies[0].assignments
    assert resolution.diagnostics == ()
    assert assignment == build.want(build.group(), build.filtered(mode="exclude"), broad=True)
    assert (assignment.target.name, assignment.filter.name) == ("Sales laptops", "Corporate owned")


def test_a_collection_is_compared_in_lower_case_and_shown_as_it_is_spelt():
    line = DesiredAssignment(TargetKind.COLLECTION, build.at(), id="SMS00042")
    (assignment,) = resolved(line).state.policies[0].assignments
    assert (assignment.target.id, assignment.target.name) == ("sms00042", "SMS00042")


def test_a_scope_tag_group_needs_no_look_up():
    line = DesiredAssignment(
        TargetKind.SCOPE_TAG_GROUP, build.at(), id=build.FINANCE.upper(), target_type="device"
    )
    (assignment,) = resolved(line).state.policies[0].assignments
    assert assignment.target == build.scope_tag_group(build.FINANCE)


def test_an_unknown_group_is_an_error_with_the_nearest_names_of_the_directory():
    near = {"Sales laptop": (Group(build.FINANCE, "Sales loptops"), Group(build.KIOSKS, "Zebra"))}
    assert only_error(resolved(build.declare(build.named("Sales laptop")), nearby=near)) == (
        "unknown-group",
        1,
        'no group is called "Sales laptop"',
        'nearest: "Sales laptops", "Sales loptops"',
    )


@pytest.mark.parametrize(
    ("here", "there", "said"),
    [
        ("Ring \u2013 1", "Ring - 1", "the dash is U+2013 here and U+002D there"),
        ("Ring\u00a01", "Ring 1", "the space is U+00A0 here and U+0020 there"),
        ("Ring 1", "Ring\u200b 1", "an unseen U+200B stands there and not here"),
        ("Ring 1 ", "Ring 1", "a space stands here and not there"),
        ("O\u2019Neil", "O'Neil", "the apostrophe is U+2019 here and U+0027 there"),
        ("\u0421orp", "Corp", "the letter is U+0421 here and U+0043 there"),
        ("Caf\u00e9", "Cafe\u0301", "the letter is U+00E9 here and U+0065 U+0301 there"),
    ],
)
def test_a_name_that_looks_alike_is_told_apart(here, there, said):
    known = [Group(build.SALES, there)]
    unknown = only_error(resolved(build.declare(build.named(here)), known=known))
    assert unknown[3] == f'nearest: "{there}"; {said}'
    mismatch = only_error(resolved(build.declare(build.named(here, build.SALES)), known=known))
    assert mismatch[3].startswith(f"{said}; if it was renamed, ")


def test_a_name_that_differs_in_case_alone_is_an_error_that_names_the_candidate():
    assert only_error(resolved(build.declare(build.named("sales LAPTOPS")))) == (
        "unknown-group",
        1,
        'no group is called "sales LAPTOPS"',
        f'names are case-sensitive; there is "Sales laptops" ({build.SALES})',
    )


def test_an_ambiguous_name_lists_ten_candidates_at_most():
    twins = [Group(f"id-{n:02}", "Twin") for n in range(12)]
    code, _, message, help = only_error(resolved(build.declare(build.named("Twin")), known=twins))
    assert (code, message) == ("ambiguous-group", '12 groups are called "Twin"')
    listed = "; ".join(f"id-{n:02} (assigned)" for n in range(10))
    ten = only_error(resolved(build.declare(build.named("Twin")), known=twins[:10]))[3]
    assert ten.endswith(listed)
    assert help == (
        "write the id of the one that is meant, as in group: {id: id-00, name: Twin}; "
        f"there are: {listed}; and 2 more"
    )


def test_groups_of_one_name_are_told_apart_by_the_rules_of_the_dynamic_ones():
    twins = [
        Group("one", "A, b", 'user.department\n  -eq "Sales" ' + "x" * 60),
        Group("two", "A, b"),
    ]
    assert only_error(resolved(build.declare(build.named("A, b")), known=twins))[3] == (
        'write the id of the one that is meant, as in group: {id: one, name: "A, b"}; there are: '
        f'one (dynamic: user.department -eq "Sales" {"x" * 32}…); two (assigned)'
    )


def test_filters_of_one_name_are_written_under_their_mode():
    twins = [build.AssignmentFilter(id, "true", "iOS") for id in ("one", "two")]
    line = build.declare(build.named("Sales laptops"), filter=("exclude", build.named("true")))
    assert only_error(resolved(line, known=(SALES, *twins)))[3] == (
        'write the id of the one that is meant, as in exclude: {id: one, name: "true"}; '
        "there are: one (iOS); two (iOS)"
    )


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        (build.named("Sales", build.SALES), "group-name-mismatch"),
        (build.named("sales laptops", build.SALES), "group-name-mismatch"),
        (build.named("Sales laptops", build.FINANCE), "unknown-group"),
        (build.named(id=build.FINANCE), "unknown-group"),
    ],
)
def test_an_id_and_a_name_must_agree(reference, code):
    assert only_error(resolved(build.declare(reference)))[0] == code


def test_a_group_that_was_created_again_is_named_with_its_new_id():
    line = build.declare(build.named("Sales laptops", build.FINANCE))
    assert only_error(resolved(line))[3] == (
        f'it may have been deleted and created again; "Sales laptops" is now {build.SALES} (assigned)'
    )


@pytest.mark.parametrize("exclude", [False, True])
def test_a_policy_with_one_mistake_is_left_out_whole(exclude):
    lines = [
        build.declare(build.named("Sales laptops")),
        build.declare(build.named("Nobody"), exclude=exclude),
    ]
    assert only_error(resolved(*lines))[0] == "unknown-group"


def test_every_mistake_of_a_policy_is_reported_in_one_run():
    line = build.declare(
        build.named("Nobody", line=2), filter=("include", build.named("No filter", line=3))
    )
    resolution = resolved(line, of=build.named("No policy"))
    assert [
        (resolution.code, resolution.location.line) for resolution in resolution.diagnostics
    ] == [
        ("unknown-policy", 1),
        ("unknown-group", 2),
        ("unknown-filter", 3),
    ]
    assert {resolution.policy for resolution in resolution.diagnostics} == {"No policy"}


def test_a_missing_filter_never_means_no_filter():
    line = build.declare(build.named("Sales laptops"), filter=("include", build.named("Gone")))
    assert only_error(resolved(line))[0] == "unknown-filter"


def test_the_same_target_by_two_names_is_an_error_at_the_second_line():
    lines = [
        build.declare(build.named("Sales laptops"), line=5),
        build.declare(build.named(id=build.SALES), line=6),
    ]
    assert only_error(resolved(*lines))[:3] == (
        "duplicate-target",
        6,
        "this is the same target as at policies.yaml:5:9",
    )


@pytest.mark.parametrize("first_is_exclusion", [False, True])
def test_a_group_on_both_sides_is_an_error_at_the_exclusion(first_is_exclusion):
    lines = [
        build.declare(build.named("Sales laptops"), line=5),
        build.declare(build.named(id=build.SALES), exclude=True, line=6),
    ]
    assert only_error(resolved(*(reversed(lines) if first_is_exclusion else lines)))[:3] == (
        "group-on-both-sides",
        6,
        'the group "Sales laptops" is excluded here and included at policies.yaml:5:9',
    )


TWINS = build.tenant_of(
    LivePolicy(build.policy(id="one"), ()), LivePolicy(build.policy(id="two", platform="iOS"), ())
)


@pytest.mark.parametrize(("platform", "id"), [("ios", "two"), ("Windows10", "one")])
def test_the_platform_tells_two_policies_of_one_name_apart(platform, id):
    (resolution,) = resolved(platform=platform, live=TWINS).state.policies
    assert resolution.live.policy.id == id


@pytest.mark.parametrize("platform", [None, "macOS"])
def test_a_name_that_stays_ambiguous_lists_ids_and_platforms(platform):
    assert only_error(resolved(platform=platform, live=TWINS)) == (
        "ambiguous-policy",
        1,
        '2 policies are called "Windows 11 - Baseline"',
        (
            "write the id of the one that is meant, as in id: one; "
            "there are: one (platform: windows10); two (platform: iOS)"
        ),
    )


def test_a_platform_that_does_not_fit_is_an_error_even_where_it_was_not_needed():
    by_name, by_id = (
        only_error(resolved(of=reference, platform="macOS"))
        for reference in (POLICY, build.named(id=build.WINDOWS))
    )
    assert by_name == by_id
    assert by_name[2] == 'the policy "Windows 11 - Baseline" is for windows10, not for macOS'


def test_a_policy_declared_twice_is_planned_once_and_is_an_error():
    desired = build.desired(
        build.declared_policy(build.named(POLICY.name, line=1)),
        build.declared_policy(build.named(id=build.WINDOWS, line=2)),
    )
    resolution = resolve(
        desired, build.tenant_of(LivePolicy(build.policy(), ())), build.directory()
    )
    assert [policy.location.line for policy in resolution.state.policies] == [1]
    assert [(d.code, d.location.line) for d in resolution.diagnostics] == [("duplicate-policy", 2)]


def test_a_mistake_in_one_policy_leaves_the_others_resolved():
    desired = build.desired(
        build.declared_policy(build.named("No policy")), build.declared_policy(POLICY)
    )
    resolution = resolve(
        desired, build.tenant_of(LivePolicy(build.policy(), ())), build.directory()
    )
    assert [policy.live.policy.id for policy in resolution.state.policies] == [build.WINDOWS]


def test_policies_come_out_in_order_of_name():
    live = build.tenant_of(*(LivePolicy(build.policy(name=name, id=name), ()) for name in "ab"))
    desired = build.desired(*(build.declared_policy(build.named(name)) for name in "ba"))
    resolution = resolve(desired, live, build.directory())
    assert [policy.live.policy.name for policy in resolution.state.policies] == ["a", "b"]


def test_every_group_that_is_mentioned_is_looked_up_and_nothing_else():
    collection = DesiredAssignment(TargetKind.COLLECTION, build.at(), id="SMS00042")
    policy = build.declared_policy(
        POLICY,
        build.declare(build.named("Sales laptops")),
        build.declare(build.named(id=build.FINANCE), exclude=True),
        build.declare(build.named("Both", build.KIOSKS), filter=("include", build.named("F"))),
        collection,
    )
    wanted = referenced_groups(build.desired(policy))
    assert wanted.names == {"Sales laptops", "Both"}
    assert wanted.ids == {build.FINANCE, build.KIOSKS}


def test_names_to_suggest_are_gathered_for_unknown_names_alone():
    class Untouched(dict):
        def get(self, *_):
            raise AssertionError("nothing is to be suggested")

    resolution = resolved(build.declare(build.named("Sales laptops")), nearby=Untouched(a=()))
    assert resolution.diagnostics == ()


@pytest.mark.parametrize("of", [POLICY, Reference(build.policy().id, None, build.at())])
def test_a_declared_policy_that_cannot_be_read_is_an_error_at_its_line(of):
    tenant = LiveState(
        {}, unreadable={build.policy().id: UnreadablePolicy(build.policy(), "the reason")}
    )

    code, line, message, help_ = only_error(resolved(of=of, live=tenant))

    assert (code, line) == ("unreadable-policy", of.location.line)
    assert message.endswith("cannot be read: the reason")
    assert "nothing is planned for it" in help_


def test_a_policy_that_cannot_be_read_and_is_not_declared_stops_nothing():
    other = replace(build.policy(), id=build.FINANCE, name="Other")
    live = build.tenant_of(LivePolicy(build.policy(), ()))

    resolution = resolved(live=replace(live, unreadable={other.id: UnreadablePolicy(other, "x")}))

    assert resolution.diagnostics == ()
    assert len(resolution.state.policies) == 1


@pytest.mark.parametrize("nameless", [None, ""])
def test_an_object_without_a_name_is_found_by_its_id_alone(nameless):
    known = [
        Group(build.SALES, nameless),
        build.AssignmentFilter(build.CORPORATE, nameless, "windows10AndLater"),
    ]
    line = build.declare(
        build.named(id=build.SALES), filter=("include", build.named(id=build.CORPORATE))
    )
    (assignment,) = resolved(line, known=known).state.policies[0].assignments
    assert (assignment.target.id, assignment.target.name) == (build.SALES, None)
    assert (assignment.filter.id, assignment.filter.name) == (build.CORPORATE, None)


@pytest.mark.parametrize("nameless", [None, ""])
def test_a_name_cannot_be_checked_against_an_object_without_one(nameless):
    known = [Group(build.SALES, nameless)]
    line = build.declare(build.named("Sales laptops", build.SALES))
    assert only_error(resolved(line, known=known)) == (
        "group-name-mismatch",
        1,
        f'the group {build.SALES} has no name that can be read, so it cannot be checked against "Sales laptops"',
        "check the id in the portal, and leave the name out",
    )


@pytest.mark.parametrize("nameless", [None, ""])
def test_an_object_without_a_name_is_no_suggestion(nameless):
    line = build.declare(build.named("Sales laptop"))
    near = {"Sales laptop": (Group(build.FINANCE, nameless),)}
    unknown = only_error(resolved(line, known=[Group(build.KIOSKS, nameless)], nearby=near))
    assert unknown[3].startswith("create it first")


def test_an_uncut_name_is_looked_up_beside_the_name_that_yaml_reads():
    line = build.declare(build.named("Sales"))
    uncut = replace(line, group=replace(line.group, uncut_name="Sales #1"))
    wanted = referenced_groups(build.desired(build.declared_policy(POLICY, uncut)))
    assert wanted.names == {"Sales"}
    assert wanted.uncut_names == {"Sales #1"}


def overriding(reference, **parts):
    line = build.declare(build.named("Sales laptops"), line=6)
    own = build.declared_policy(reference, line)
    return replace(own, override=Override.ADD, **parts)


def test_an_override_by_name_finds_the_policy_that_is_inherited_by_id():
    inherited = replace(
        build.declared_policy(
            build.named(id=build.WINDOWS, line=1), build.declare(build.named(id=build.FINANCE))
        ),
        is_inherited=True,
    )
    finance = Group(build.FINANCE, "Finance")
    live = build.tenant_of(LivePolicy(build.policy(), ()))
    desired = build.desired(inherited, overriding(POLICY))
    resolution = resolve(desired, live, build.directory(SALES, finance))
    assert resolution.diagnostics == ()
    (policy,) = resolution.state.policies
    assert {each.target.id for each in policy.assignments} == {build.SALES, build.FINANCE}
    replaced = build.desired(inherited, replace(overriding(POLICY), override=Override.REPLACE))
    (policy,) = resolve(replaced, live, build.directory(SALES, finance)).state.policies
    assert {each.target.id for each in policy.assignments} == {build.SALES}


def test_an_override_of_nothing_is_an_error_once_the_tenant_has_been_read():
    live = build.tenant_of(LivePolicy(build.policy(), ()))
    resolution = resolve(build.desired(overriding(POLICY)), live, build.directory(SALES))
    assert resolution.state.policies == ()
    assert [each.code for each in resolution.diagnostics] == ["override-of-nothing"]


def test_an_override_of_a_name_that_leads_nowhere_is_an_unknown_policy():
    live = build.tenant_of(LivePolicy(build.policy(), ()))
    desired = build.desired(overriding(build.named("Nobody")))
    assert only_error(resolve(desired, live, build.directory(SALES)))[0] == "unknown-policy"


TWIN = build.policy(id="10000002-0000-4000-8000-00000000000c", platform="macOS")


def two_of_one_name(**changes):
    twin = replace(TWIN, **changes)
    return build.tenant_of(LivePolicy(build.policy(), ()), LivePolicy(twin, ()))


def test_without_a_platform_a_policy_of_no_known_platform_is_not_preferred():
    assert only_error(resolved(live=two_of_one_name(platform=None)))[0] == "ambiguous-policy"


def test_a_platform_does_not_make_up_for_an_id_that_leads_nowhere():
    wrong = build.named(build.policy().name, id=build.FINANCE)
    assert only_error(resolved(of=wrong, platform="macOS", live=two_of_one_name()))[0] == (
        "unknown-policy"
    )


def test_a_platform_does_not_make_up_for_a_name_that_leads_nowhere():
    assert only_error(resolved(of=build.named("Nobody"), platform="macOS"))[0] == "unknown-policy"


def test_a_policy_of_no_known_platform_is_told_to_need_none():
    live = build.tenant_of(LivePolicy(build.policy(platform="x"), ()))
    nameless = build.tenant_of(LivePolicy(replace(build.policy(), platform=None), ()))
    code, _, message, help = only_error(resolved(platform="macOS", live=nameless))
    assert code == "platform-mismatch"
    assert message.endswith("is for an unknown platform, not for macOS")
    assert help == "leave platform out: it is needed only where two policies share a name"
    (mismatch,) = resolved(platform="macOS", live=live).diagnostics
    assert mismatch.policy == build.policy().name
    assert mismatch.help.startswith("write platform: x, or leave platform out")


def test_diagnostics_name_the_policy_so_that_it_is_told_from_its_twin():
    line = build.declare(build.named("Nobody"))
    of = build.named(id=TWIN.id)
    (diagnostic,) = resolved(line, of=of, live=two_of_one_name()).diagnostics
    assert diagnostic.policy == f"{TWIN.name} (10000002)"


def test_each_removal_that_leads_nowhere_is_told_with_its_policy():
    lines = tuple(build.declare(build.named(name)) for name in ("Nobody", "No one"))
    policy = replace(build.declared_policy(POLICY), removals=lines)
    live = build.tenant_of(LivePolicy(build.policy(), ()))
    found = resolve(build.desired(policy), live, build.directory()).diagnostics
    assert [(each.code, each.policy) for each in found] == [("unknown-group", POLICY.name)] * 2


@pytest.mark.parametrize("limit", ["starts", "ends"])
def test_a_default_exclusion_is_not_limited_in_time_by_a_line_of_the_policy(limit):
    own = build.declare(build.named("Sales laptops", line=7), exclude=True, line=7)
    default = replace(own, location=build.at(2), is_default=True)
    limited = replace(own, **{limit: date(2026, 12, 1)})
    assert [each.code for each in resolved(default, own).diagnostics] == []
    assert [each.code for each in resolved(default, limited).diagnostics] == ["default-exclusion"]


def test_only_warnings_of_odd_names_end_with_a_name_that_the_tenant_has():
    resolution = resolved(build.declare(build.named("Sales laptops", line=3)))
    odd, other = warning("name-whitespace", "", build.at(3)), warning("other", "", build.at(3))
    elsewhere = warning("name-whitespace", "", build.at(9))
    assert resolution.without_confirmed([odd, other, elsewhere]) == (other, elsewhere)


@pytest.mark.parametrize("covered_by", ["Sales laptops", build.SALES])
def test_a_group_that_the_snapshot_does_not_cover_is_unknown_and_not_missing(covered_by):
    both = build.named("Sales laptops", build.SALES, line=4)
    groups = replace(build.directory(SALES).groups, not_covered=frozenset([covered_by]))
    desired = build.desired(build.declared_policy(POLICY, build.declare(both)))
    live = build.tenant_of(LivePolicy(build.policy(), ()))
    resolution = resolve(desired, live, Directory(groups, {}))
    assert only_error(resolution) == (
        "not-in-snapshot",
        4,
        'the snapshot does not cover the group "Sales laptops": whether it exists is unknown',
        "make a new snapshot, which looks up every group that the files name now",
    )
    assert resolution.diagnostics[0].policy == POLICY.name


def test_a_policy_of_no_known_platform_is_listed_as_such():
    found = only_error(resolved(live=two_of_one_name(platform=None)))
    assert found[3].endswith(f"{TWIN.id} (unknown platform)")


def test_a_rule_of_sixty_characters_is_shown_whole():
    twins = [Group("one", "A", "x" * 60), Group("two", "A")]
    shown = only_error(resolved(build.declare(build.named("A")), known=twins))[3]
    assert f"one (dynamic: {'x' * 60}); two" in shown


def test_equal_targets_and_filters_of_many_policies_are_kept_once():
    line = build.declare(
        build.named("Sales laptops"), filter=("include", build.named("Corporate owned"))
    )
    other = build.policy("Other", TWIN.id)
    live = build.tenant_of(LivePolicy(build.policy(), ()), LivePolicy(other, ()))
    declared = [build.declared_policy(each, line) for each in (POLICY, build.named("Other"))]
    resolution = resolve(build.desired(*declared), live, build.directory(SALES, CORPORATE))
    one, two = (policy.assignments[0] for policy in resolution.state.policies)
    assert one.target is two.target
    assert one.filter is two.filter


def test_a_name_of_any_alphabet_is_spelt_so_that_it_can_be_pasted():
    twins = [Group(id, "Büro, 1. Stock") for id in ("one", "two")]
    shown = only_error(resolved(build.declare(build.named("Büro, 1. Stock")), known=twins))[3]
    assert 'group: {id: one, name: "Büro, 1. Stock"}' in shown


@pytest.mark.parametrize(
    ("written", "known", "is_suggested"),
    [
        ("Mall laptops", "All laptops", False),
        ("Mall laptops", "Wall laptops", True),
        ("All laptop", "All laptops", True),
        ("Group all laptop", "Group all laptops", True),
        ("Crew all laptops", "Grew all laptops", True),
    ],
)
def test_a_name_that_reaches_everybody_is_suggested_only_for_one_that_says_so(
    written, known, is_suggested
):
    line = build.declare(build.named(written))
    advice = only_error(resolved(line, known=[Group(build.SALES, known)]))[3]
    assert (f'nearest: "{known}"' in advice) is is_suggested


def test_a_name_that_yaml_may_have_cut_is_advised_on_beside_the_suggestions():
    line = build.declare(build.named("Sales laptop"))
    uncut = replace(line, group=replace(line.group, uncut_name="Sales laptop #1"))
    assert only_error(resolved(uncut))[3] == (
        'nearest: "Sales laptops"; # after a space begins a comment in YAML: put the name in '
        'quotes: "Sales laptop #1", if that is the whole name'
    )
    known = [Group(build.SALES, "Sales laptop #1")]
    wrong = replace(uncut, group=replace(uncut.group, id=build.SALES))
    assert only_error(resolved(wrong, known=known))[3].startswith("# after a space begins")


def test_every_name_that_differs_in_case_alone_is_listed():
    known = [Group(build.SALES, "SALES"), Group(build.FINANCE, "Sales")]
    assert only_error(resolved(build.declare(build.named("sales")), known=known))[3] == (
        f'names are case-sensitive; there is "SALES" ({build.SALES}) or "Sales" ({build.FINANCE})'
    )


def test_an_id_that_leads_nowhere_is_told():
    found = only_error(resolved(build.declare(build.named("Nobody", build.FINANCE))))
    assert found[2:] == (
        f"no group has the id {build.FINANCE}",
        "check the id in the portal, or name the group instead",
    )


def test_a_group_on_both_sides_is_told_from_its_twin():
    sides = [build.declare(build.named(id=build.SALES), exclude=each) for each in (False, True)]
    twins = [Group(id, "Twin") for id in (build.SALES, build.FINANCE)]
    found = only_error(resolved(*sides, known=twins))
    assert found[2].startswith('the group "Twin" (20000001) is excluded here')
