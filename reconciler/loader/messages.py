"""The words of a complaint: what is wrong with a value and how to mend it, for an endpoint engineer. Pure.

What stands in the document decides the words; the kind of pydantic's refusal only says where to look.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from collections.abc import Mapping as ReadOnly
from dataclasses import dataclass
from typing import Any, TypeAlias

from reconciler.loader.document import Document
from reconciler.loader.schema import BROAD_WORDS, NO_MODE_HELP, TARGETS
from reconciler.loader.yaml_nodes import Mapping, Node, Scalar, Sequence, kind_of, quoted
from reconciler.model.diagnostics import Diagnostic, error
from reconciler.model.state import BroadTargets, Cloud, Ownership, Writes

Path: TypeAlias = tuple[str | int, ...]

VALUES: dict[str, tuple[str, ...]] = {
    "ownership": tuple(Ownership),
    "cloud": tuple(Cloud),
    "writes": tuple(Writes),
    "broad_targets": tuple(BroadTargets),
    "target_type": ("user", "device"),
}


LIST_POLICIES = 'list policies below it, each starting with "- name:", or delete the file'
WRITE_TENANT = 'write "tenant: <id or domain>" in it'


@dataclass(frozen=True, slots=True)
class DiagnosticText:
    """A diagnostic, and the path in the document to what it is about."""

    path: Path
    diagnostic: Diagnostic


@dataclass(frozen=True, slots=True)
class Spot:
    """What a refusal is about: the value, the key it stands under, the path to it."""

    document: Document
    path: Path
    key: Scalar | None
    node: Node
    known: Collection[str]
    policy: str

    def complain(
        self, code: str, message: str, help: str = "", at: Node | None = None
    ) -> DiagnosticText:
        """Make the complaint, at the value unless another place is given."""
        place = self.document.place(self.node if at is None else at)
        return DiagnosticText(self.path, error(code, message, place, help=help, policy=self.policy))

    @property
    def name(self) -> str:
        """The key, or for an entry of a list the list's key."""
        return next((str(part) for part in reversed(self.path) if isinstance(part, str)), "")

    @property
    def is_entry(self) -> bool:
        """Whether it stands in a list."""
        return bool(self.path) and isinstance(self.path[-1], int)

    @property
    def subject(self) -> str:
        """What to call it at the head of a message."""
        return f'an entry of "{self.name}"' if self.is_entry else f'"{self.name}"'


def nearest(word: str, known: Collection[str]) -> str:
    """Give the known word that was probably meant, or "" where none is near."""
    if len(word) > 64:  # likeness takes time that grows with length, and nothing known is as long
        return ""
    plain = word.strip().lower().replace("-", "_").replace(" ", "_")
    by_form = {each.lower().replace("-", "_"): each for each in known}
    near = difflib.get_close_matches(plain, by_form, 1)
    return by_form[near[0]] if near else ""


def words_for(spot: Spot, refusal: ReadOnly[str, Any]) -> list[DiagnosticText]:
    """Say what is wrong; a key that is missing has `words_for_missing`."""
    kind = refusal["type"]
    if kind == "extra_forbidden":
        return [_unknown_key(spot)]
    if isinstance(spot.node, Scalar) and spot.node.value is None:
        return [_no_value(spot)]
    match kind:
        case "union_tag_not_found":
            return _not_a_target(spot) if spot.is_entry else [_not_a_reference(spot)]
        case "exclusion-not-group":
            return _not_an_exclusion(spot)
        case "enum":
            return [_unknown_value(spot)]
        case "literal_error":
            return [_unknown_value(spot) if spot.name in VALUES else _not_true(spot)]
        case "too_short":
            return [
                spot.complain(
                    "policies-empty",
                    '"policies" is empty and declares nothing',
                    LIST_POLICIES,
                    spot.key,
                )
            ]
        case "greater_than_equal":
            message = f'"{spot.name}" is {_text(spot.node)}, and a limit cannot be below 0'
            return [spot.complain("negative-limit", message, "write 0 to allow none")]
        case _ if "message" in refusal.get("ctx", {}):
            words = refusal["ctx"]
            return [spot.complain(kind, words["message"], words["help"])]
        case _:
            return [_wrong_type(spot, kind)]


def _unknown_key(spot: Spot) -> DiagnosticText:
    key = spot.name
    owner = spot.path[-3] if len(spot.path) > 2 and isinstance(spot.path[-2], int) else ""
    if owner == "include" and key == "broad":
        message = '"broad" is for all_devices and all_users alone'
        return spot.complain("broad-not-applicable", message, "remove it", spot.key)
    if owner == "exclude" and key == "filter":
        advice = "remove the filter; to leave out devices by filter, put filter: {exclude: ...} on an include"
        return spot.complain(
            "filter-on-exclusion", "an exclusion takes no filter", advice, spot.key
        )
    if owner == "exclude" and key in TARGETS:
        return _cannot_be_excluded(spot, key, spot.key)
    near = nearest(key, spot.known)
    if near:
        advice = f'did you mean "{near}"?'
    elif key == "policies":
        advice = "policies stand in files of their own, for example policies/windows.yaml"
    else:
        advice = f"known keys here: {', '.join(spot.known)}"
    return spot.complain("unknown-key", f"unknown key {quoted(key)}", advice, spot.key)


def _no_value(spot: Spot) -> DiagnosticText:
    if spot.is_entry:
        advice = "write something after the dash, or remove the line"
        return spot.complain("no-value", f'an entry of "{spot.name}" is empty', advice)
    if spot.name in BROAD_WORDS:
        advice = f'write "- {spot.name}" without the colon, or "{spot.name}: true"'
    elif spot.name == "policies":
        advice = LIST_POLICIES
    elif spot.name == "tenant":
        advice = "write the tenant's id or a verified domain after the colon"
    elif spot.name in ("include", "exclude") and "filter" not in spot.path:
        advice = "list the targets below it, each after a dash, or remove the key"
    else:
        advice = "write a value after the colon, or remove the key"
    return spot.complain("no-value", f'"{spot.name}" has no value', advice, spot.key)


def _not_a_target(spot: Spot) -> list[DiagnosticText]:
    node = spot.node
    if isinstance(node, Scalar):
        near = nearest(node.text, BROAD_WORDS)
        advice = f"did you mean {near}?" if near else f"for a group write: - group: {_spelt(node)}"
        return [spot.complain("unknown-target", f"{quoted(node.text)} is not a target", advice)]
    if isinstance(node, Sequence):
        return [_wrong_type(spot, "model_type")]
    targets = [key for key, _ in node.entries if key.value in TARGETS]
    if targets:
        named = " and ".join(f'"{key.text}"' for key in targets)
        advice = "write one entry for each, each with a dash of its own"
        return [
            spot.complain(
                "several-targets", f"one entry has several targets: {named}", advice, targets[1]
            )
        ]
    return _strange_keys(spot, node, TARGETS) or [
        spot.complain("no-target", "the entry has no target", f"add one of {', '.join(TARGETS)}")
    ]


def _not_an_exclusion(spot: Spot) -> list[DiagnosticText]:
    node = spot.node
    if isinstance(node, Scalar):
        near = nearest(node.text, BROAD_WORDS)
        if near:
            return [_cannot_be_excluded(spot, near, node)]
        advice = f"write: - group: {_spelt(node)}"
        return [spot.complain("unknown-target", f"{quoted(node.text)} is not an exclusion", advice)]
    if isinstance(node, Sequence):
        return [_wrong_type(spot, "model_type")]
    targets = [key for key, _ in node.entries if key.value in TARGETS]
    if targets:
        return [_cannot_be_excluded(spot, targets[0].text, targets[0])]
    return _strange_keys(spot, node, ("group",)) or [
        spot.complain("no-target", "the entry has no target", "add group: with a name or id")
    ]


def _strange_keys(spot: Spot, node: Mapping, known: Collection[str]) -> list[DiagnosticText]:
    """Each key of an entry without a target that is no key at all; one of them was meant as the target."""
    complaints = []
    for key, _ in node.entries:
        if key.value not in ("filter", "broad"):
            near = nearest(key.text, known)
            advice = f'did you mean "{near}"?' if near else f"a target is one of {', '.join(known)}"
            complaints.append(
                spot.complain("unknown-key", f"unknown key {quoted(key.text)}", advice, key)
            )
    return complaints


def _cannot_be_excluded(spot: Spot, target: str, at: Node | None) -> DiagnosticText:
    message = f'"{target}" cannot be excluded: exclusions are groups'
    return spot.complain("exclusion-not-group", message, "name a group, or remove the entry", at)


def _not_a_reference(spot: Spot) -> DiagnosticText:
    if isinstance(spot.node, Scalar):
        return _unquoted(spot, spot.node)
    if isinstance(spot.node, Sequence):
        message = f'"{spot.name}" takes one name or id, not a list'
        advice = "write one entry for each, or quotes if the brackets belong to the name"
        return spot.complain("wrong-type", message, advice)
    message = f'"{spot.name}" has neither name nor id'
    return spot.complain("no-value", message, "write a name, an id, or {id: ..., name: ...}")


def _unquoted(spot: Spot, node: Scalar) -> DiagnosticText:
    kind = "a yes-or-no value" if isinstance(node.value, bool) else "a number"
    prefix = "- " if spot.is_entry else f"{spot.name}: "
    advice = f'put it in quotes: {prefix}"{node.text}"'
    message = f"{spot.subject} must be text, and {node.text} without quotes is {kind}"
    return spot.complain("unquoted-text", message, advice)


def _unknown_value(spot: Spot) -> DiagnosticText:
    known = VALUES[spot.name]
    near = nearest(_text(spot.node), known)
    listed = f"one of: {', '.join(known)}"
    advice = f'did you mean "{near}"? ({listed})' if near else listed
    if not isinstance(spot.node, Scalar):
        return spot.complain(
            "wrong-type", f'"{spot.name}" takes one word, not {kind_of(spot.node)}', advice
        )
    message = f'{quoted(spot.node.text)} is not a value of "{spot.name}"'
    return spot.complain("unknown-value", message, advice)


def _not_true(spot: Spot) -> DiagnosticText:
    message = f'"{spot.name}" takes true and nothing else, not {kind_of(spot.node)}'
    return spot.complain("not-true", message, f'write "{spot.name}: true", or remove the entry')


def words_for_missing(spot: Spot, key: str) -> DiagnosticText:
    """Say that a key is missing, and what to write."""
    advice = {
        "policies": 'start the file with "policies:" and list the policies below it',
        "tenant": "write tenant: with the tenant's id or a verified domain",
        "target_type": "write target_type: user or target_type: device",
        "entra_object_id": "write entra_object_id: with the object id in Microsoft Entra",
    }.get(key, f"write {key}:")
    made = spot.complain("missing-key", f'"{key}" is missing', advice)
    return DiagnosticText((*spot.path, key), made.diagnostic)


_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "model_type": "a mapping",
}


def _wrong_type(spot: Spot, kind: str) -> DiagnosticText:
    node = spot.node
    if kind == "string_type" and isinstance(node, Scalar):
        return _unquoted(spot, node)
    if kind == "model_type" and spot.name == "filter" and isinstance(node, Scalar):
        text = _spelt(node)
        advice = f"write filter: {{include: {text}}} or filter: {{exclude: {text}}}"
        return spot.complain("filter-mode", "the filter has no mode", advice)
    if kind == "model_type" and spot.name == "filter":
        return spot.complain("filter-mode", "the filter has no mode", NO_MODE_HELP)
    expected = _EXPECTED.get(kind, "another kind of value")
    message = f"{spot.subject} takes {expected}, not {kind_of(node)}"
    return spot.complain("wrong-type", message, _type_help(spot, kind))


def _type_help(spot: Spot, kind: str) -> str:
    match kind, spot.name:
        case "bool_type", _:
            return "write true or false, without quotes"
        case "int_type", name:
            digits = _text(spot.node).strip()
            return f"write {name}: {digits if digits.isdecimal() else 10}, without quotes"
        case "list_type", _:
            return "start each entry with a dash, on a line of its own"
        case "model_type", "policies":
            return 'write "- name: NAME" and the other keys below it'
        case "model_type", "include":
            return "write all_devices, all_users, or one of the keys group, collection, scope_tag_group"
        case "model_type", "exclude":
            return 'write "- group: NAME"'
        case "model_type", "scope_tag_group":
            return "write {target_type: device, entra_object_id: ID}, or user for device"
        case "model_type", _:
            return "write its keys on the lines below, indented"
        case "string_type", _ if isinstance(spot.node, Sequence):
            return "write one text, in quotes if the brackets belong to it"
        case _:
            return "write one value"


def _text(node: Node) -> str:
    return node.text if isinstance(node, Scalar) else ""


def _spelt(node: Scalar) -> str:
    """Spell a value so that it can be pasted: in quotes where YAML needs them."""
    shown = quoted(node.text)
    harmless = isinstance(node.value, str) and all(c.isalnum() or c in " _-." for c in node.text)
    return (
        shown[1:-1]
        if harmless and node.text == node.text.strip() and node.text[:1].isalnum()
        else shown
    )
