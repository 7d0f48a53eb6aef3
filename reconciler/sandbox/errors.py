"""What the sandbox refuses, in Graph's words: status, code, message, envelope. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.sandbox.checks import JsonObject

_CODES: Mapping[int, str] = {
    400: "BadRequest",
    401: "InvalidAuthenticationToken",
    403: "Forbidden",
    404: "ResourceNotFound",
    409: "Conflict",
    412: "PreconditionFailed",
    429: "TooManyRequests",
    500: "InternalServerError",
    502: "BadGateway",
    503: "ServiceUnavailable",
    504: "GatewayTimeout",
}
# The prefix differs from report to report; a client may only look at the code ([O] section 2).
_SERVICE = "/DeviceConfiguration_2108/StatelessDeviceConfigurationFEService"
NO_ROUTE = "No method match route template"


class Refusal(Exception):  # noqa: N818 - a regular response of the sandbox, not an error in it
    """A request that Graph answers with an error."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})


def default_code(status: int) -> str:
    """The code that goes with a status where nothing more is known."""
    return _CODES.get(status, "UnknownError")


def bad_request(message: str) -> Refusal:
    """A request that Graph can read, with a mistake in it."""
    return Refusal(400, "BadRequest", message)


def segment_not_found(segment: str) -> Refusal:
    """An address that this version of Graph does not have ([O] section 3)."""
    return bad_request(f"Resource not found for the segment '{segment}'.")


def unauthenticated(message: str) -> Refusal:
    """The gateway turning a token down ([O] section 7)."""
    return Refusal(401, "InvalidAuthenticationToken", message)


def directory_denied() -> Refusal:
    """A permission that Entra ID asks for and the token does not carry ([O] section 7)."""
    message = "Insufficient privileges to complete the operation."
    return Refusal(403, "Authorization_RequestDenied", message)


def conditional_access_denied() -> Refusal:
    """The same where Conditional Access is read.

    [O] https://github.com/hugobatista/zerotrust-ca-powertoys/issues/8
    """
    message = (
        "You cannot perform the requested operation, required scopes are missing in the token."
    )
    return Refusal(403, "AccessDenied", message)


def intune_denied() -> Refusal:
    """A permission that Intune asks for and the token does not carry ([O] section 7)."""
    return intune_refusal(403, "Application is not authorized to perform this operation.")


def missing_policy(policy_id: str, *, catalog: bool) -> Refusal:
    """An unknown policy: 404 for the classic ones, 400 for the settings catalog ([O] section 4)."""
    return intune_refusal(
        400 if catalog else 404, f"No policy has the id {policy_id}", code="ResourceNotFound"
    )


def no_route(method: str, template: str, address: str) -> Refusal:
    """A request that is documented, or looks as if it were, and has no route in Intune ([O] section 2)."""
    message = f"No OData route exists that match template {template} with http verb {method} for request {_SERVICE}{address}."
    return Refusal(400, NO_ROUTE, message)


def intune_refusal(status: int, message: str, *, code: str | None = None) -> Refusal:
    """An error of an Intune service, which puts JSON into the message ([O] section 7)."""
    return Refusal(status, code or default_code(status), intune_message(message))


def intune_message(message: str) -> str:
    """Wrap a message as Intune does: JSON in a string, with ids and an internal address at its end."""
    nil = "00000000-0000-0000-0000-000000000000"
    full = (
        f"{message} - Operation ID (for customer support): {nil} - Activity ID: {nil} - Url: "
        "https://fef.msua06.manage.microsoft.com/DeviceConfigV2/StatelessDeviceConfigurationFEService"
        "?api-version=5024-12-01"
    )
    wrapped = {
        "_version": 3,
        "Message": full,
        "CustomApiErrorPhrase": "",
        "RetryAfter": None,
        "ErrorSourceService": "",
        "HttpHeaders": "{}",
    }
    return json.dumps(wrapped, indent=2).replace("\n", "\r\n")


def envelope(refusal: Refusal, *, date: str, request_id: str, client_request_id: str) -> JsonObject:
    """The body that carries an error; `innerError` is spelled as on the wire ([O] section 7)."""
    inner = {"date": date, "request-id": request_id, "client-request-id": client_request_id}
    return {"error": {"code": refusal.code, "message": refusal.message, "innerError": inner}}
