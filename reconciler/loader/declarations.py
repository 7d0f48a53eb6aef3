"""Turn a policy file's tree into declared policies, each with its place. Pure.

A file with errors still gives its sound policies and entries, so that the checks across policies see
them and one run shows every error. They serve for that alone: with one error anywhere, the loader
returns no state.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Generic, NamedTuple, TypeVar

from pydantic import ValidationError

from reconciler.loader.document import Document
from reconciler.loader.entry_shapes import (
    TARGET_LISTS,
    AllDevices,
    AllUsers,
    CollectionTarget,
    Exclusion,
    FilterShape,
    GroupTarget,
    Inclusion,
    ObjectReference,
    Removal,
    RemovedAllDevices,
    RemovedAllUsers,
    RemovedCollection,
    RemovedGroup,
    Shape,
)
from reconciler.loader.file_shapes import DefaultsShape, HoldShape, PoliciesFile, PolicyShape
from reconciler.loader.messages import LIST_TARGETS, Path, PathDiagnostic
from reconciler.loader.scalar_types import MAX_NAME
from reconciler.loader.validation_errors import describe_refusals, missing_parts
from reconciler.loader.yaml_nodes import Mapping, Node, Scalar, Sequence, plain, value_of
from reconciler.model.diagnostics import Diagnostic, Location, error, warning
from reconciler.model.identifiers import is_guid
from reconciler.model.policy_types import PLATFORMS, similar_platforms
from reconciler.model.state import (
    DesiredAssignment,
    DesiredPolicy,
    FilterReference,
    Hold,
    Override,
    Ownership,
    Reference,
    TargetKind,
)

ModelT = TypeVar("ModelT", bound=Shape)

_ATTEMPTS = 3
"""Validations of one file: as it is, without the errors, and without what they left empty."""


@dataclass(frozen=True, slots=True)
class Checked(Generic[ModelT]):
    """A file against its model: the model where it fits, and the tree that it was made from."""

    shape: ModelT | None
    root: Mapping
    diagnostics: tuple[PathDiagnostic, ...] = ()


def check(document: Document, root: Mapping, model: type[ModelT]) -> Checked[ModelT]:
    """Validate a tree against a model; keys that start with ``x-`` are the author's own."""
    kept = {key: entry for key, entry in root.by_key.items() if not key.startswith("x-")}
    root = root._replace(by_key=kept)
    try:
        return Checked(model.model_validate(plain(root)), root)
    except ValidationError as failure:
        return Checked(None, root, tuple(describe_refusals(failure, document, root, model)))


class _Aim(NamedTuple):
    """Whom an entry names, and whether it consents to everybody; without filter and dates."""

    kind: TargetKind
    group: Reference | None = None
    id: str | None = None
    target_type: str | None = None
    broad: bool = False


class PolicyReader:
    """Reads the policies of one file, and collects its ``diagnostics``.

    ``ownership`` is the tenant's default, or None where ``tenant.yaml`` has an error in it.
    """

    def __init__(self, document: Document, ownership: Ownership | None) -> None:
        self.document = document
        self.ownership = ownership
        self.diagnostics: list[Diagnostic] = []
        self._damaged: set[tuple[int, int]] = set()

    def read(self, root: Mapping) -> tuple[DesiredPolicy, ...]:
        """Give every policy of the file that can be read."""
        checked = check(self.document, root, PoliciesFile)
        errors = [*checked.diagnostics, *self._missing_parts(checked.root)]
        self.diagnostics += [each.diagnostic for each in errors]
        for _ in range(_ATTEMPTS - 1):
            if not errors:
                break
            self._note_damage(checked.root, errors)
            dropped = {_path_to_drop(each.path) for each in errors}
            checked = check(self.document, _without(checked.root, dropped), PoliciesFile)
            errors = list(checked.diagnostics)
        if checked.shape is None:
            return ()
        nodes = _items(checked.root, "policies")
        pairs = zip(checked.shape.policies, nodes, strict=True)
        return tuple(
            self._policy(shape, node) for shape, node in pairs if isinstance(node, Mapping)
        )

    def _missing_parts(self, root: Mapping) -> Iterator[PathDiagnostic]:
        for position, node in enumerate(_items(root, "policies")):
            if isinstance(node, Mapping):
                yield from missing_parts(self.document, ("policies", position), node)

    def _note_damage(self, root: Mapping, errors: Collection[PathDiagnostic]) -> None:
        nodes = _items(root, "policies")
        for each in errors:
            if len(each.path) > 1 and isinstance(position := each.path[1], int):
                self._damaged.add((nodes[position].line, nodes[position].column))

    def _policy(self, shape: PolicyShape, node: Mapping) -> DesiredPolicy:
        name_node = value_of(node, "name" if shape.name is not None else "id") or node
        policy = shape.name or shape.id or ""
        name_place = self.document.place(name_node)
        reference = Reference(shape.id, shape.name, name_place, _uncut_name(name_node))
        self._check_name(shape.name, name_place, policy)
        assignments = (
            *(
                self._inclusion(entry, place, policy)
                for entry, place in zip(shape.include or (), _items(node, "include"), strict=True)
            ),
            *(
                self._exclusion(entry, place, policy)
                for entry, place in zip(shape.exclude or (), _items(node, "exclude"), strict=True)
            ),
        )
        removals = tuple(
            self._removal(entry, place, policy)
            for entry, place in zip(shape.remove or (), _items(node, "remove"), strict=True)
        )
        ownership = shape.ownership or self.ownership
        is_alone = shape.include is None and shape.exclude is None
        if removals and is_alone and shape.override is not Override.ADD:
            self._check_removals_alone(node, ownership, policy)
        elif not (assignments or removals) and (node.line, node.column) not in self._damaged:
            self._check_emptiness(shape, node, ownership, policy)
        platform = self._platform(shape.platform, node, policy)
        return DesiredPolicy(
            reference,
            platform,
            ownership or Ownership.ADDITIVE,
            assignments,
            hold_of(shape.hold, node, self.document),
            removals,
            declares_ownership=shape.ownership is not None,
            defaults=shape.defaults,
            override=shape.override,
        )

    def _check_removals_alone(
        self, node: Mapping, ownership: Ownership | None, policy: str
    ) -> None:
        """Refuse what would remove every assignment though it names some."""
        if ownership is not Ownership.AUTHORITATIVE:
            return
        entry = node.find("remove")
        place = self.document.place(entry[0] if entry else node)
        message = (
            'with "remove" alone, authoritative ownership would remove every other assignment too'
        )
        advice = "list under include or exclude what stays, or write ownership: additive"
        self.diagnostics.append(
            error("remove-alone-authoritative", message, place, help=advice, policy=policy)
        )

    def _check_emptiness(
        self, shape: PolicyShape, node: Mapping, ownership: Ownership | None, policy: str
    ) -> None:
        if ownership is None or (
            shape.include is not None and ownership is Ownership.AUTHORITATIVE
        ):
            return
        key = next(each for each in TARGET_LISTS if getattr(shape, each) is not None)
        entry = node.find(key)
        place = self.document.place(entry[0] if entry else node)
        self.diagnostics.append(
            error(
                "policy-without-targets",
                f'"{key}" is empty, so the policy declares nothing',
                place,
                help=LIST_TARGETS,
                policy=policy,
            )
        )

    def _inclusion(self, shape: Inclusion, node: Node, policy: str) -> DesiredAssignment:
        if isinstance(shape, str):
            return self._removal(shape, node, policy)
        aim = self._aim(shape, node, policy)
        return DesiredAssignment(
            aim.kind,
            self.document.place(node),
            aim.group,
            aim.id,
            aim.target_type,
            filter=self._filter(shape.filter, node, policy),
            broad=aim.broad,
            starts=shape.from_,
            ends=shape.until,
        )

    def _exclusion(self, shape: Exclusion, node: Node, policy: str) -> DesiredAssignment:
        return DesiredAssignment(
            TargetKind.EXCLUSION_GROUP,
            self.document.place(node),
            self._reference(shape.group, value_of(node, "group") or node, policy),
            starts=shape.from_,
            ends=shape.until,
        )

    def _removal(self, shape: Removal, node: Node, policy: str) -> DesiredAssignment:
        aim = self._aim(shape, node, policy)
        place = self.document.place(node)
        return DesiredAssignment(aim.kind, place, aim.group, aim.id, aim.target_type)

    def default_exclusions(
        self, shape: DefaultsShape | None, root: Mapping
    ) -> tuple[DesiredAssignment, ...]:
        """The lines of ``defaults.exclude``, where this document is ``tenant.yaml``."""
        nodes = _items(value_of(root, "defaults") or root, "exclude")
        entries = zip(shape.exclude if shape else (), nodes, strict=False)
        return tuple(
            replace(self._exclusion(entry, node, ""), is_default=True) for entry, node in entries
        )

    def _aim(self, shape: Inclusion | Removal, node: Node, policy: str) -> _Aim:
        match shape:
            case str():
                return _Aim(TargetKind(shape))
            case GroupTarget() | RemovedGroup():
                group = self._reference(shape.group, value_of(node, "group") or node, policy)
                return _Aim(TargetKind.GROUP, group=group)
            case AllDevices():
                return _Aim(TargetKind.ALL_DEVICES, broad=shape.broad)
            case AllUsers():
                return _Aim(TargetKind.ALL_USERS, broad=shape.broad)
            case RemovedAllDevices():
                return _Aim(TargetKind.ALL_DEVICES)
            case RemovedAllUsers():
                return _Aim(TargetKind.ALL_USERS)
            case CollectionTarget() | RemovedCollection():
                self._check_name(shape.collection, self._place_of(node, "collection"), policy)
                return _Aim(TargetKind.COLLECTION, id=shape.collection)
            case _:
                chosen = shape.scope_tag_group
                kind, id = TargetKind.SCOPE_TAG_GROUP, chosen.entra_object_id
                return _Aim(kind, id=id, target_type=chosen.target_type)

    def _filter(
        self, chosen: FilterShape | None, node: Node, policy: str
    ) -> FilterReference | None:
        if chosen is None:
            return None
        value = value_of(value_of(node, "filter"), chosen.mode.value) or node
        return FilterReference(chosen.mode, self._reference(chosen.reference, value, policy))

    def _reference(self, shape: str | ObjectReference, node: Node, policy: str) -> Reference:
        place = self.document.place(node)
        if not isinstance(shape, str):
            self._check_name(shape.name, place, policy)
            return Reference(shape.id, shape.name, place, _uncut_name(value_of(node, "name")))
        if is_guid(shape):
            return Reference(shape, None, place)
        self._check_name(shape, place, policy)
        name = sys.intern(shape)  # many lines name one group: kept once in memory
        return Reference(None, name, place, _uncut_name(node))

    def _place_of(self, node: Node, key: str) -> Location:
        return self.document.place(value_of(node, key) or node)

    def _platform(self, platform: str | None, node: Mapping, policy: str) -> str | None:
        if platform is None:
            return None
        row = PLATFORMS.get(platform.casefold())
        if row:
            return row.platform
        similar = similar_platforms(platform)
        if similar:  # a platform that resembles none may be newer than this program
            place, advice = (
                self._place_of(node, "platform"),
                f"did you mean {' or '.join(similar)}?",
            )
            message = f'"{platform}" is not a platform that this version knows'
            self.diagnostics.append(
                warning("unknown-platform", message, place, help=advice, policy=policy)
            )
        return platform

    def _check_name(self, name: str | None, place: Location, policy: str) -> None:
        """Warn of characters in a name that nobody sees: names compare exactly."""
        if name is None:
            return
        if name[0] in _TYPOGRAPHIC_QUOTES and name[-1] in _TYPOGRAPHIC_QUOTES:
            message = f"the quotation marks {name[0]} and {name[-1]} are part of the name"
            advice = (
                "quotes in YAML are \" and '; type them anew unless the name in Intune has these"
            )
            self.diagnostics.append(
                warning("name-quotes", message, place, help=advice, policy=policy)
            )
        if name.isprintable() and name == name.strip():
            return
        if name != name.strip():
            message = f'the name "{name}" starts or ends with a space'
            advice = "names compare exactly; remove the space unless the name in Intune has it too"
            self.diagnostics.append(
                warning("name-whitespace", message, place, help=advice, policy=policy)
            )
        for character in dict.fromkeys(name.strip()):
            if not character.isprintable():
                title = unicodedata.name(character, "").lower()
                message = f"the name contains the character U+{ord(character):04X} ({title})"
                advice = "names compare exactly; type it anew unless the name in Intune has it too"
                self.diagnostics.append(
                    warning("name-invisible-character", message, place, help=advice, policy=policy)
                )


def hold_of(shape: HoldShape | None, owner: Node | None, document: Document) -> Hold | None:
    """The hold of a policy, or of a tenant, at the key that declares it."""
    if shape is None:
        return None
    entry = owner.find("hold") if isinstance(owner, Mapping) else None
    place = document.place(entry[0]) if entry else document.at(1, 1)
    return Hold(shape.until, shape.reason, place)


_TYPOGRAPHIC_QUOTES = frozenset("\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb")


def _uncut_name(node: Node | None) -> str | None:
    """What the line says, where YAML reads less of it as a name, and it could be one."""
    uncut = node.uncut if isinstance(node, Scalar) else None
    return uncut if uncut is not None and len(uncut) <= MAX_NAME else None


def _items(mapping: Node, key: str) -> tuple[Node, ...]:
    value = value_of(mapping, key)
    return value.items if isinstance(value, Sequence) else ()


def _path_to_drop(path: Path) -> Path:
    """Where to cut an error out: an entry of include, exclude or remove, a key of a policy, or the policy."""
    is_entry = len(path) > 3 and path[2] in TARGET_LISTS
    return path[:4] if is_entry else path[:3]


def _without(root: Mapping, dropped: Collection[Path]) -> Mapping:
    pruned = _prune(root, dropped, ())
    return pruned if isinstance(pruned, Mapping) else root


def _prune(node: Node, dropped: Collection[Path], path: Path) -> Node:
    if isinstance(node, Scalar) or len(path) > 3:
        return node
    if isinstance(node, Sequence):
        items = enumerate(node.items)
        kept = (_prune(each, dropped, (*path, n)) for n, each in items if (*path, n) not in dropped)
        return node._replace(items=tuple(kept))
    kept_keys = {
        name: (key, _prune(value, dropped, (*path, name)))
        for name, (key, value) in node.by_key.items()
        if (*path, name) not in dropped
    }
    return node._replace(by_key=kept_keys)
