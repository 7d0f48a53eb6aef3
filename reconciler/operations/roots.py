"""Find the tenant roots that a path means, and refuse those that would be in each other's way."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reconciler.loader import Loaded, discover_roots, load
from reconciler.loader.desired_checks import Declared
from reconciler.loader.source_files import TENANT_FILE
from reconciler.model.diagnostics import Location
from reconciler.model.errors import ConfigError
from reconciler.model.identifiers import is_guid
from reconciler.model.plan import Plan
from reconciler.model.state import DesiredPolicy

USUAL_FOLDER = "desired-state"


@dataclass(frozen=True, slots=True)
class Root:
    """A tenant root; ``tenant`` is None where its tenant.yaml has errors."""

    path: Path
    label: str
    tenant: str | None


@dataclass(frozen=True, slots=True)
class PlanRoot:
    """Where a saved plan belongs. ``tenant`` is what ``tenant.yaml`` declares; None without one."""

    path: Path
    tenant: str | None


def tenant_roots(path: Path) -> tuple[Path, ...]:
    """The path itself where it is a tenant root, else every one below it (or its desired-state).

    Where there is none, the path itself comes back: the loader says best what is missing there.
    Raises `ConfigError` where two of several declare one policy of one tenant.
    """
    if (path / TENANT_FILE).is_file() or not path.is_dir():
        return (path,)
    found = _roots_below(path)
    if len(found) > 1:
        _refuse_overlap(_readable(found))
    return found or (path,)


def list_roots(path: Path) -> tuple[Root, ...]:
    """Name every tenant root at or below a path.

    Raises `ConfigError` where there is none; where two bear one label, as their comments, issues
    and plan files would overwrite each other; and where two declare one policy of one tenant.
    """
    if not path.exists():
        raise ConfigError(f'there is no folder "{path}"; name the folder that holds tenant roots')
    loaded = [(root, load(root)) for root in _roots_below(path)]
    if not loaded:
        raise ConfigError(f"there is no tenant root (a folder with tenant.yaml) below {path}")
    found = tuple(_root(root, content) for root, content in loaded)
    _refuse_one_label(found)
    _refuse_overlap(loaded)
    return found


def _roots_below(path: Path) -> tuple[Path, ...]:
    """Every tenant root at or below a folder.

    A folder that holds ``desired-state``, as a clone does, means that: its other folders may hold
    examples and tests.
    """
    usual = path / USUAL_FOLDER
    is_root = (path / TENANT_FILE).is_file()
    found = discover_roots(usual) if not is_root and usual.is_dir() else ()
    return found or discover_roots(path)


def label_of(path: Path, loaded: Loaded) -> str:
    """What comments call a root, even one whose tenant.yaml has errors."""
    return loaded.label or path.resolve().name


def label_at(path: Path) -> str:
    """As `label_of`, for a root that may not be readable."""
    try:
        return label_of(path, load(path))
    except (ConfigError, OSError):
        return path.resolve().name


def root_of_plan(plan: Plan, *, plan_file: Path, below: Path, named: Path | None) -> PlanRoot:
    """The tenant root whose sandbox and state folder serve a saved plan.

    It must have the plan's label and tenant. ``named`` is the one that the user names; without it
    the roots below ``below``, the working folder and the plan file's own are looked at. Where none
    of these is a tenant root at all, the state goes beside the plan file. Raises `ConfigError`
    where the one named does not fit, or none fits, or several do.
    """
    if named is not None:
        root = _root(named, load(named))
        if _is_of(plan, root):
            return PlanRoot(root.path, root.tenant)
        raise ConfigError(f"this plan is for {_tenant_of(plan)}, and not for {_describe(root)}")
    found = discover_roots(below) if below.is_dir() else ()
    beside = [path for path in (Path(), plan_file.parent) if (path / TENANT_FILE).is_file()]
    candidates = _candidates([*found, *beside])
    fitting = [root for root in candidates if _is_of(plan, root)]
    if len(fitting) == 1:
        return PlanRoot(fitting[0].path, fitting[0].tenant)
    if not candidates:
        return PlanRoot(plan_file.parent, None)
    listed = "; ".join(_describe(root) for root in fitting or candidates)
    how_many = "several tenant roots are" if fitting else "no tenant root here is"
    raise ConfigError(
        f"this plan is for {_tenant_of(plan)}, and {how_many} for that label and tenant: {listed}. "
        "Name the right one with --root PATH"
    )


def _candidates(paths: Iterable[Path]) -> list[Root]:
    unique = {path.resolve(): path for path in reversed([*paths])}
    return [_root(path, loaded) for path, loaded in _readable(reversed([*unique.values()]))]


def _is_of(plan: Plan, root: Root) -> bool:
    """Whether a root has the plan's label and tenant; a domain is compared once signed in."""
    if root.label != plan.tenant.label or root.tenant is None:
        return False
    return not is_guid(root.tenant) or root.tenant.lower() == plan.tenant.id.lower()


def _describe(root: Root) -> str:
    return f'{root.path.as_posix()} ("{root.label}", tenant {root.tenant or "not readable"})'


def _tenant_of(plan: Plan) -> str:
    return f'"{plan.tenant.label}" (tenant {plan.tenant.id})'


def _readable(roots: Iterable[Path]) -> Iterator[tuple[Path, Loaded]]:
    """Load what can be loaded: each root says itself, at its turn, what is wrong with it."""
    for root in roots:
        with suppress(ConfigError):
            yield root, load(root)


def _refuse_one_label(roots: Iterable[Root]) -> None:
    """Compare as GitHub does: environments and concurrency groups ignore case."""
    seen: dict[str, Root] = {}
    for root in roots:
        first = seen.setdefault(root.label.casefold(), root)
        if first is root:
            continue
        also = "" if first.label == root.label else f' (and "{root.label}": case does not count)'
        raise ConfigError(
            f'{first.path} and {root.path} have one label, "{first.label}"{also}; '
            "give each tenant.yaml a label of its own"
        )


def _refuse_overlap(roots: Iterable[tuple[Path, Loaded]]) -> None:
    """Refuse two roots with one policy: an authoritative one would delete what the other declares.

    A root whose files have errors is passed over, as nothing of it is ever applied.
    """
    tenants: dict[str, Declared[tuple[Path, DesiredPolicy]]] = {}
    for root, loaded in roots:
        if loaded.state is None:
            continue
        tenant = loaded.state.config.tenant
        declared = tenants.setdefault(tenant.casefold(), Declared())
        for policy in loaded.state.policies:
            platform = policy.platform.casefold() if policy.platform else None
            earlier = declared.find_earlier(policy.reference, platform)
            if earlier is not None:
                there = _place(earlier[0], earlier[1].reference.location)
                here = _place(root, policy.reference.location)
                raise ConfigError(
                    f"{earlier[0]} and {root} both declare the policy {policy.reference} of the "
                    f"tenant {tenant}, at {there} and {here}; declare it in one of the two alone"
                )
            declared.add((root, policy), policy.reference, platform)


def _place(root: Path, location: Location) -> str:
    file = posixpath.normpath(posixpath.join(root.as_posix(), location.file))
    return f"{file}:{location.line}:{location.column}"


def _root(path: Path, loaded: Loaded) -> Root:
    return Root(path, label_of(path, loaded), loaded.config.tenant if loaded.config else None)
