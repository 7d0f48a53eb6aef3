"""Put pydantic's refusals into words for an endpoint engineer, each at its line and column. Pure.

pydantic says where in the data a value did not fit. Here that path is walked back through the tree of
the document to the key or value meant, and what stands there decides the words.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from collections.abc import Mapping as ReadOnly
from typing import Any

from pydantic import ValidationError

from reconciler.loader.document import Document
from reconciler.loader.messages import (
    LIST_POLICIES,
    WRITE_TENANT,
    DiagnosticText,
    Path,
    Spot,
    nearest,
    words_for,
    words_for_missing,
)
from reconciler.loader.schema import (
    TARGETS,
    FilterShape,
    GuardrailsShape,
    ObjectReference,
    PolicyShape,
    ScopeTagGroup,
    Shape,
)
from reconciler.loader.yaml_nodes import Mapping, Node, Scalar, Sequence, kind_of, quoted
from reconciler.model.diagnostics import Diagnostic, Location, error


def complaints(
    failure: ValidationError, document: Document, root: Mapping, model: type[Shape]
) -> list[DiagnosticText]:
    """Turn every refusal of one validation into a complaint with its place."""
    refusals = failure.errors(include_url=False)
    found: list[DiagnosticText] = []
    meant: set[Path] = set()
    absent: list[DiagnosticText] = []
    for refusal in refusals:
        spot = _spot(document, root, model, refusal)
        if refusal["type"] == "missing":
            absent.append(words_for_missing(spot, str(refusal["loc"][-1])))
            continue
        if refusal["type"] == "extra_forbidden":
            near = nearest(str(refusal["loc"][-1]), spot.known)
            meant.update({(*spot.path[:-1], near)} if near else ())
        found += words_for(spot, refusal)
    # A misspelt key is one mistake: that the right one is missing then goes without saying.
    return found + [complaint for complaint in absent if complaint.path not in meant]


def gaps(document: Document, path: Path, policy: Mapping) -> Iterator[DiagnosticText]:
    """Complain of a policy that names no policy, or no targets, unless a misspelt key may hold them."""
    keys = set(policy.by_key)
    keys |= {
        nearest(key, PolicyShape.model_fields) for key in keys - PolicyShape.model_fields.keys()
    }
    spot = Spot(document, path, None, policy, (), policy_name(policy))
    if not keys & {"name", "id"}:
        advice = "write name: with the policy's display name in Intune, or id: with its id"
        yield spot.complain("policy-without-name", "the policy has neither name nor id", advice)
    if not keys & {"include", "exclude"}:
        advice = "list who gets the policy under include, or who does not under exclude"
        yield spot.complain(
            "policy-without-targets", "the policy has neither include nor exclude", advice
        )


def policy_name(policy: Node) -> str:
    """What to call a policy in a message: its name, else its id, else nothing."""
    for key in ("name", "id"):
        found = policy.find(key) if isinstance(policy, Mapping) else None
        if found and isinstance(found[1], Scalar) and isinstance(found[1].value, str):
            name = found[1].value
            return name if name.isprintable() else quoted(name)[1:-1]
    return ""


def _spot(document: Document, root: Node, model: type[Shape], refusal: ReadOnly[str, Any]) -> Spot:
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
            found = node.find(part)
            if found is None:
                break
            key, node = found
        else:
            continue
        path.append(part)
    container = path[:-1] if refusal["type"] == "extra_forbidden" else path
    policy = ""
    if path[:1] == ["policies"] and len(path) > 1:
        policies = root.find("policies") if isinstance(root, Mapping) else None
        if policies and isinstance(policies[1], Sequence):
            policy = policy_name(policies[1].items[int(path[1])])
    return Spot(document, tuple(path), key, node, _known_keys(tuple(container), model), policy)


def _known_keys(container: Path, model: type[Shape]) -> Collection[str]:
    match container:
        case ():
            return model.model_fields
        case (*_, "policies", int()):
            return PolicyShape.model_fields
        case (*_, "include", int()):
            return (*TARGETS, "filter", "broad")
        case (*_, "exclude", int()):
            return ("group",)
        case (*_, "filter"):
            return FilterShape.model_fields
        case (*_, "scope_tag_group"):
            return ScopeTagGroup.model_fields
        case (*_, "guardrails"):
            return GuardrailsShape.model_fields
        case _:
            return ObjectReference.model_fields


def root_complaint(document: Document, first_key: str) -> Diagnostic | None:
    """Complain of a file that is empty, or is no mapping; None where it can be looked at."""
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
