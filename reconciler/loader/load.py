"""Read a tenant root's YAML files into a `DesiredState`. Does I/O: it reads files, and writes none.

All errors of all files are reported together. One error anywhere leaves no state at all: under
authoritative ownership an incomplete desired state would remove assignments.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from collections.abc import Mapping as ReadOnly
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic_core import PydanticCustomError

from reconciler.loader.declarations import Checked, PolicyReader, check, hold_of
from reconciler.loader.desired_checks import check_policies, check_targets
from reconciler.loader.document import Document, read
from reconciler.loader.file_shapes import GuardrailsShape, TenantFile
from reconciler.loader.overrides import add_defaults, join_overrides
from reconciler.loader.scalar_types import checked_label
from reconciler.loader.source_files import (
    LOCK_FILE,
    TENANT_FILE,
    Source,
    SourceFiles,
    discover_roots,
)
from reconciler.loader.validation_errors import diagnose_root
from reconciler.loader.yaml_nodes import Mapping, Scalar, Sequence, value_of
from reconciler.model.diagnostics import (
    Diagnostic,
    Location,
    Severity,
    error,
    has_errors,
    sort_diagnostics,
)
from reconciler.model.errors import ConfigError
from reconciler.model.lock import Lock
from reconciler.model.state import (
    DesiredAssignment,
    DesiredPolicy,
    DesiredState,
    Guardrails,
    Ownership,
    Reference,
    TenantConfig,
)

_LABEL_LINE = re.compile(
    rb"""^label:[ ]+(?P<quote>["']?)(?P<label>[\w.-]+)(?P=quote)[ ]*\r?$""", re.MULTILINE
)

MOST_PER_FILE = 200
"""Diagnostics of one file that are shown one by one."""

__all__ = ["Loaded", "Source", "discover_roots", "load"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """The result of reading. ``state`` is None when any diagnostic is an error.

    ``config`` is what ``tenant.yaml`` says, where that file by itself is good.

    ``sources`` are the files that count, ``tenant.yaml`` first, in the order they were read.
    ``folders`` are the folders that they come from, resolved: the root, then what it extends.
    ``label`` is what ``tenant.yaml`` calls the tenant, read even where that file has other errors;
    None where nothing can be read.
    """

    state: DesiredState | None
    diagnostics: tuple[Diagnostic, ...]
    sources: tuple[Source, ...] = ()
    config: TenantConfig | None = None
    folders: tuple[Path, ...] = ()
    label: str | None = None


def load(
    root: Path, overlay: ReadOnly[str, bytes] | None = None, *, with_lock: bool = True
) -> Loaded:
    """Read every file of a tenant root, and report every error and warning in them.

    ``overlay`` holds files below the root that are not written yet, see `SourceFiles`. Without
    ``with_lock`` the lock is not read: whoever writes it anew does not need the old one.
    Raises `ConfigError` where there is no tenant root to read.
    """
    _require_root(root)
    files = SourceFiles(root, overlay)
    content = files.read(files.tenant)
    document = read(content, TENANT_FILE) if content is not None else None
    tenant = _tenant(document) if document else None
    diagnostics = _diagnose_tenant(document, tenant)
    if document and tenant:
        _extend(files, document, tenant.root)
    inherited = frozenset(source.file for source in files.policy_files)
    files.add_folder(root, ".")
    files.add_overlay()
    shape = tenant.shape if tenant else None
    if shape is not None:
        diagnostics += _check_default_label(shape, root)
    lock, lock_diagnostics = _lock(files) if with_lock else (None, ())
    policies, policy_diagnostics = _policies(files, shape.ownership if shape else None, inherited)
    diagnostics += [*policy_diagnostics, *lock_diagnostics]
    policies, override_diagnostics = join_overrides(policies)
    if not _concern(diagnostics, inherited):  # else what is overridden may be what cannot be read
        diagnostics += override_diagnostics
    diagnostics += [*check_policies(policies), *files.diagnostics]
    exclusions, default_diagnostics = _default_exclusions(document, shape)
    diagnostics += default_diagnostics
    policies, default_diagnostics = _with_defaults(policies, exclusions)
    diagnostics += default_diagnostics
    if not files.policy_files and not has_errors(files.diagnostics):
        diagnostics.append(_no_policies())
    ordered = _bounded(sort_diagnostics(_once_each(diagnostics)))
    sources = (files.tenant, *files.policy_files)
    if shape is None or document is None:
        label = _readable_label(document, content)
        return Loaded(None, ordered, sources, folders=tuple(files.folders), label=label)
    config = replace(_config(shape, document, root), default_exclusions=exclusions)
    state = None if has_errors(ordered) else DesiredState(config, policies, lock)
    return Loaded(state, ordered, sources, config, tuple(files.folders), config.label)


def _require_root(root: Path) -> None:
    """Raise `ConfigError` where there is no tenant root, or none that can be read."""
    try:
        _require_tenant_file(root)
    except OSError as failure:
        reason = (failure.strerror or str(failure)).lower()
        raise ConfigError(f'the folder "{root}" cannot be read: {reason}') from failure


def _diagnose_tenant(
    document: Document | None, tenant: Checked[TenantFile] | None
) -> list[Diagnostic]:
    """What is wrong with ``tenant.yaml`` by itself."""
    if document is None:
        return []
    diagnostics = list(document.diagnostics)
    if tenant:
        diagnostics += [each.diagnostic for each in tenant.diagnostics]
    elif not has_errors(diagnostics):
        diagnostics += filter(None, [diagnose_root(document, "tenant")])
    return diagnostics


def _concern(diagnostics: Iterable[Diagnostic], files: Collection[str]) -> bool:
    """Whether one of these files has an error."""
    return any(
        each.is_error and each.location and each.location.file in files for each in diagnostics
    )


def _require_tenant_file(root: Path) -> None:
    """Raise `ConfigError` where there is no tenant.yaml, with what to do about it."""
    if not root.exists():
        raise ConfigError(
            f'there is no folder "{root}"; name the folder that holds your {TENANT_FILE}, '
            "or write a first one with: reconciler init"
        )
    if not root.is_dir():
        raise ConfigError(f'"{root}" is a file; name the folder that holds {TENANT_FILE}')
    if (root / TENANT_FILE).is_symlink() or (root / TENANT_FILE).exists():
        return
    misnamed = sorted(
        each.name for each in root.iterdir() if each.name.lower() in ("tenant.yaml", "tenant.yml")
    )
    if misnamed:
        raise ConfigError(f'"{root}" has {misnamed[0]}: rename it to {TENANT_FILE}')
    below = discover_roots(root)
    if below:
        names = " or ".join(f'"{each}"' for each in below[:5])
        more = f" (and {len(below) - 5} more)" if len(below) > 5 else ""
        raise ConfigError(
            f'"{root}" has no {TENANT_FILE}; name a tenant root below it: {names}{more}'
        )
    raise ConfigError(
        f'"{root}" has no {TENANT_FILE}; write one that names the tenant, as in: tenant: contoso.example, '
        "or let reconciler init write it"
    )


def _tenant(document: Document) -> Checked[TenantFile] | None:
    root = document.root
    return check(document, root, TenantFile) if isinstance(root, Mapping) else None


def _extend(files: SourceFiles, document: Document, tenant: Mapping) -> None:
    """Add the folders of ``extends``, read from the tree so that other errors do not hide them.

    Their own ``tenant.yaml``, if there is one, is not looked at: extending goes one step deep, and
    so cannot run in a circle.
    """
    folders = value_of(tenant, "extends")
    if not isinstance(folders, Sequence):
        return
    for entry in folders.items:
        if isinstance(entry, Scalar) and isinstance(entry.value, str) and entry.value.strip():
            files.add_extended(entry.value, document.place(entry))


def _lock(files: SourceFiles) -> tuple[Lock | None, tuple[Diagnostic, ...]]:
    content = files.read(files.lock) if files.lock else None
    if content is None:
        return None, ()
    from reconciler.loader.lock_file import read_lock  # noqa: PLC0415 - most roots have no lock

    return read_lock(content, LOCK_FILE)


def _policies(
    files: SourceFiles, ownership: Ownership | None, inherited: Collection[str]
) -> tuple[tuple[DesiredPolicy, ...], list[Diagnostic]]:
    policies: list[DesiredPolicy] = []
    diagnostics: list[Diagnostic] = []
    for source in files.policy_files:
        content = files.read(source)
        if content is None:
            continue
        document = read(content, source.file)
        diagnostics += document.diagnostics
        if isinstance(document.root, Mapping):
            reader = PolicyReader(document, ownership)
            is_inherited = source.file in inherited
            policies += (
                replace(policy, is_inherited=is_inherited) for policy in reader.read(document.root)
            )
            diagnostics += reader.diagnostics
        elif document.root is not None or not has_errors(document.diagnostics):
            diagnostics += filter(None, [diagnose_root(document, "policies")])
    return tuple(policies), diagnostics


def _default_exclusions(
    document: Document | None, shape: TenantFile | None
) -> tuple[tuple[DesiredAssignment, ...], list[Diagnostic]]:
    """The lines of ``defaults.exclude``, and what is wrong with them."""
    if document is None or shape is None or not isinstance(document.root, Mapping):
        return (), []
    reader = PolicyReader(document, shape.ownership)
    lines = reader.default_exclusions(shape.defaults, document.root)
    place = document.at(1, 1)
    alone = DesiredPolicy(Reference(None, None, place), None, shape.ownership, lines)
    return lines, [*reader.diagnostics, *check_targets(alone)]


def _with_defaults(
    policies: Iterable[DesiredPolicy], exclusions: tuple[DesiredAssignment, ...]
) -> tuple[tuple[DesiredPolicy, ...], list[Diagnostic]]:
    made = [add_defaults(policy, exclusions) for policy in policies]
    return tuple(policy for policy, _ in made), [each for _, found in made for each in found]


def _config(shape: TenantFile, document: Document, root: Path) -> TenantConfig:
    tenant = value_of(document.root, "tenant")
    return TenantConfig(
        tenant=shape.tenant,
        label=shape.label or _default_label(shape, root),
        location=document.place(tenant) if tenant else document.at(1, 1),
        cloud=shape.cloud,
        ownership=shape.ownership,
        writes=shape.writes,
        guardrails=_guardrails(shape.guardrails),
        hold=hold_of(shape.hold, document.root, document),
    )


def _readable_label(document: Document | None, content: bytes | None) -> str | None:
    """Read ``label:`` from a file with errors, so that its tenant keeps its comment and its jobs.

    A file that does not parse is searched for a line that cannot be meant in any other way.
    """
    if document is not None and isinstance(document.root, Mapping):
        found = document.root.find("label")
        value = found[1].value if found and isinstance(found[1], Scalar) else None
    else:
        line = _LABEL_LINE.search(content or b"")
        value = line["label"].decode() if line else None
    try:
        return checked_label(value) if isinstance(value, str) else None
    except PydanticCustomError:
        return None


def _default_label(shape: TenantFile, root: Path) -> str:
    return root.resolve().name or shape.tenant


def _check_default_label(shape: TenantFile, root: Path) -> Iterator[Diagnostic]:
    """Hold the name of the folder, where it serves as label, to what a label may be."""
    if shape.label is not None:
        return
    try:
        checked_label(_default_label(shape, root))
    except PydanticCustomError as refused:
        message = f"the folder's name cannot serve as label: {refused.message()}"
        advice = f'write "label:" in {TENANT_FILE}, or rename the folder'
        yield error(refused.type, message, Location(TENANT_FILE, 1, 1), help=advice)


def _guardrails(shape: GuardrailsShape) -> Guardrails:
    return Guardrails(
        max_creates=shape.max_creates,
        max_updates=shape.max_updates,
        max_deletes=shape.max_deletes,
        broad_targets=shape.broad_targets,
    )


def _once_each(diagnostics: Iterable[Diagnostic]) -> Iterable[Diagnostic]:
    """Keep one of each diagnostic: what an alias repeats in many policies must be fixed once."""
    unique: dict[tuple[str, Location | None, str], Diagnostic] = {}
    for each in diagnostics:
        unique.setdefault((each.code, each.location, each.message), each)
    return unique.values()


def _bounded(ordered: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Show a file's first diagnostics, and count the rest: nobody fixes a million of them by hand."""
    shown: list[Diagnostic] = []
    left_out: dict[str, list[Diagnostic]] = {}
    seen: Counter[str] = Counter()
    for each in ordered:
        file = each.location.file if each.location else ""
        seen[file] += 1
        if seen[file] <= MOST_PER_FILE:
            shown.append(each)
        else:
            left_out.setdefault(file, []).append(each)
    for rest in left_out.values():
        severity = Severity.ERROR if has_errors(rest) else Severity.WARNING
        message = (
            f"{len(rest)} more errors or warnings in this file are not shown; fix the others first"
        )
        shown.append(Diagnostic(severity, "more-diagnostics", message, rest[0].location))
    return sort_diagnostics(shown)


def _no_policies() -> Diagnostic:
    return error(
        "no-policies",
        "no policy is declared: there is no policy file in this tenant root",
        Location(TENANT_FILE, 1, 1),
        help="write one, for example policies/windows.yaml",
    )
