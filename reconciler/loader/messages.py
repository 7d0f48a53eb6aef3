"""What to tell the author of a file about a value that the models refuse. Pure.

The text depends on what stands in the document. The type of pydantic's error only says where to look.
Advice never widens: it names no broader target, no higher limit and no removal.
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
class PathDiagnostic:
    """A diagnostic, and the path in the document to what it is about."""

    path: Path
    diagnostic: Diagnostic


@dataclass(frozen=True, slots=True)
class RefusedValue:
    """What a refusal is about: the value, the key it stands under, the path to it."""

    document: Document
    path: Path
    key: Scalar | None
    node: Node
    known: Collection[str]
    policy: str

    def report(
        self, code: str, message: str, help: str = "", at: Node | None = None
    ) -> PathDiagnostic:
        """Make a diagnostic, at the value unless another place is given."""
        place = self.document.place(self.node if at is None else at)
        return PathDiagnostic(self.path, error(code, message, place, help=help, policy=self.policy))

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


def describe_refusal(refused: RefusedValue, refusal: ReadOnly[str, Any]) -> list[PathDiagnostic]:
    """Say what is wrong; a key that is missing has `describe_missing_key`."""
    error_type = refusal["type"]
    if error_type == "extra_forbidden":
        return [_unknown_key(refused)]
    if isinstance(refused.node, Scalar) and refused.node.value is None:
        return [_no_value(refused)]
    match error_type:
        case "union_tag_not_found":
            return _not_a_target(refused) if refused.is_entry else [_not_a_reference(refused)]
        case "exclusion-not-group":
            return _not_an_exclusion(refused)
        case "enum":
            return [_unknown_value(refused)]
        case "literal_error":
            return [_unknown_value(refused) if refused.name in VALUES else _not_true(refused)]
        case "too_short":
            return [
                refused.report(
                    "policies-empty",
                    '"policies" is empty and declares nothing',
                    LIST_POLICIES,
                    refused.key,
                )
            ]
        case "greater_than_equal":
            message = f'"{refused.name}" is {_text(refused.node)}, and a limit cannot be below 0'
            return [refused.report("negative-limit", message, "write 0 to allow none")]
        case _ if "message" in refusal.get("ctx", {}):
            words = refusal["ctx"]
            return [refused.report(error_type, words["message"], words["help"])]
        case _:
            return [_wrong_type(refused, error_type)]


def _unknown_key(refused: RefusedValue) -> PathDiagnostic:
    key = refused.name
    owner = refused.path[-3] if len(refused.path) > 2 and isinstance(refused.path[-2], int) else ""
    if owner == "include" and key == "broad":
        message = '"broad" is for all_devices and all_users alone'
        return refused.report("broad-not-applicable", message, "remove it", refused.key)
    if owner == "exclude" and key == "filter":
        advice = "remove the filter; to leave out devices by filter, put filter: {exclude: ...} on an include"
        return refused.report(
            "filter-on-exclusion", "an exclusion takes no filter", advice, refused.key
        )
    if owner == "exclude" and key in TARGETS:
        return _cannot_be_excluded(refused, key, refused.key)
    near = nearest(key, refused.known)
    if near:
        advice = f'did you mean "{near}"?'
    elif key == "policies":
        advice = "policies stand in files of their own, for example policies/windows.yaml"
    else:
        advice = f"known keys here: {', '.join(refused.known)}"
    return refused.report("unknown-key", f"unknown key {quoted(key)}", advice, refused.key)


def _no_value(refused: RefusedValue) -> PathDiagnostic:
    if refused.is_entry:
        advice = "write something after the dash, or remove the line"
        return refused.report("no-value", f'an entry of "{refused.name}" is empty', advice)
    if refused.name in BROAD_WORDS:
        advice = f'write "- {refused.name}" without the colon, or "{refused.name}: true"'
    elif refused.name == "policies":
        advice = LIST_POLICIES
    elif refused.name == "tenant":
        advice = "write the tenant's id or a verified domain after the colon"
    elif refused.name in ("include", "exclude") and "filter" not in refused.path:
        advice = "list the targets below it, each after a dash, or remove the key"
    else:
        advice = "write a value after the colon, or remove the key"
    return refused.report("no-value", f'"{refused.name}" has no value', advice, refused.key)


def _not_a_target(refused: RefusedValue) -> list[PathDiagnostic]:
    node = refused.node
    if isinstance(node, Scalar):
        near = nearest(node.text, BROAD_WORDS)
        advice = f"did you mean {near}?" if near else f"for a group write: - group: {_spelt(node)}"
        return [refused.report("unknown-target", f"{quoted(node.text)} is not a target", advice)]
    if isinstance(node, Sequence):
        return [_wrong_type(refused, "model_type")]
    targets = [key for key, _ in node.entries if key.value in TARGETS]
    if targets:
        named = " and ".join(f'"{key.text}"' for key in targets)
        advice = "write one entry for each, each with a dash of its own"
        return [
            refused.report(
                "several-targets", f"one entry has several targets: {named}", advice, targets[1]
            )
        ]
    return _strange_keys(refused, node, TARGETS) or [
        refused.report("no-target", "the entry has no target", f"add one of {', '.join(TARGETS)}")
    ]


def _not_an_exclusion(refused: RefusedValue) -> list[PathDiagnostic]:
    node = refused.node
    if isinstance(node, Scalar):
        near = nearest(node.text, BROAD_WORDS)
        if near:
            return [_cannot_be_excluded(refused, near, node)]
        advice = f"write: - group: {_spelt(node)}"
        return [
            refused.report("unknown-target", f"{quoted(node.text)} is not an exclusion", advice)
        ]
    if isinstance(node, Sequence):
        return [_wrong_type(refused, "model_type")]
    targets = [key for key, _ in node.entries if key.value in TARGETS]
    if targets:
        return [_cannot_be_excluded(refused, targets[0].text, targets[0])]
    return _strange_keys(refused, node, ("group",)) or [
        refused.report("no-target", "the entry has no target", "add group: with a name or id")
    ]


def _strange_keys(
    refused: RefusedValue, node: Mapping, known: Collection[str]
) -> list[PathDiagnostic]:
    """Each key of an entry without a target that is no key at all; one of them was meant as the target."""
    diagnostics = []
    for key, _ in node.entries:
        if key.value not in ("filter", "broad"):
            near = nearest(key.text, known)
            advice = f'did you mean "{near}"?' if near else f"a target is one of {', '.join(known)}"
            diagnostics.append(
                refused.report("unknown-key", f"unknown key {quoted(key.text)}", advice, key)
            )
    return diagnostics


def _cannot_be_excluded(refused: RefusedValue, target: str, at: Node | None) -> PathDiagnostic:
    message = f'"{target}" cannot be excluded: exclusions are groups'
    return refused.report("exclusion-not-group", message, "name a group, or remove the entry", at)


def _not_a_reference(refused: RefusedValue) -> PathDiagnostic:
    if isinstance(refused.node, Scalar):
        return _unquoted(refused, refused.node)
    if isinstance(refused.node, Sequence):
        message = f'"{refused.name}" takes one name or id, not a list'
        advice = "write one entry for each, or quotes if the brackets belong to the name"
        return refused.report("wrong-type", message, advice)
    message = f'"{refused.name}" has neither name nor id'
    return refused.report("no-value", message, "write a name, an id, or {id: ..., name: ...}")


def _unquoted(refused: RefusedValue, node: Scalar) -> PathDiagnostic:
    kind = "a yes-or-no value" if isinstance(node.value, bool) else "a number"
    prefix = "- " if refused.is_entry else f"{refused.name}: "
    advice = f'put it in quotes: {prefix}"{node.text}"'
    message = f"{refused.subject} must be text, and {node.text} without quotes is {kind}"
    return refused.report("unquoted-text", message, advice)


def _unknown_value(refused: RefusedValue) -> PathDiagnostic:
    known = VALUES[refused.name]
    near = nearest(_text(refused.node), known)
    listed = f"one of: {', '.join(known)}"
    advice = f'did you mean "{near}"? ({listed})' if near else listed
    if not isinstance(refused.node, Scalar):
        return refused.report(
            "wrong-type", f'"{refused.name}" takes one word, not {kind_of(refused.node)}', advice
        )
    message = f'{quoted(refused.node.text)} is not a value of "{refused.name}"'
    return refused.report("unknown-value", message, advice)


def _not_true(refused: RefusedValue) -> PathDiagnostic:
    message = f'"{refused.name}" takes true and nothing else, not {kind_of(refused.node)}'
    return refused.report("not-true", message, f'write "{refused.name}: true", or remove the entry')


def describe_missing_key(refused: RefusedValue, key: str) -> PathDiagnostic:
    """Say that a key is missing, and what to write."""
    advice = {
        "policies": 'start the file with "policies:" and list the policies below it',
        "tenant": "write tenant: with the tenant's id or a verified domain",
        "target_type": "write target_type: user or target_type: device",
        "entra_object_id": "write entra_object_id: with the object id in Microsoft Entra",
    }.get(key, f"write {key}:")
    made = refused.report("missing-key", f'"{key}" is missing', advice)
    return PathDiagnostic((*refused.path, key), made.diagnostic)


_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "model_type": "a mapping",
}


def _wrong_type(refused: RefusedValue, kind: str) -> PathDiagnostic:
    node = refused.node
    if kind == "string_type" and isinstance(node, Scalar):
        return _unquoted(refused, node)
    if kind == "model_type" and refused.name == "filter" and isinstance(node, Scalar):
        text = _spelt(node)
        advice = f"write filter: {{include: {text}}} or filter: {{exclude: {text}}}"
        return refused.report("filter-mode", "the filter has no mode", advice)
    if kind == "model_type" and refused.name == "filter":
        return refused.report("filter-mode", "the filter has no mode", NO_MODE_HELP)
    expected = _EXPECTED.get(kind, "another kind of value")
    message = f"{refused.subject} takes {expected}, not {kind_of(node)}"
    return refused.report("wrong-type", message, _type_help(refused, kind))


def _type_help(refused: RefusedValue, kind: str) -> str:
    match kind, refused.name:
        case "bool_type", _:
            return "write true or false, without quotes"
        case "int_type", name:
            digits = _text(refused.node).strip()
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
        case "string_type", _ if isinstance(refused.node, Sequence):
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
