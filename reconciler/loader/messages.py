"""What to tell the author of a file about a value that the models refuse. Pure.

The text depends on what stands in the document. The type of pydantic's error only says where to look.
Advice never widens: it names no broader target, no higher limit and no removal.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from collections.abc import Mapping as ReadOnly
from dataclasses import dataclass
from typing import Any, TypeAlias

from reconciler.loader.document import Document
from reconciler.loader.entry_shapes import BROAD_WORDS, NO_MODE_HELP, TARGET_LISTS, TARGETS
from reconciler.loader.file_shapes import GuardrailsShape
from reconciler.loader.suggestions import (
    NOT_SUGGESTED,
    VALUES,
    broad_word,
    names_people_or_devices,
    nearest,
    similar_values,
)
from reconciler.loader.yaml_nodes import Mapping, Node, Scalar, Sequence, kind_of, quoted
from reconciler.model.diagnostics import Diagnostic, error

Path: TypeAlias = tuple[str | int, ...]

GROUPS_ALONE = (
    'Intune assigns policies to groups: put people or devices in a group, and write "group: NAME"'
)
LIST_TARGETS = "list at least one target under include or exclude"
LIST_POLICIES = 'list policies below it, each starting with "- name:"'
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
            return [refused.report("negative-limit", message, "the lowest limit is 0")]
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
    if owner == "remove" and key in ("filter", "broad", "from", "until"):
        message = f'an entry of "remove" takes no "{key}"'
        return refused.report("remove-takes-targets", message, f"remove the key {key}", refused.key)
    advice = _advise_on_key(refused, key)
    return refused.report("unknown-key", f"unknown key {quoted(key)}", advice, refused.key)


def _advise_on_key(refused: RefusedValue, key: str) -> str:
    is_entry = "group" in refused.known
    near = (broad_word(key) if is_entry else "") or nearest(key, refused.known)
    if near:
        return f'did you mean "{near}"?'
    if is_entry and names_people_or_devices(key):
        return GROUPS_ALONE
    if key[:1].isspace():
        return "the line starts with spaces that are not ordinary ones: type its indentation anew"
    if key in GuardrailsShape.model_fields:
        return "write it under guardrails:"
    if key in TARGETS and "include" in refused.known:
        return "a target is an entry of include or exclude"
    if key == "policies":
        return "policies stand in files of their own, for example policies/windows.yaml"
    listed = [each for each in refused.known if each not in NOT_SUGGESTED]
    advice = f"known keys here: {', '.join(listed)}"
    if isinstance(refused.node, Scalar) and not refused.node.text:
        return f"if it is part of a name with a comma or braces, quote the name; {advice}"
    return advice


def _no_value(refused: RefusedValue) -> PathDiagnostic:
    advice = _advise_on_no_value(refused)
    uncut = refused.node.uncut if isinstance(refused.node, Scalar) else None
    if uncut and not uncut.startswith("!"):
        sign = "# begins a comment" if uncut.startswith("#") else "& names an anchor"
        advice += f"; {sign} in YAML: text that starts with it needs quotes"
    if refused.is_entry:
        return refused.report("no-value", f'an entry of "{refused.name}" is empty', advice)
    return refused.report("no-value", f'"{refused.name}" has no value', advice, refused.key)


def _advise_on_no_value(refused: RefusedValue) -> str:
    name = refused.name
    if refused.is_entry:
        return "write something after the dash"
    if name in BROAD_WORDS:
        return f'write "- {name}" without the colon, or "{name}: true"'
    if name == "policies":
        return LIST_POLICIES
    if name == "tenant":
        return "write the tenant's id or a verified domain after the colon"
    if name == "filter":
        return NO_MODE_HELP
    if name in TARGET_LISTS and "filter" not in refused.path:
        return "list the targets below it, each after a dash"
    if name in VALUES:
        return f"write one of: {', '.join(VALUES[name])}"
    return "write a value after the colon"


def _not_a_target(refused: RefusedValue) -> list[PathDiagnostic]:
    node = refused.node
    if isinstance(node, Scalar):
        near = broad_word(node.text)
        advice = f"did you mean {near}?" if near else f"for a group write: - group: {_spelt(node)}"
        if run_together := _KEY_AND_VALUE.fullmatch(node.text):
            advice = f"write a colon and an ordinary space after {run_together[1]}"
        return [refused.report("unknown-target", f"{quoted(node.text)} is not a target", advice)]
    if isinstance(node, Sequence):
        return [_wrong_type(refused, "model_type")]
    targets = [key for key, _ in node.entries if key.value in TARGETS]
    if targets:
        named = " and ".join(f'"{key.text}"' for key in targets)
        advice = "an entry has one target; two entries reach the members of both"
        return [
            refused.report(
                "several-targets", f"one entry has several targets: {named}", advice, targets[1]
            )
        ]
    return _strange_keys(refused, node, TARGETS) or [
        refused.report("no-target", "the entry has no target", "add group: with a name or id")
    ]


_KEY_AND_VALUE = re.compile(r"(group|collection)\s*[:=]\s*\S.*")


def _not_an_exclusion(refused: RefusedValue) -> list[PathDiagnostic]:
    node = refused.node
    if isinstance(node, Scalar):
        near = broad_word(node.text)
        if near:
            return [_cannot_be_excluded(refused, near, node)]
        advice = f"write: - group: {_spelt(node)}"
        if run_together := _KEY_AND_VALUE.fullmatch(node.text):
            advice = f"write a colon and an ordinary space after {run_together[1]}"
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
            near = broad_word(key.text) or nearest(key.text, known)
            advice = f'did you mean "{near}"?' if near in known else GROUPS_ALONE
            diagnostics.append(
                refused.report("unknown-key", f"unknown key {quoted(key.text)}", advice, key)
            )
    return diagnostics


def _cannot_be_excluded(refused: RefusedValue, target: str, at: Node | None) -> PathDiagnostic:
    message = f'"{target}" cannot be excluded: exclusions are groups'
    return refused.report("exclusion-not-group", message, "name a group instead", at)


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
    listed = f"one of: {', '.join(known)}"
    near = similar_values(refused.name, _text(refused.node))
    advice = f"did you mean {' or '.join(near)}? ({listed})" if near else listed
    if not isinstance(refused.node, Scalar):
        return refused.report(
            "wrong-type", f'"{refused.name}" takes one word, not {kind_of(refused.node)}', advice
        )
    message = f'{quoted(refused.node.text)} is not a value of "{refused.name}"'
    return refused.report("unknown-value", message, advice)


def _not_true(refused: RefusedValue) -> PathDiagnostic:
    message = f'"{refused.name}" takes true and nothing else, not {kind_of(refused.node)}'
    text = _text(refused.node).strip().lower()
    if text in ("true", "yes", "on", "y"):
        advice = "write true, without quotes"
    elif text in ("false", "no", "off", "n", "0"):
        advice = "an entry that is not there reaches nobody; there is no other way to write that"
    else:
        advice = GROUPS_ALONE
    return refused.report("not-true", message, advice)


def describe_missing_key(refused: RefusedValue, key: str) -> PathDiagnostic:
    """Say that a key is missing, and what to write."""
    advice = {
        "policies": 'start the file with "policies:" and list the policies below it',
        "tenant": "write tenant: with the tenant's id or a verified domain",
        "target_type": "write target_type: user or target_type: device",
        "until": "a hold needs both keys: write until: with its last day, as in 2027-01-31",
        "reason": "a hold needs both keys: write reason: with why nothing is to be written",
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
        if with_mode := _MODE_AND_FILTER.fullmatch(node.text):
            advice = (
                f"put braces around it and a colon after {with_mode[1]}: {{{with_mode[1]}: NAME}}"
            )
        return refused.report("filter-mode", "the filter has no mode", advice)
    if kind == "model_type" and refused.name == "filter":
        return refused.report("filter-mode", "the filter has no mode", NO_MODE_HELP)
    expected = _EXPECTED.get(kind, "another kind of value")
    message = f"{refused.subject} takes {expected}, not {kind_of(node)}"
    return refused.report("wrong-type", message, _type_help(refused, kind))


_MODE_AND_FILTER = re.compile(r"(include|exclude)[\s:=]+\S.*")


_MAPPINGS = {
    "policies": 'write "- name: NAME" and the other keys below it',
    **dict.fromkeys(TARGET_LISTS, 'write "- group: NAME"'),
    "defaults": "write {exclude: [{group: NAME}]}",
    "hold": "write {until: 2027-01-31, reason: WHY}",
    "scope_tag_group": "write {target_type: device, entra_object_id: ID}, or user for device",
}
"""What to write where a mapping is due, by key."""


def _type_help(refused: RefusedValue, kind: str) -> str:
    match kind, refused.name:
        case "bool_type", _:
            return "write true or false, without quotes"
        case "int_type", name:
            digits = _text(refused.node).strip()
            return (
                f"write {name}: {digits}, without quotes"
                if digits.isdecimal()
                else "write a whole number, without quotes"
            )
        case "list_type", _:
            return "start each entry with a dash and an ordinary space, on a line of its own"
        case "model_type", name:
            return _MAPPINGS.get(name, "write its keys on the lines below, indented")
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
