"""One request to Graph and its response, sent alone over HTTP or as an entry of a batch. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qsl, unquote_plus

from reconciler.sandbox.errors import bad_request
from reconciler.sandbox.odata import Options, next_link, page

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from reconciler.sandbox.checks import JsonObject

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SandboxRequest:
    """What a client sends to Graph."""

    method: str
    root: str
    """Scheme and host, without a slash at the end."""
    path: str
    """Decoded, with the version in front."""
    query: str
    """As it was sent."""
    headers: Mapping[str, str]
    """With names in lower case; never with the token."""
    body: bytes = b""
    in_batch: bool = False

    @property
    def address(self) -> str:
        """Path and query, decoded: what faults are matched with and what tests read."""
        return f"{self.path}?{unquote_plus(self.query)}" if self.query else self.path

    @property
    def version(self) -> str:
        """`v1.0` or `beta`."""
        return self.path.split("/")[1]

    @property
    def is_beta(self) -> bool:
        """Whether the request goes to beta, which alone knows filters and sources ([D] section 3)."""
        return self.version == "beta"

    @property
    def url(self) -> str:
        """The absolute address without its query."""
        return f"{self.root}{self.path}"

    def options(self, *allowed: str) -> Options:
        """The query options; Refusal for one that the route does not take."""
        return Options.parse(parse_qsl(self.query, keep_blank_values=True), allowed)

    def context(self, fragment: str) -> str:
        """The `@odata.context` of an answer."""
        return f"{self.root}/{self.version}/$metadata#{fragment}"

    def json(self) -> object:
        """The body; Refusal where it is none or no JSON."""
        media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise bad_request("A Content-Type of application/json is required.")
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise bad_request("Unable to read JSON request payload.") from error


@dataclass(frozen=True, slots=True)
class TextBody:
    """A body that is not sent as JSON."""

    content: str
    media_type: str
    in_batch: object
    """What stands for it as the `body` of a batch's entry."""


@dataclass(frozen=True, slots=True)
class SandboxResponse:
    """What Graph sends back: an object, or a text in its place."""

    status: int
    body: JsonObject | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    text: TextBody | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and the status of its answer, for whoever watches the sandbox."""

    request: SandboxRequest
    status: int
    in_batch: bool = False


def without_token(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers with names in lower case, without the one that carries the token."""
    lowered = {name.lower(): value for name, value in headers}
    lowered.pop("authorization", None)
    return lowered


def collection(
    request: SandboxRequest, fragment: str, entries: Collection[JsonObject]
) -> JsonObject:
    """The frame around a list."""
    return {"@odata.context": request.context(fragment), "value": list(entries)}


def paged(
    request: SandboxRequest,
    fragment: str,
    entries: Sequence[T],
    show: Callable[[T], JsonObject],
    *,
    options: Options,
    page_size: int,
) -> JsonObject:
    """The page of a list that the request asks for, each entry as `show` makes it, with the link to the next."""
    part = page(options, len(entries), page_size)
    body = collection(request, fragment, [show(one) for one in entries[part.start : part.stop]])
    if part.next_token is not None:
        body["@odata.nextLink"] = next_link(request.url, options, part.next_token)
    return body
