"""What a planned fault sends instead of the right response, or makes of it. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from werkzeug.wrappers import Response

from reconciler.sandbox.errors import Refusal, default_code, intune_message

if TYPE_CHECKING:
    from reconciler.sandbox.faults import Fault

JSON_TYPE = "application/json; charset=utf-8"
_HTML = (
    "<!DOCTYPE html>\n<html><head><title>Service unavailable</title></head>"
    "<body><h1>Our services aren't available right now</h1></body></html>\n"
)


def proxy_page(fault: Fault) -> Response:
    """A proxy's page in place of JSON."""
    return Response(_HTML, status=fault.code or 502, content_type="text/html")


def planned_body(fault: Fault) -> Response:
    """The text of a fault of kind body, whatever it is."""
    return Response(fault.text, status=fault.code or 200, content_type=JSON_TYPE)


def planned_refusal(fault: Fault) -> Refusal:
    """The error that a fault of kind status describes."""
    status = fault.code or 500
    message = fault.message or "A planned fault."
    headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
    text = intune_message(message) if fault.intune else message
    return Refusal(status, fault.error_code or default_code(status), text, headers)


def with_replaced(response: Response, fault: Fault) -> Response:
    """The response with every part of its body that `find` matches replaced by `text`."""
    body = re.sub(
        fault.find or "", lambda _match: fault.text or "", response.get_data(as_text=True)
    )
    response.set_data(body)
    response.status_code = fault.code or response.status_code
    return response


def cut(response: Response) -> Response:
    """The response with half of the body that it announces. ConnectionResetError where it has none."""
    body = response.get_data()
    if not body:
        # Without a body only the head could be cut, and then nothing usable arrives.
        raise ConnectionResetError("planned: dropped after the request was carried out")
    response.set_data(body[: len(body) // 2])
    response.headers["Content-Length"] = str(len(body))
    return response
