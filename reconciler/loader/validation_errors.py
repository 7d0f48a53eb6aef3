"""Turn pydantic's errors into diagnostics, each at its line and column. Pure.

pydantic says where in the data a value does not fit. That path is followed through the tree of the
document to the key or value that it means.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from collections.abc import Mapping as ReadOnly
from typing import Any

from pydantic import ValidationError

from reconciler.loader.document import Document
from reconciler.loader.entry_shapes import (
    TARGET_LISTS,
    TARGETS,
    FilterShape,
    ObjectReference,
    ScopeTagGroup,
    Shape,
)
from reconciler.loader.file_shapes import DefaultsShape, GuardrailsShape, HoldShape, PolicyShape
from reconciler.loader.messages import (
    LIST_POLICIES,
    LIST_TARGETS,
    WRITE_TENANT,
    Path,
    PathDiagnostic,
    RefusedValue,
    describe_missing_key,
    describe_refusal,
)
from reconciler.loader.suggestions import nearest
from reconciler.loader.yaml_nodes import Mapping, Node, Scalar, Sequence, kind_of, value_of
from reconciler.model.diagnostics import Diagnostic, Location, error
from reconciler.model.text import visible


def describe_refusals(
    failure: ValidationError, document: Document, root: Mapping, model: type[Shape]
) -> list[PathDiagnostic]:
    """Turn every error of one validation into a diagnostic with its place."""
    refusals = failure.errors(include_url=False)
    diagnostics: list[PathDiagnostic] = []
    meant: set[Path] = set()
    absent: list[PathDiagnostic] = []
    for refusal in refusals:
        refused = _locate(document, root, model, refusal)
        if refusal["type"] == "missing":
            absent.append(describe_missing_key(refused, str(refusal["loc"][-1])))
            continue
        if refusal["type"] == "extra_forbidden":
            near = nearest(str(refusal["loc"][-1]), refused.known)
            meant.update({(*refused.path[:-1], near)} if near else ())
        diagnostics += describe_refusal(refused, refusal)
    # A misspelt key is one error: do not also say that the right key is missing.
    return diagnostics + [each for each in absent if each.path not in meant]


def missing_parts(document: Document, path: Path, policy: Mapping) -> Iterator[PathDiagnostic]:
    """Report a policy without a name or without targets, unless a misspelt key may hold them."""
    keys = set(policy.by_key)
    keys |= {
        nearest(key, PolicyShape.model_fields) for key in keys - PolicyShape.model_fields.keys()
    }
    refused = RefusedValue(document, path, None, policy, (), policy_name(policy))
    if not keys & {"name", "id"}:
        advice = "write name: with the policy's display name in Intune, or id: with its id"
        yield refused.report("policy-without-name", "the policy has neither name nor id", advice)
    if not keys & {*TARGET_LISTS}:
        yield refused.report(
            "policy-without-targets", "the policy has neither include nor exclude", LIST_TARGETS
        )


def policy_name(policy: Node) -> str:
    """What to call a policy in a message: its name, else its id, else nothing."""
    for key in ("name", "id"):
        value = value_of(policy, key)
        if isinstance(value, Scalar) and isinstance(name := value.value, str):
            return visible(name)
    return ""


def _locate(
    document: Document, root: Node, model: type[Shape], refusal: ReadOnly[str, Any]
) -> RefusedValue:
    """Walk from the root along pydantic's path, past the tags of unions that it has in it."""
    loc, key, node, path = refusal["loc"], None, root, []
    for position, part in enumerate(loc):
        is_last_key = position == len(loc) - 1 and refusal["type"] == "extra_forbidden"
        if isinstance(part, int) and isinstance(node, Sequence):
            key, node = None, node.items[part]
        elif (
            isinstance(part, str)
            and isinstance(node, Mapping)
            and (is_last_key or not part.startswith("<"))
        ):
            entry = node.find(part)
            if entry is None:
                break
            key, node = entry
        else:
            continue
        path.append(part)
    container = path[:-1] if refusal["type"] == "extra_forbidden" else path
    policy = ""
    if path[:1] == ["policies"] and len(path) > 1:
        policies = value_of(root, "policies")
        if isinstance(policies, Sequence):
            policy = policy_name(policies.items[int(path[1])])
    return RefusedValue(
        document, tuple(path), key, node, _known_keys(tuple(container), model), policy
    )


_SHAPES: dict[str, type[Shape]] = {
    "filter": FilterShape,
    "scope_tag_group": ScopeTagGroup,
    "guardrails": GuardrailsShape,
    "defaults": DefaultsShape,
    "hold": HoldShape,
}
"""By the key of a mapping."""


def _known_keys(container: Path, model: type[Shape]) -> Collection[str]:
    match container:
        case ():
            return model.model_fields
        case (*_, "policies", int()):
            return PolicyShape.model_fields
        case (*_, "include", int()):
            return (*TARGETS, "filter", "broad", "from", "until")
        case (*_, "exclude", int()):
            return ("group", "from", "until")
        case (*_, "remove", int()):
            return tuple(TARGETS)
        case (*_, str() as key) if key in _SHAPES:
            return _SHAPES[key].model_fields
        case _:
            return ObjectReference.model_fields


def diagnose_root(document: Document, first_key: str) -> Diagnostic | None:
    """Report a file that is empty or not a mapping; None where it can be checked further."""
    root = document.root
    if root is None or (isinstance(root, Scalar) and root.value is None):
        is_tenant = first_key == "tenant"
        advice = WRITE_TENANT if is_tenant else f'write "{first_key}:" in it, and {LIST_POLICIES}'
        return error("empty-file", "the file is empty", Location(document.file, 1, 1), help=advice)
    if isinstance(root, Mapping):
        return None
    message = f'the file must be a mapping with the key "{first_key}", not {kind_of(root)}'
    advice = f'start the file with "{first_key}:"'
    if isinstance(root, Sequence):
        advice += " on a line of its own above the list"
    return error("wrong-type", message, document.place(root), help=advice)
