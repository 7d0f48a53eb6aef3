"""What shells offer after ``--policy``. Reads the YAML of a tenant root, and never the tenant."""

from __future__ import annotations

from pathlib import Path

from click.shell_completion import CompletionItem

from reconciler.loader import load
from reconciler.model.text import visible
from reconciler.operations.roots import tenant_roots


def policy_names(path: Path, incomplete: str) -> list[CompletionItem]:
    """List the declared policies whose name begins like that, case aside.

    Whatever is wrong with the files, the list is empty: an error would end up in the command line.
    A name that cannot be shown as it is on one line is left out.
    """
    try:
        states = [load(root).state for root in tenant_roots(path)]
    except Exception:  # noqa: BLE001 - a shell shows nothing of it, and validate says it
        return []
    names = {
        policy.reference.name
        for state in states
        if state is not None
        for policy in state.policies
        if policy.reference.name is not None
    }
    return [
        CompletionItem(name)
        for name in sorted(names)
        if name.casefold().startswith(incomplete.casefold()) and visible(name) == name
    ]
