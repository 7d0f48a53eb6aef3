"""Open the way to a tenant: Microsoft's Graph, or the embedded one. Does I/O."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from reconciler.graph.auth.sign_in import asks_a_person, choose
from reconciler.graph.auth.token_source import TokenSource
from reconciler.graph.client import GraphClient
from reconciler.graph.clouds import endpoints
from reconciler.graph.tenant import GraphTenant
from reconciler.graph.transport import Transport
from reconciler.model.errors import ConfigError
from reconciler.model.ports import Clock, GroupSearch, Progress
from reconciler.model.state import Cloud
from reconciler.runtime.deadline import Deadline
from reconciler.runtime.http_client import open_client
from reconciler.runtime.retry import Backoff

if TYPE_CHECKING:
    from reconciler.documents.snapshots import Snapshot

STATE_FOLDER = ".reconciler"
_SANDBOX_GRAPH = "http://sandbox.localhost"
_MAX_CLOCK_DIFFERENCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class SandboxAccess:
    """Plan and apply on the embedded Graph: its tenant file, and where what is written is kept.

    ``mode`` is ``production`` or ``documented``; ``reset`` starts over from the tenant file.
    """

    file: Path
    state_folder: Path
    mode: str
    reset: bool


@dataclass(frozen=True, slots=True)
class SnapshotAccess:
    """Plan offline, on a snapshot that is at most ``max_age`` old."""

    file: Path
    max_age: timedelta


@dataclass(frozen=True, slots=True)
class Session:
    """What a run carries from one stage to the next."""

    clock: Clock
    deadline: Deadline
    backoff: Backoff
    progress: Progress
    environ: Mapping[str, str]
    interactive: bool
    parallelism: int
    is_stopped: Callable[[], bool]
    sandbox: SandboxAccess | None = None
    snapshot: SnapshotAccess | None = None
    spare_seconds: Callable[[], float] = lambda: math.inf
    """How long this root may wait for what a plan can do without; the deadline holds as well."""

    @property
    def day(self) -> date:
        """Today in UTC, for schedules and holds."""
        return self.clock.now().astimezone(UTC).date()

    @property
    def reading_stage(self) -> str:
        """What progress calls the reading: a saved snapshot is not the tenant."""
        return "Reading the tenant" if self.snapshot is None else "Reading the snapshot"

    @property
    def asks_a_person(self) -> bool:
        """Whether signing in will ask somebody at the terminal."""
        if self.sandbox is not None or self.snapshot is not None:
            return False
        return asks_a_person(self.environ, interactive=self.interactive)


@dataclass(frozen=True, slots=True)
class Connection:
    """A way to a tenant, and the identity that goes there.

    ``faults`` grows by a sentence where what was written to a sandbox could not be kept.
    """

    tenant: GraphTenant
    tokens: TokenSource
    client: GraphClient
    faults: list[str] = field(default_factory=list)


@contextmanager
def connect(
    session: Session, *, cloud: Cloud, tenant: str, justification: str | None = None
) -> Iterator[Connection]:
    """Open the way to the tenant; the first request signs in.

    Raises `UsageError` and `AuthError` where no way to sign in is complete, and `ConfigError` for
    a sandbox file that cannot be used.
    """
    if session.snapshot is not None:
        with _connect_to_snapshot(session, session.snapshot, cloud) as connection:
            yield connection
        return
    tokens = sign_in(session, cloud=cloud, tenant=tenant)
    graph = _graph(session, cloud)
    faults: list[str] = []
    with _http(session, graph, faults) as http:
        client = _client(session, http, graph, tokens)
        yield Connection(GraphTenant(client, justification=justification), tokens, client, faults)


def _client(session: Session, http: httpx.Client, graph: str, tokens: TokenSource) -> GraphClient:
    transport = Transport(
        http=http,
        graph=graph,
        tokens=tokens,
        clock=session.clock,
        deadline=session.deadline,
        backoff=session.backoff,
    )
    return GraphClient(transport, parallelism=session.parallelism, on_read=session.progress.read)


class SnapshotTenant(GraphTenant):
    """A tenant as a snapshot has it: the same client, on the embedded Graph."""

    def __init__(self, client: GraphClient, snapshot: Snapshot) -> None:
        super().__init__(client)
        self._snapshot = snapshot

    def find_groups(
        self, *, names: Iterable[str], ids: Iterable[str], other_names: Iterable[str] = ()
    ) -> GroupSearch:
        """Look groups up, and say of which ones the snapshot cannot tell."""
        names, ids, snapshot = frozenset(names), frozenset(ids), self._snapshot
        found = super().find_groups(names=names, ids=ids, other_names=other_names)
        if snapshot.all_groups:
            return found
        not_covered = (names - snapshot.group_names) | (ids - snapshot.group_ids)
        return replace(found, not_covered=not_covered)


@contextmanager
def _connect_to_snapshot(
    session: Session, access: SnapshotAccess, cloud: Cloud
) -> Iterator[Connection]:
    """Serve the snapshot in this process, once it is known to be young enough.

    Raises `PlanFileError` for a file that is no snapshot, and `ConfigError` for one that is too old
    or of another cloud.
    """
    from reconciler.sandbox.app import SandboxApp  # noqa: PLC0415 - werkzeug, for sandboxes alone
    from reconciler.sandbox.state import SandboxState  # noqa: PLC0415

    snapshot = _read_snapshot(access, session.clock)
    if snapshot.cloud is not cloud:
        raise ConfigError(
            f"{access.file} is of a tenant in the cloud {snapshot.cloud}, and tenant.yaml says "
            f"{cloud}; make a snapshot of this tenant root"
        )
    app = SandboxApp(SandboxState.as_read(snapshot.graph))
    tokens = _SandboxTokens()
    with httpx.Client(transport=httpx.WSGITransport(app=app)) as http:
        client = _client(session, http, _SANDBOX_GRAPH, tokens)
        yield Connection(SnapshotTenant(client, snapshot), tokens, client)


def _read_snapshot(access: SnapshotAccess, clock: Clock) -> Snapshot:
    try:
        content = access.file.read_bytes()
    except OSError as fault:
        raise ConfigError(
            f"the snapshot {access.file} cannot be read: {fault.strerror or fault}"
        ) from fault
    from reconciler.documents import envelope, snapshots  # noqa: PLC0415 - pydantic's models

    source = str(access.file)
    snapshot = snapshots.loads(envelope.decode(content, source=source), source=source)
    age = clock.now() - snapshot.created_at
    if age > access.max_age:
        raise ConfigError(
            f"{access.file} was made {_words(age)} ago, and --max-snapshot-age allows "
            f"{_words(access.max_age)}; make a new one with: reconciler snapshot --out FILE"
        )
    if age < -_MAX_CLOCK_DIFFERENCE:
        raise ConfigError(f"{access.file} was made in the future; check the clock of this machine")
    return snapshot


def _words(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} minutes"
    return f"{minutes // 60} hours" if minutes < 48 * 60 else f"{minutes // 1440} days"


class _SandboxTokens:
    """The embedded Graph wants a token and does not look at it."""

    def token(self, *, fresh: bool = False) -> str:
        """Give any token."""
        return "sandbox-renewed" if fresh else "sandbox"

    def describe(self) -> str:
        """Name it."""
        return "the embedded sandbox, without sign-in"


def sign_in(session: Session, *, cloud: Cloud, tenant: str) -> TokenSource:
    """Choose how to sign in, without asking for a token yet."""
    if session.sandbox is not None:
        return _SandboxTokens()
    return choose(
        session.environ,
        endpoints=endpoints(cloud, session.environ),
        tenant=tenant,
        interactive=session.interactive,
        note=session.progress.note,
        clock=session.clock,
        remaining=session.deadline.remaining,
    )


def _graph(session: Session, cloud: Cloud) -> str:
    if session.sandbox is not None:
        return _SANDBOX_GRAPH
    return endpoints(cloud, session.environ).graph


def _http(session: Session, graph: str, faults: list[str]) -> httpx.Client:
    if session.sandbox is not None:
        return httpx.Client(transport=_sandbox(session.sandbox, session.clock, faults))
    return open_client(graph, session.environ, connections=max(session.parallelism, 2))


def _sandbox(access: SandboxAccess, clock: Clock, faults: list[str]) -> httpx.BaseTransport:
    from reconciler.sandbox.app import SandboxApp  # noqa: PLC0415 - werkzeug, for sandboxes alone
    from reconciler.sandbox.state import SandboxFileError, SandboxState  # noqa: PLC0415

    kept = kept_file(access)
    if access.reset:
        kept.unlink(missing_ok=True)
    try:
        state = SandboxState.load(kept if kept.exists() else access.file)
    except SandboxFileError as broken:
        raise ConfigError(str(broken)) from broken

    def keep(state: SandboxState) -> None:
        try:
            from reconciler.applier.pending import make_state_folder  # noqa: PLC0415 - for writes alone

            make_state_folder(kept.parent)
            state.save(kept)
            for old in kept.parent.glob(f"{_kept_prefix(access)}*.json"):
                if old != kept:
                    old.unlink(missing_ok=True)
        except OSError as fault:
            why = fault.strerror or fault
            lost = f"the sandbox's writes could not be kept in {kept} ({why})"
            faults[:] = [f"{lost}, so the next plan does not see them"]
        else:
            faults.clear()

    app = SandboxApp(state, mode=access.mode, on_write=keep, clock=lambda: clock.now().timestamp())
    return httpx.WSGITransport(app=app)


def kept_file(access: SandboxAccess) -> Path:
    """Where the writes to a sandbox are kept: a file per content of the tenant file.

    An edited tenant file thus starts over by itself, and the first write after the edit removes what
    was kept before it. Raises `ConfigError` where the tenant file cannot be read.
    """
    try:
        content = access.file.read_bytes()
    except OSError as fault:
        raise ConfigError(
            f"the sandbox file {access.file} cannot be read ({fault.strerror or fault}); "
            "name one with --sandbox-file"
        ) from fault
    return access.state_folder / f"{_kept_prefix(access)}{_short_hash(content)}.json"


def _kept_prefix(access: SandboxAccess) -> str:
    """What the names of all files kept for one tenant file begin with."""
    return f"sandbox-{_short_hash(str(access.file.resolve()).encode())}-"


def _short_hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
