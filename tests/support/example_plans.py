"""A plan of every state, a hostile one, and a result of every status. No test stands here."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from reconciler.model.diagnostics import Location, error, warning
from reconciler.model.impact import ComplianceAction, PolicyImpact, Reach, Unknown
from reconciler.model.plan import (
    Create,
    Plan,
    PlanTenant,
)
from reconciler.model.result import ApplyResult, PolicyOutcome, Status
from reconciler.model.state import (
    Cloud,
    Guardrails,
    Hold,
    Target,
    TargetKind,
)
from tests.support.build_impact import (
    FORBIDDEN,
    blocking,
    devices,
    uncounted,
    with_impact,
)
from tests.support.build_plans import (
    ALL_DEVICES,
    ALL_USERS,
    LINUX,
    MACS,
    PHONES,
    TENANT,
    WINDOWS,
    an_id,
    at,
    create,
    delete,
    excluded,
    group,
    inherited,
    keep,
    only,
    plan,
    policy,
    policy_plan,
    unmanaged,
    update,
    without,
)

HOSTILE_NAMES = (
    "a | b",
    "`code` ``more`` `",
    "@contoso/everyone",
    "fixes #123",
    "<script>alert(1)</script>",
    "[click](http://evil.example/x)",
    "![i](https://evil.example/i.png)",
    "www.evil.example",
    "<https://evil.example>",
    "two\nlines\r\n| c | d |",
    "abc\u202egnp.exe",
    "zero\u200bwidth\u2060\ufeff",
    "--> <!-- x -->",
    "::error file=a::b",
    "&lt;b&gt; &amp;",
    "back\\slash\\|pipe",
    " outer  spaces ",
    "**bold** _it_ ~~gone~~ $x$",
    "# title",
    "- item",
    "1. item",
    "</details></summary>",
    "</script><style>*{display:none}</style>",
    '" onmouseover="alert(1)',
    "{{ 7 * 7 }} {% raw %}",
    "e\u0301\u0301\u0301\u0301\u0301\u0301\u0301",
    "n" * 256,
    "|" * 256,
    "`" * 256,
    "\\",
    "\x1b[31mred\x07",
    "",
)


def held() -> Plan:
    """Changes that a hold keeps back, beside one that is written."""
    waiting = policy_plan(
        MACS,
        create(MACS, ALL_DEVICES, only("Corporate owned"), line=7),
        delete(MACS, excluded("Interns")),
    )
    hold = Hold(date(2026, 12, 1), "Change freeze CHG-4711")
    return plan(
        policy_plan(WINDOWS, create(WINDOWS, group("Sales laptops"), line=7)),
        replace(waiting, changes=(), held=waiting.changes, hold=hold),
    )


def ordinary() -> Plan:
    """A little of everything that may be applied."""
    return plan(
        policy_plan(
            WINDOWS,
            create(WINDOWS, group("Sales laptops"), only("Corporate owned"), line=7),
            create(WINDOWS, excluded("Break glass devices"), line=14),
            keep(WINDOWS, group("Ring 1 - Pilot")),
            unmanaged(WINDOWS, group("Helpdesk test devices"), without("Kiosks")),
            unmanaged(WINDOWS, group(None, id="0b5e7a30-1c02-4e0b-8f0d-2f4f6f0c9d11")),
        ),
        policy_plan(
            MACS,
            update(MACS, group("Design Macs"), None, only("macOS 15 and later"), line=5),
            keep(MACS, group("Ring 1 - Pilot")),
            inherited(MACS, group("Executives")),
        ),
        policy_plan(
            PHONES,
            keep(PHONES, ALL_USERS, only("Corporate owned")),
            keep(PHONES, excluded("Kiosk phones")),
        ),
        policy_plan(LINUX, create(LINUX, group("Developers"), line=31)),
        diagnostics=(
            warning(
                "inherited",
                "this target is already assigned through a policy set, so nothing is added",
                at("policies/macos.yaml", 9),
                help="it goes when the policy set goes; to own it here, take it out of the set",
                policy=MACS.name,
            ),
        ),
    )


def counted() -> Plan:
    """The ordinary plan, with what its changes reach; of Linux nothing is known."""
    made = ordinary()
    reach = {
        "Sales laptops": devices(1240, matches=3410),
        "Break glass devices": devices(12),
        "Design Macs": Reach(120, 30, 310, 310),
        "Developers": uncounted(),
    }
    catalog = "Graph does not show the actions of a settings catalog policy"
    return with_impact(
        made,
        {change: reach[change.target.name or ""] for change in made.changes},
        {
            WINDOWS: blocking(pending=3),
            MACS: PolicyImpact((ComplianceAction("block", 0.5),), None),
            LINUX: PolicyImpact(Unknown(catalog), FORBIDDEN),
        },
    )


def unchanged() -> Plan:
    return plan(
        policy_plan(WINDOWS, keep(WINDOWS, group("Ring 1 - Pilot")), unmanaged(WINDOWS, ALL_USERS))
    )


def broad_and_deleting() -> Plan:
    """A plan that two guardrails stop."""
    create_all = create(PHONES, ALL_DEVICES, line=4)
    return plan(
        policy_plan(
            WINDOWS,
            delete(WINDOWS, group("Old pilot"), only("Corporate owned")),
            delete(WINDOWS, excluded("Contractors")),
            create(WINDOWS, group("Sales laptops")),
        ),
        policy_plan(PHONES, create_all),
        policy_plan(MACS, update(MACS, ALL_USERS, only("Corporate owned"), None, line=12)),
        diagnostics=(
            warning(
                "broad-target",
                "this assigns the policy to every device of the tenant",
                create_all.declared_at,
                policy=PHONES.name,
            ),
        ),
    )


def incomplete() -> Plan:
    """A plan that an error keeps a policy out of."""
    place = Location("policies/windows.yaml", 7, 16, "      - group: Sales laptosp")
    return plan(
        policy_plan(WINDOWS, create(WINDOWS, group("Ring 1 - Pilot"), line=12)),
        diagnostics=(
            error(
                "unknown-group",
                'no group is called "Sales laptosp"',
                place,
                help='nearest: "Sales laptops"',
                policy="macOS - FileVault",
            ),
        ),
        selection=("Windows*", "macOS*"),
    )


def hostile() -> Plan:
    """Every name a trap."""
    policies = []
    for index, name in enumerate(HOSTILE_NAMES):
        other = HOSTILE_NAMES[-index - 1]
        each = policy(name, other or "x")
        place = Location(f"{name[:40] or 'x'}.yaml", 1, 1, f"- group: {name}")
        policies.append(
            policy_plan(
                each,
                Create(each, group(name), only(other), place),
                update(each, group(other + "u"), only(name), without(name)),
                delete(each, excluded(name + "x")),
                keep(each, group(name + "k")),
                unmanaged(each, Target(TargetKind.OPAQUE, an_id(name), None, None, f"#x.{name}")),
                inherited(each, group(name + "i")),
            )
        )
    found = tuple(
        make(
            "code",
            f'the group "{name}" is {name} in the tenant',
            Location(name or "x", 1, 1, name),
            help=name,
            policy=name,
        )
        for name in HOSTILE_NAMES
        for make in (error, warning)
    )
    tenant = PlanTenant(TENANT.id, "--> | `x` @a <b>", "<i>Contoso</i>\n# x", Cloud.GLOBAL)
    return plan(*policies, diagnostics=found, selection=HOSTILE_NAMES, tenant=tenant)


def large(changes: int, *, per_policy: int = 10) -> Plan:
    """A plan of so many changes, in policies of ten."""
    policies = []
    for number in range(-(-changes // per_policy)):
        each = policy(f"Policy {number:05}")
        first = number * per_policy
        numbers = range(first, min(first + per_policy, changes))
        policies.append(
            policy_plan(each, *(create(each, group(f"Group {n % 997}-{n}")) for n in numbers))
        )
    return plan(*policies, guardrails=Guardrails(max_creates=changes))


def applied(*outcomes: PolicyOutcome) -> ApplyResult:
    return ApplyResult(TENANT, ordinary().digest, outcomes)


def mixed_outcomes() -> ApplyResult:
    """One policy of each status."""
    done = create(WINDOWS, group("Sales laptops"), only("Corporate owned"))
    change = update(MACS, group("Design Macs"), None, only("macOS 15 and later"))
    phones = create(PHONES, group("Field staff"))
    linux = delete(LINUX, group("Developers"))
    return applied(
        PolicyOutcome(
            WINDOWS,
            Status.APPLIED,
            (done,),
            (done,),
            notes=('group "Visitors" was added by somebody else during the write',),
        ),
        PolicyOutcome(
            MACS,
            Status.FAILED,
            (change,),
            error="Graph refused the write (400 BadRequest): the filter is of another platform",
            request_id="0f1e2d3c-aaaa-4bbb-8ccc-1234567890ab",
        ),
        PolicyOutcome(
            PHONES,
            Status.PENDING_APPROVAL,
            (phones,),
            approval_code="9d8c7b6a-1111-4222-8333-abcdefabcdef",
        ),
        PolicyOutcome(LINUX, Status.NOT_TRIED, (linux,)),
    )


STATES = {
    "changes": ordinary,
    "no-changes": unchanged,
    "stopped": broad_and_deleting,
    "incomplete": incomplete,
    "hostile": hostile,
    "held": held,
}

"""Every state a plan can be in, for the golden files."""
