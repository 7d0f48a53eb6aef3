"""Read what Graph answers about the impact of a plan. No I/O.

Several of these forms were seen in few captures, or never (graph.md section 12), so each function takes
every form that can be meant and raises `ValueError` for any other.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Collection
from datetime import UTC
from typing import Annotated, Any, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field, TypeAdapter

from reconciler.graph import exact_json
from reconciler.graph.responses import GraphResponse, is_throttled
from reconciler.model.errors import DeadlineError, GraphError, ReconcilerError, ThrottledError
from reconciler.model.impact import (
    LARGEST_COUNT,
    ComplianceAction,
    Known,
    StatusOverview,
    Unknown,
)

_CHANGED_FORM = Unknown("Graph's response does not have the expected form")
_THROTTLED = Unknown("Graph asked to slow down")
LATE = Unknown("it did not come in time")
_LONGEST_REASON = 200
_HOURS_OF_A_DAY = 24
_NO_DATE = 1
"""Intune writes the year 1 where it has no date."""

_DATE = re.compile(r"\d{4}-")


def _date_text(value: object) -> object:
    """Refuse a number, which pydantic would take for the seconds since 1970."""
    if value is not None and not (isinstance(value, str) and _DATE.match(value)):
        raise ValueError("no date")
    return value


T = TypeVar("T")
Count = Annotated[int, Field(ge=0, le=LARGEST_COUNT, strict=True)]
_COUNT: TypeAdapter[int] = TypeAdapter(Count)


def value_of(
    response: GraphResponse | Unknown, read: Callable[[Any], T], *, needs: str = ""
) -> Known[T]:
    """Read a response, or say why there is nothing to read. ``needs`` is the permission for it."""
    if isinstance(response, Unknown):
        return response
    if is_throttled(response) and not response.is_foreign:
        return _THROTTLED
    if not response.is_success:
        is_refused = response.status == 403 and not response.is_foreign
        message = f"needs {needs}" if needs and is_refused else response.message
        return Unknown(_short(f"{response.status}: {message}"))
    if response.fault:
        return Unknown(_short(response.message))
    try:
        return read(response.body)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return _CHANGED_FORM


def unknown_because(fault: ReconcilerError) -> Unknown:
    """Say why there was no response."""
    match fault:
        case DeadlineError():
            return LATE
        case ThrottledError():
            return _THROTTLED
        case GraphError():
            status = f"{fault.status}: " if fault.status and fault.status >= 300 else ""
            return Unknown(_short(f"{status}{fault.message}"))
        case _:
            return Unknown(_short(str(fault)))


def _short(text: str) -> str:
    """One line, without a full stop at its end, as it stands within a sentence."""
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}..."


def read_count(body: object) -> int:
    """Read a ``$count``: a number, its digits, or the base64 of these, with a byte-order mark or not.

    Base64 of digits begins with M, N, O or 7, and is never digits alone.
    """
    if isinstance(body, str):
        text = body.strip().lstrip("\ufeff")
        if not text.isdecimal():
            text = _from_base64(text).decode("utf-8-sig").strip()
        if not (text.isascii() and text.isdecimal()):
            raise ValueError("no number")
        body = int(text)
    return _COUNT.validate_python(body)


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as fault:
        raise ValueError("no base64") from fault


class _Evaluation(BaseModel):
    total: Count = Field(alias="TotalRowCount")


def read_match_count(body: object) -> int:
    """Read how many devices a filter matches; the JSON may stand within a JSON string."""
    return _Evaluation.model_validate(
        exact_json.loads(body) if isinstance(body, str) else body
    ).total


class _ActionItem(BaseModel):
    type: str = Field(alias="actionType", pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")
    hours: Count = Field(alias="gracePeriodHours")


class _RuleItem(BaseModel):
    actions: list[_ActionItem] = Field(alias="scheduledActionConfigurations")


class _PolicyItem(BaseModel):
    rules: list[_RuleItem] = Field(alias="scheduledActionsForRule")


def read_actions(body: object) -> tuple[ComplianceAction, ...]:
    """Read the actions for noncompliance, by their days. Every policy has one, so none is no answer."""
    found = [
        ComplianceAction(action.type, action.hours / _HOURS_OF_A_DAY)
        for rule in _PolicyItem.model_validate(body).rules
        for action in rule.actions
    ]
    if not found:
        raise ValueError("no action")
    return tuple(sorted(found, key=lambda action: (action.after_days, action.type)))


class _OverviewItem(BaseModel):
    compliant: Count = Field(alias="successCount")
    noncompliant: Count = Field(alias="failedCount")
    error: Count = Field(alias="errorCount")
    pending: Count = Field(alias="pendingCount")
    not_applicable: Count = Field(alias="notApplicableCount")
    as_of: Annotated[AwareDatetime | None, BeforeValidator(_date_text)] = Field(
        None, alias="lastUpdateDateTime"
    )


def read_overview(body: object) -> StatusOverview | None:
    """Read how devices stand; None where none reports, as 0 of 0 is no data."""
    item = _OverviewItem.model_validate(body)
    as_of = item.as_of.astimezone(UTC) if item.as_of and item.as_of.year > _NO_DATE else None
    found = StatusOverview(
        item.compliant, item.noncompliant, item.error, item.pending, item.not_applicable, as_of
    )
    numbers = (item.compliant, item.noncompliant, item.error, item.pending, item.not_applicable)
    return found if any(numbers) else None


class _SettingsItem(BaseModel):
    secure_by_default: bool = Field(alias="secureByDefault", strict=True)


def read_secure_by_default(body: object) -> bool:
    """Read whether a device without any compliance policy counts as not compliant."""
    return _SettingsItem.model_validate(body).secure_by_default


class _GrantControls(BaseModel):
    built_in: list[str] = Field(alias="builtInControls")


class _ConditionalAccessItem(BaseModel):
    state: str
    grant: _GrantControls | None = Field(alias="grantControls")

    @property
    def demands_compliance(self) -> bool:
        controls = self.grant.built_in if self.grant else []
        return self.state.casefold() == "enabled" and "compliantdevice" in map(
            str.casefold, controls
        )


class _ConditionalAccessPage(BaseModel):
    value: list[_ConditionalAccessItem]
    next_link: None = Field(None, alias="@odata.nextLink")
    """A page that is not the last tells no count."""


def read_conditional_access(body: object) -> int:
    """Count the enabled policies with the control "require a compliant device", alone or among others."""
    page = _ConditionalAccessPage.model_validate(body)
    return sum(item.demands_compliance for item in page.value)


class _FilterState(BaseModel):
    id: str
    evaluation_mode: str | None = Field(alias="evaluationMode")


class _FilterStates(BaseModel):
    value: list[_FilterState]


def read_disabled_filters(body: object, asked: Collection[str]) -> tuple[str, ...]:
    """Read which of the filters ``asked`` for, by id, are not evaluated, of the one page there is.

    A filter that is not on it may be off, so that tells nothing.
    """
    page = _FilterStates.model_validate(body)
    modes = {item.id.lower(): (item.evaluation_mode or "").casefold() for item in page.value}
    return tuple(sorted(id for id in asked if modes[id] == "disabled"))
