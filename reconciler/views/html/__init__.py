"""A plan as one self-contained HTML file. Reads its own template and nothing else.

The page asks the network for nothing and runs nothing but its own script: its content security
policy allows the one style sheet and the one script by their hashes, so that even a name that got
past the escaping could not act. Without scripts everything works but filtering, sorting, and
opening all policies at once.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from reconciler.differ.risk import dangers_of
from reconciler.model import wording
from reconciler.model.saved_plan import SavedPlan
from reconciler.views.escaping import visible_name
from reconciler.views.headline import headline_of
from reconciler.views.html import page
from reconciler.views.html.blocks import (
    SIGNS,
    Facts,
    held_blocks,
    policy_blocks,
    scheduled_rows,
    target_rows,
)

if TYPE_CHECKING:
    from jinja2 import Template


def render(saved: SavedPlan) -> str:
    """Write the page."""
    plan = saved.plan
    state, meaning = page.state_of(plan)
    facts = Facts.of_plan(plan)
    figures = facts.figures
    blocks = policy_blocks(plan, facts)
    changed = [block for block in blocks if block.changes]
    warnings, risk = page.warnings(plan), page.risk(plan, blocks, figures)
    return _template().render(
        plan=plan,
        saved=saved,
        summary=plan.summary,
        state=state,
        meaning=meaning,
        read_at=page.read_at(saved),
        limits=wording.describe_limits(plan.guardrails),
        errors=page.errors(plan),
        stops=page.stops(plan),
        warnings=warnings,
        warnings_open=len(warnings) <= page.MOST_OPEN_WARNINGS and not risk.worst,
        changed=changed,
        parts=page.parts_of(changed),
        unchanged=[block for block in blocks if not block.changes],
        is_folded=sum(len(block.changes) for block in changed) > page.MOST_OPEN_CHANGES,
        headline=headline_of(dangers_of(plan)),
        risk=risk,
        figures=figures,
        targets=target_rows(plan, blocks, figures),
        held=held_blocks(plan),
        scheduled=scheduled_rows(plan),
    )


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - no other view pays for it
    from markupsafe import Markup  # noqa: PLC0415

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["shown"] = visible_name
    style, script = _own("style.css"), _own("script.js")
    environment.globals |= {
        "signs": SIGNS,
        "style": Markup(style),  # noqa: S704 - both are ours
        "script": Markup(script),  # noqa: S704
        "style_hash": _hash(style),
        "script_hash": _hash(script),
    }
    return environment.from_string(_own("page.html.jinja"))


def _own(name: str) -> str:
    text = resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
    return text.replace("\r\n", "\n")  # as a browser reads it before it hashes


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
