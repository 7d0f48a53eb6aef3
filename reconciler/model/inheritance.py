"""Join a policy of a root with the same policy of a folder that the root extends. Pure."""

from __future__ import annotations

from dataclasses import replace

from reconciler.model.diagnostics import Diagnostic, error
from reconciler.model.state import DesiredPolicy, Override


def join_inherited(inherited: DesiredPolicy, own: DesiredPolicy) -> DesiredPolicy:
    """What the root wants of the policy. ``own.override`` must be set, and is not in the result.

    With ``add`` the targets of both count; of everything else the own word counts where there is one.
    """
    if own.override is not Override.ADD:
        return replace(own, override=None)
    here, there = own.reference, inherited.reference
    defaults = inherited.defaults if own.defaults is None else own.defaults
    own_word = own if own.declares_ownership or not inherited.declares_ownership else inherited
    lines = (*inherited.assignments, *own.assignments)
    default_lines = dict.fromkeys(each for each in lines if each.is_default)
    return replace(
        own,
        reference=replace(here, id=here.id or there.id, name=here.name or there.name),
        platform=own.platform or inherited.platform,
        ownership=own_word.ownership,
        declares_ownership=own_word.declares_ownership,
        assignments=(
            *(each for each in lines if not each.is_default),
            *(default_lines if defaults is not False else ()),
        ),
        removals=(*inherited.removals, *own.removals),
        hold=own.hold or inherited.hold,
        defaults=defaults,
        override=None,
    )


def nothing_to_override(own: DesiredPolicy) -> Diagnostic:
    """The error for an override of a policy that no extended folder declares."""
    return error(
        "override-of-nothing",
        f"override: {own.override} is written, and no extended folder declares the policy {own.reference}",
        own.reference.location,
        help="remove override, or check the name and the folders of extends in tenant.yaml",
        policy=own.reference.name_or_id,
    )
