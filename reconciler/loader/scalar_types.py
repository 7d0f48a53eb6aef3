"""The kinds of text that the YAML holds (names, ids, domains), and what each refuses. Pure.

A refusal raised here is complete: `reconciler.loader.validation_errors` adds the place and nothing else.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, StrictInt, WithJsonSchema
from pydantic_core import PydanticCustomError

from reconciler.loader.yaml_nodes import quoted
from reconciler.model.identifiers import GUID_PATTERN, is_guid
from reconciler.model.state import NO_FILTER_ID
from reconciler.model.text import first_unseen

MAX_NAME = 256
"""Characters that Graph allows in the name of a group; policies and filters have fewer."""
MAX_REASON = 200
"""Characters of a hold's reason: it stands beside changes in every view."""
MAX_LABEL = 100
"""Characters of a label: it stands in the names of environments, artifacts, issues and files."""

_DOMAIN = re.compile(
    r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+"
)
_CONTROL = frozenset({"Cc", "Cs", "Zl", "Zp"})


def refusal(code: str, message: str, help: str = "") -> PydanticCustomError:
    """Make a refusal in plain words; pydantic carries it to `reconciler.loader.validation_errors`."""
    return PydanticCustomError(code, "{message}", {"message": message, "help": help})


def _name(text: str) -> str:
    if not text.strip():
        raise refusal("name-empty", "the name is empty", "write the name as Intune shows it")
    if len(text) > MAX_NAME:
        long = f"the name has {len(text)} characters; {MAX_NAME} is the most"
        raise refusal("name-too-long", long, "check the quotes: a line may have been joined to it")
    if not text.isprintable():
        for character in text:
            if unicodedata.category(character) in _CONTROL:
                shown = f"the name contains the control character U+{ord(character):04X}"
                raise refusal(
                    "name-control-character",
                    shown,
                    "a name with it cannot be declared: write the id instead, or the name without it",
                )
    return text


def checked_label(text: str) -> str:
    """Refuse a label that reviewers would not see as it is: it tells them which tenant they look at."""
    if not text.strip():
        raise refusal("label-empty", "the label is empty", "write what to call the tenant")
    if len(text) > MAX_LABEL:
        long = f"the label has {len(text)} characters; {MAX_LABEL} is the most"
        raise refusal("label-too-long", long, "write a shorter label")
    unseen = first_unseen(text)
    if unseen is not None:
        shown = f"the label contains the control or invisible character U+{ord(unseen):04X}"
        raise refusal("label-invisible-character", shown, "write label: without it")
    return text


def _guid(text: str) -> str:
    if not is_guid(text):
        raise refusal(
            "invalid-id",
            f"{quoted(text)} is not an object id",
            "an id has 32 hexadecimal digits in five groups, 8-4-4-4-12, as the portal shows it",
        )
    if text == NO_FILTER_ID:
        raise refusal(
            "invalid-id", "the id of all zeros stands for nothing", "write the id of an object"
        )
    return text.lower()


def _name_or_id(text: str) -> str:
    return _guid(text) if is_guid(text) else _name(text)


def _tenant(text: str) -> str:
    if is_guid(text):
        return _guid(text)
    if _DOMAIN.fullmatch(text) is None:
        raise refusal(
            "invalid-tenant",
            f"{quoted(text)} is neither a tenant id nor a domain",
            "write the tenant id (Entra admin center, Overview) or a verified domain such as contoso.com",
        )
    return text.lower()


_DAY = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
DAY_HELP = "write a day as YEAR-MONTH-DAY, as in 2027-01-31"


def _day(value: object) -> object:
    """Read a day that the calendar has."""
    text = value if isinstance(value, str) else ""
    try:
        if re.fullmatch(_DAY, text):
            return date.fromisoformat(text)
    except ValueError:
        message = f"{text} is not in the calendar"
        raise refusal("invalid-date", message, DAY_HELP) from None
    shown = quoted(str(value)) if isinstance(value, str | int | float) else "this"
    raise refusal("invalid-date", f"{shown} is not a day", DAY_HELP)


def _reason(text: str) -> str:
    if not text.strip():
        raise refusal("reason-empty", "the reason is empty", "write why nothing is to be written")
    if len(text) > MAX_REASON:
        long = f"the reason has {len(text)} characters; {MAX_REASON} is the most"
        raise refusal("reason-too-long", long, "write a shorter reason, with the ticket's number")
    unseen = first_unseen(text)
    if unseen is not None:
        shown = f"the reason contains the control or invisible character U+{ord(unseen):04X}"
        raise refusal("reason-invisible-character", shown, "write the reason without it")
    return text


def present(value: object) -> object:
    """Refuse null for keys that may be left out: a key with no value is an error, not a default."""
    if value is None:
        raise refusal("no-value", "no value", "")
    return value


Name: TypeAlias = Annotated[
    str, AfterValidator(_name), Field(json_schema_extra={"minLength": 1, "maxLength": MAX_NAME})
]
Label: TypeAlias = Annotated[
    str,
    AfterValidator(checked_label),
    Field(json_schema_extra={"minLength": 1, "maxLength": MAX_LABEL}),
]
Guid: TypeAlias = Annotated[
    str, AfterValidator(_guid), Field(json_schema_extra={"pattern": f"^{GUID_PATTERN}$"})
]
NameOrId: TypeAlias = Annotated[
    str,
    AfterValidator(_name_or_id),
    Field(json_schema_extra={"minLength": 1, "maxLength": MAX_NAME}),
]
Day: TypeAlias = Annotated[
    date,
    BeforeValidator(_day),
    WithJsonSchema({"type": "string", "format": "date", "pattern": f"^{_DAY}$"}),
]
Reason: TypeAlias = Annotated[
    str,
    AfterValidator(_reason),
    Field(json_schema_extra={"minLength": 1, "maxLength": MAX_REASON}),
]
Limit: TypeAlias = Annotated[StrictInt, Field(ge=0)]
OptionalName: TypeAlias = Annotated[Name | None, BeforeValidator(present)]
OptionalLabel: TypeAlias = Annotated[Label | None, BeforeValidator(present)]
OptionalGuid: TypeAlias = Annotated[Guid | None, BeforeValidator(present)]
Tenant: TypeAlias = Annotated[
    str,
    AfterValidator(_tenant),
    Field(json_schema_extra={"pattern": f"^({_DOMAIN.pattern}|{GUID_PATTERN})$"}),
]
