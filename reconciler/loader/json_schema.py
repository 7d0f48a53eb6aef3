"""JSON Schema of the YAML files, for editors and other programs. Pure."""

from __future__ import annotations

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import NullableSchema, TaggedUnionSchema, WithDefaultSchema

from reconciler.loader.entry_shapes import REMOVALS, TARGETS, Shape
from reconciler.loader.file_shapes import PoliciesFile, TenantFile


class _NoNull(GenerateJsonSchema):
    """None stands for a key left out; written in a file, null is an error."""

    def nullable_schema(self, schema: NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def tagged_union_schema(self, schema: TaggedUnionSchema) -> JsonSchemaValue:
        """Choose the branch by what is there, so that an editor names the key that is wrong in it.

        Of a plain ``oneOf`` it could only say that none of the branches fits.
        """
        tags = [tag for tag in map(str, schema["choices"]) if tag in _TARGET_TAGS]
        keys = [_key_of(tag) for tag in tags]
        branches = [
            {"if": _condition(str(tag)), "then": self.generate_inner(choice)}
            for tag, choice in schema["choices"].items()
        ]
        union: JsonSchemaValue = {"type": ["string", "object"], "allOf": branches}
        if keys:
            shapes = (REMOVALS if tags[0].startswith(_REMOVE) else TARGETS).values()
            models = [model.model_json_schema()["properties"] for model in shapes]
            about = {key: each["description"] for model in models for key, each in model.items()}
            union["properties"] = {key: {"description": text} for key, text in about.items()}
            union["propertyNames"] = {"enum": list(about)}
            union["if"] = {"type": "object"}
            union["then"] = {"anyOf": [{"required": [key]} for key in keys]}
        return union


_REMOVE = "<remove "
_TARGET_TAGS = frozenset(f"{start}{key}>" for key in TARGETS for start in ("<", _REMOVE))


def _key_of(tag: str) -> str:
    """The key of a target that a tag stands for."""
    return tag.removeprefix(_REMOVE).strip("<>")


def _condition(tag: str) -> JsonSchemaValue:
    if tag in _TARGET_TAGS:
        return {"type": "object", "required": [_key_of(tag)]}
    return {"type": "object" if tag == "<mapping>" else "string"}


def tenant_schema() -> dict[str, object]:
    """JSON Schema (draft 2020-12) of ``tenant.yaml``."""
    return _schema(TenantFile)


def policies_schema() -> dict[str, object]:
    """JSON Schema (draft 2020-12) of a policy file."""
    return _schema(PoliciesFile)


def _schema(model: type[Shape]) -> dict[str, object]:
    body = model.model_json_schema(schema_generator=_NoNull)
    return {"$schema": GenerateJsonSchema.schema_dialect, **body}
