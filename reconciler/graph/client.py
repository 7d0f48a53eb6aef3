"""Graph's ways of asking for many things: pages and batches. Does I/O through `transport`.

Sources: https://learn.microsoft.com/graph/paging and https://learn.microsoft.com/graph/json-batching
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any

from reconciler.graph.parallel import in_parallel
from reconciler.graph.responses import GraphResponse
from reconciler.graph.transport import Transport
from reconciler.model.errors import GraphError
from reconciler.runtime.retry import TransientError

BATCH_SIZE = 20
"""Requests that one ``$batch`` takes ([D] json-batching)."""


class Version(StrEnum):
    """Graph's two versions. Filters and ``source`` exist in beta alone (graph.md section 3)."""

    V1 = "v1.0"
    BETA = "beta"


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """One GET of a ``$batch``: its path below the version, and the headers of its own."""

    path: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def request(self, id: str) -> dict[str, object]:
        """Write it as Graph takes it."""
        request: dict[str, object] = {"id": id, "method": "GET", "url": f"/{self.path}"}
        if self.headers:
            request["headers"] = dict(self.headers)
        return request


class GraphClient:
    """Reads collections and batches, and passes writes on.

    ``on_read`` is told how many objects each page and each batch brought.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        parallelism: int,
        on_read: Callable[[int], None] = lambda _count: None,
    ) -> None:
        self.transport = transport
        self.parallelism = parallelism
        self._on_read = on_read

    def url(self, version: Version, path: str) -> str:
        """Write the absolute address of a path."""
        return f"{self.transport.graph}/{version}/{path}"

    def get(self, version: Version, path: str, *, attempted: str) -> Mapping[str, Any]:
        """Read one object."""
        return object_of(
            self.transport.read(self.url(version, path), attempted=attempted), attempted
        )

    def pages(self, version: Version, path: str, *, attempted: str) -> Iterator[Mapping[str, Any]]:
        """Read a whole collection, page after page, as Graph links them."""
        return self.follow(self.url(version, path), attempted=attempted)

    def follow(self, url: str, *, attempted: str) -> Iterator[Mapping[str, Any]]:
        """Read a collection from a link on. A link that comes back, or leaves Graph, is an error.

        A collection is complete, or an exception is raised; a part of one is never returned.
        """
        seen: set[str] = set()
        link: str | None = url
        while link is not None:
            refuse_repeated(link, seen, attempted)
            response = self.transport.read(link, attempted=attempted)
            page = object_of(response, attempted)
            objects = items(page, attempted, response)
            self._on_read(len(objects))
            yield from objects
            link = next_link(page, attempted, response)
            if link is not None and not self.transport.is_home(link):
                raise GraphError(
                    f"a link in the response of {response.host} leads to another host, or is none; "
                    "it was not followed",
                    attempted=attempted,
                    code="ForeignLink",
                    request_id=response.request_id,
                )

    def within(self, seconds: float) -> GraphClient:
        """The same client, for calls that may take so many seconds in all."""
        return GraphClient(
            self.transport.within(seconds), parallelism=self.parallelism, on_read=self._on_read
        )

    def ask_batch(
        self, version: Version, entries: Mapping[str, BatchEntry], *, attempted: str
    ) -> dict[str, GraphResponse]:
        """GET at most `BATCH_SIZE` paths in one request that is sent once, whatever comes back.

        Raises as `Transport.ask`, and `GraphError` where the batch itself is refused.
        """
        response = self.transport.ask(**self._batch_request(version, entries, attempted))
        self.transport.raise_for(response, attempted)
        responses = _responses_of(response, entries, attempted)
        self._on_read(len(responses))
        return responses

    def batch(
        self, version: Version, paths: Mapping[str, str], *, attempted: str
    ) -> dict[str, GraphResponse]:
        """GET many paths at once; the keys of ``paths`` name the responses.

        Entries that Graph asks to wait for are sent again. Every other response is returned as it
        is, a refusal too: what a 404 means is the caller's business.
        """
        entries = list(paths.items())
        chunks = [entries[at : at + BATCH_SIZE] for at in range(0, len(entries), BATCH_SIZE)]
        responses: dict[str, GraphResponse] = {}
        for part in in_parallel(
            [partial(self._batch, version, chunk, attempted) for chunk in chunks],
            workers=self.parallelism,
        ):
            responses |= part
            self._on_read(len(part))
        return responses

    def _batch(
        self, version: Version, entries: Sequence[tuple[str, str]], attempted: str
    ) -> dict[str, GraphResponse]:
        waiting = dict(entries)
        done: dict[str, GraphResponse] = {}

        def once() -> dict[str, GraphResponse]:
            faults: list[TransientError] = []
            entries = {key: BatchEntry(path) for key, path in waiting.items()}
            batch = self.transport.read(**self._batch_request(version, entries, attempted))
            for key, response in _responses_of(batch, entries, attempted).items():
                fault = self.transport.transient(response, attempted)
                if fault is not None:
                    faults.append(fault)
                    continue
                done[key] = response
                del waiting[key]
            if faults:
                raise _longest(faults)
            return done

        result: dict[str, GraphResponse] = self.transport.retrying()(once)
        return result

    def _batch_request(
        self, version: Version, entries: Mapping[str, BatchEntry], attempted: str
    ) -> dict[str, Any]:
        """The arguments that send a batch; its requests are numbered in the order of ``entries``."""
        requests = [entry.request(str(number)) for number, entry in enumerate(entries.values())]
        return {
            "url": self.url(version, "$batch"),
            "attempted": attempted,
            "method": "POST",
            "body": {"requests": requests},
        }


def _responses_of(
    batch: GraphResponse, entries: Mapping[str, BatchEntry], attempted: str
) -> dict[str, GraphResponse]:
    """Match the responses of a batch with what was asked. Raises `GraphError` where they do not fit."""
    keys = {str(number): key for number, key in enumerate(entries)}
    found: dict[str, GraphResponse] = {}
    for entry in _list(object_of(batch, attempted).get("responses"), attempted, batch):
        key = keys.get(str(entry.get("id")))
        if key in found:
            raise _incomplete("one request of a batch twice", attempted, batch)
        if key is not None:
            found[key] = _entry(entry, batch, attempted)
    if len(found) != len(keys):
        raise _incomplete(f"{len(found)} of {len(keys)} requests of a batch", attempted, batch)
    return found


def _incomplete(answered: str, attempted: str, response: GraphResponse) -> GraphError:
    return GraphError(
        f"Graph answered {answered}",
        attempted=attempted,
        code="IncompleteBatch",
        request_id=response.request_id,
    )


def _entry(entry: Mapping[str, Any], batch: GraphResponse, attempted: str) -> GraphResponse:
    """Read one entry. A date in it is judged by the batch's ``Date`` where it has none of its own."""
    headers = entry.get("headers")
    named = headers.items() if isinstance(headers, dict) else ()
    sent = {"date": batch.headers["date"]} if "date" in batch.headers else {}
    status = entry.get("status")
    if not isinstance(status, int) or not 100 <= status <= 599:
        raise _unexpected(attempted, batch, "an entry of the batch has no status")
    return GraphResponse(
        status=status,
        headers=sent | {str(name).lower(): str(value) for name, value in named},
        body=entry.get("body"),
        host=batch.host,
    )


def _longest(faults: Sequence[TransientError]) -> TransientError:
    """Wait for the entry that asks for the longest wait; the strictest bound on tries counts."""
    waits = [fault.wait for fault in faults if fault.wait is not None]
    tries = [fault.tries for fault in faults if fault.tries is not None]
    return TransientError(
        faults[0].error,
        tries=min(tries) if tries else None,
        wait=max(waits) if waits else None,
    )


def refuse_repeated(link: str, seen: set[str], attempted: str) -> None:
    """Keep a page's link in ``seen``. Raises `GraphError` where it was followed before."""
    if link in seen:
        raise GraphError(
            "Graph's pages link in a circle, so the list cannot be read to its end",
            attempted=attempted,
            code="PagingLoop",
        )
    seen.add(link)


def items(
    page: Mapping[str, Any], attempted: str, response: GraphResponse | None = None
) -> list[Mapping[str, Any]]:
    """Take the objects out of a page; ``response`` is what it came in, for the message of an error."""
    return _list(page.get("value"), attempted, response)


def next_link(
    page: Mapping[str, Any], attempted: str, response: GraphResponse | None = None
) -> str | None:
    """Take the link to the next page out of a page, None on the last."""
    link = page.get("@odata.nextLink")
    if link is None:
        return None
    if not isinstance(link, str) or not link:
        raise _unexpected(attempted, response)
    return link


def object_of(response: GraphResponse, attempted: str) -> Mapping[str, Any]:
    """Take the object that a response holds. Raises `GraphError` where it holds none."""
    if not isinstance(response.body, dict):
        raise _unexpected(attempted, response)
    return response.body


def _list(
    value: object, attempted: str, response: GraphResponse | None = None
) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise _unexpected(attempted, response)
    return value


def _unexpected(
    attempted: str, response: GraphResponse | None = None, what: str = ""
) -> GraphError:
    source = f" of {response.host}" if response and response.host else ""
    detail = f" ({what})" if what else ""
    return GraphError(
        f"the response{source} does not have the form that Graph documents{detail}; nothing was "
        "concluded from it",
        attempted=attempted,
        code="UnexpectedResponse",
        request_id=response.request_id if response else None,
    )
