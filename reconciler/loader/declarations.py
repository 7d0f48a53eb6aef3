"""Turn a policy file's tree into declared policies with the places they stand at. Pure.

A file with mistakes still gives the policies and entries that are sound, so that the checks across
policies see as much as can be seen and one run shows every mistake. Nothing of it is ever used for
more than that: one error anywhere, and the loader hands out no state.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from pydantic import ValidationError

from reconciler.loader.document import Document
from reconciler.loader.messages import DiagnosticText, Path, nearest
from reconciler.loader.schema import (
    AllDevices,
    AllUsers,
    CollectionTarget,
    Exclusion,
    FilterShape,
    GroupTarget,
    Inclusion,
    ObjectReference,
    PoliciesFile,
    PolicyShape,
    Shape,
)
from reconciler.loader.validation_errors import complaints, gaps
from reconciler.loader.yaml_nodes import Mapping, Node, Scalar, Sequence, plain
from reconciler.model.diagnostics import Diagnostic, Location, error, warning
from reconciler.model.identifiers import is_guid
from reconciler.model.policy_types import PLATFORMS
from reconciler.model.state import (
    DesiredAssignment,
    DesiredPolicy,
    FilterReference,
    Ownership,
    Reference,
    TargetKind,
)

ModelT = TypeVar("ModelT", bound=Shape)

_ATTEMPTS = 3
"""Validations of one file: as it is, without what was refused, and without what that left bare."""


@dataclass(frozen=True, slots=True)
class Checked(Generic[ModelT]):
    """A file against its model: the model where it fits, and the tree that it was made from."""

    shape: ModelT | None
    root: Mapping
    complaints: tuple[DiagnosticText, ...] = ()


def check(document: Document, root: Mapping, model: type[ModelT]) -> Checked[ModelT]:
    """Hold a tree against a model; keys that start with ``x-`` are the author's own."""
    kept = {key: entry for key, entry in root.by_key.items() if not key.startswith("x-")}
    root = replace(root, by_key=kept)
    try:
        return Checked(model.model_validate(plain(root)), root)
    except ValidationError as failure:
        return Checked(None, root, tuple(complaints(failure, document, root, model)))


class PolicyReader:
    """Reads the policies of one file, and collects what is wrong with them in ``diagnostics``.

    ``ownership`` is the tenant's default, or None where ``tenant.yaml`` does not say it soundly.
    """

    def __init__(self, document: Document, ownership: Ownership | None) -> None:
        self.document = document
        self.ownership = ownership
        self.diagnostics: list[Diagnostic] = []
        self._damaged: set[tuple[int, int]] = set()

    def read(self, root: Mapping) -> tuple[DesiredPolicy, ...]:
        """Give every policy of the file that can be made out."""
        checked = check(self.document, root, PoliciesFile)
        found = [*checked.complaints, *self._gaps(checked.root)]
        self.diagnostics += [complaint.diagnostic for complaint in found]
        for _ in range(_ATTEMPTS - 1):
            if not found:
                break
            self._note_damage(checked.root, found)
            doomed = {_salvage_path(complaint.path) for complaint in found}
            checked = check(self.document, _without(checked.root, doomed), PoliciesFile)
            found = list(checked.complaints)
        if checked.shape is None:
            return ()
        nodes = _items(checked.root, "policies")
        pairs = zip(checked.shape.policies, nodes, strict=True)
        return tuple(
            self._policy(shape, node) for shape, node in pairs if isinstance(node, Mapping)
        )

    def _gaps(self, root: Mapping) -> Iterator[DiagnosticText]:
        for position, node in enumerate(_items(root, "policies")):
            if isinstance(node, Mapping):
                yield from gaps(self.document, ("policies", position), node)

    def _note_damage(self, root: Mapping, found: Collection[DiagnosticText]) -> None:
        nodes = _items(root, "policies")
        for complaint in found:
            if len(complaint.path) > 1 and isinstance(position := complaint.path[1], int):
                self._damaged.add((nodes[position].line, nodes[position].column))

    def _policy(self, shape: PolicyShape, node: Mapping) -> DesiredPolicy:
        name_place = self._place_of(node, "name" if shape.name is not None else "id")
        label = shape.name or shape.id or ""
        reference = Reference(shape.id, shape.name, name_place)
        self._look_at_name(shape.name, name_place, label)
        assignments = (
            *(
                self._inclusion(entry, place, label)
                for entry, place in zip(shape.include or (), _items(node, "include"), strict=True)
            ),
            *(
                self._exclusion(entry, place, label)
                for entry, place in zip(shape.exclude or (), _items(node, "exclude"), strict=True)
            ),
        )
        ownership = shape.ownership or self.ownership
        if not assignments and (node.line, node.column) not in self._damaged:
            self._check_emptiness(shape, node, ownership, label)
        platform = self._platform(shape.platform, node, label)
        return DesiredPolicy(reference, platform, ownership or Ownership.ADDITIVE, assignments)

    def _check_emptiness(
        self, shape: PolicyShape, node: Mapping, ownership: Ownership | None, label: str
    ) -> None:
        if ownership is None or (
            shape.include is not None and ownership is Ownership.AUTHORITATIVE
        ):
            return
        key = "include" if shape.include is not None else "exclude"
        found = node.find(key)
        place = self.document.place(found[0] if found else node)
        advice = (
            'list a target, or write "include: []" with "ownership: authoritative" for none at all'
        )
        message = f'"{key}" is empty, so the policy declares nothing'
        self.diagnostics.append(error("empty-include", message, place, help=advice, policy=label))

    def _inclusion(self, shape: Inclusion, node: Node, label: str) -> DesiredAssignment:
        place = self.document.place(node)
        if isinstance(shape, str):
            return DesiredAssignment(TargetKind(shape), place)
        narrowed = self._filter(shape.filter, node, label)
        match shape:
            case AllDevices():
                return DesiredAssignment(
                    TargetKind.ALL_DEVICES, place, filter=narrowed, broad=shape.broad
                )
            case AllUsers():
                return DesiredAssignment(
                    TargetKind.ALL_USERS, place, filter=narrowed, broad=shape.broad
                )
            case GroupTarget():
                group = self._reference(shape.group, self._place_of(node, "group"), label)
                return DesiredAssignment(TargetKind.GROUP, place, group=group, filter=narrowed)
            case CollectionTarget():
                self._look_at_name(shape.collection, self._place_of(node, "collection"), label)
                return DesiredAssignment(
                    TargetKind.COLLECTION, place, id=shape.collection, filter=narrowed
                )
            case _:
                chosen = shape.scope_tag_group
                return DesiredAssignment(
                    TargetKind.SCOPE_TAG_GROUP,
                    place,
                    id=chosen.entra_object_id,
                    target_type=chosen.target_type,
                    filter=narrowed,
                )

    def _exclusion(self, shape: Exclusion, node: Node, label: str) -> DesiredAssignment:
        group = self._reference(shape.group, self._place_of(node, "group"), label)
        place = self.document.place(node)
        return DesiredAssignment(TargetKind.EXCLUSION_GROUP, place, group=group)

    def _filter(self, chosen: FilterShape | None, node: Node, label: str) -> FilterReference | None:
        if chosen is None:
            return None
        found = node.find("filter") if isinstance(node, Mapping) else None
        place = self._place_of(found[1] if found else node, chosen.mode.value)
        return FilterReference(chosen.mode, self._reference(chosen.reference, place, label))

    def _reference(self, shape: str | ObjectReference, place: Location, label: str) -> Reference:
        if isinstance(shape, ObjectReference):
            self._look_at_name(shape.name, place, label)
            return Reference(shape.id, shape.name, place)
        if is_guid(shape):
            return Reference(shape, None, place)
        self._look_at_name(shape, place, label)
        return Reference(None, shape, place)

    def _place_of(self, node: Node, key: str) -> Location:
        found = node.find(key) if isinstance(node, Mapping) else None
        return self.document.place(found[1] if found else node)

    def _platform(self, platform: str | None, node: Mapping, label: str) -> str | None:
        if platform is None:
            return None
        row = PLATFORMS.get(platform.casefold())
        if row:
            return row.platform
        near = _similar_platforms(platform)
        if near:  # a platform that resembles none may be newer than this program
            place, advice = self._place_of(node, "platform"), f"did you mean {', '.join(near)}?"
            message = f'"{platform}" is not a platform that this version knows'
            self.diagnostics.append(
                warning("unknown-platform", message, place, help=advice, policy=label)
            )
        return platform

    def _look_at_name(self, name: str | None, place: Location, label: str) -> None:
        """Warn of what nobody sees in a name: names compare exactly."""
        if name is None or (name.isprintable() and name == name.strip()):
            return
        if name != name.strip():
            message = f'the name "{name}" starts or ends with a space'
            advice = "names compare exactly; remove the space unless the name in Intune has it too"
            self.diagnostics.append(
                warning("name-whitespace", message, place, help=advice, policy=label)
            )
        for character in dict.fromkeys(name.strip()):
            if not character.isprintable():
                title = unicodedata.name(character, "").lower()
                message = f"the name contains the character U+{ord(character):04X} ({title})"
                advice = "names compare exactly; type it anew unless the name in Intune has it too"
                self.diagnostics.append(
                    warning("name-invisible-character", message, place, help=advice, policy=label)
                )


def _similar_platforms(platform: str) -> list[str]:
    known = [row.platform for row in PLATFORMS.values()]
    longer = [each for each in known if each.casefold().startswith(platform.casefold())]
    return longer or [near for near in [nearest(platform, known)] if near]


def _items(mapping: Node, key: str) -> tuple[Node, ...]:
    found = mapping.find(key) if isinstance(mapping, Mapping) else None
    return found[1].items if found and isinstance(found[1], Sequence) else ()


def _salvage_path(path: Path) -> Path:
    """Say what to drop for a complaint: an entry of a side, a key of a policy, or the policy."""
    is_entry = len(path) > 3 and path[2] in ("include", "exclude")
    return path[:4] if is_entry else path[:3]


def _without(root: Mapping, doomed: Collection[Path]) -> Mapping:
    pruned = _prune(root, doomed, ())
    return pruned if isinstance(pruned, Mapping) else root


def _prune(node: Node, doomed: Collection[Path], path: Path) -> Node:
    if isinstance(node, Scalar) or len(path) > 3:
        return node
    if isinstance(node, Sequence):
        items = enumerate(node.items)
        kept = (_prune(each, doomed, (*path, n)) for n, each in items if (*path, n) not in doomed)
        return replace(node, items=tuple(kept))
    kept_keys = {
        name: (key, _prune(value, doomed, (*path, name)))
        for name, (key, value) in node.by_key.items()
        if (*path, name) not in doomed
    }
    return replace(node, by_key=kept_keys)
