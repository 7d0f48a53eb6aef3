"""Open the way to a tenant: Microsoft's Graph, or the embedded one. Does I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from reconciler.applier.pending import make_state_folder
from reconciler.graph.auth.sign_in import choose
from reconciler.graph.auth.token_source import TokenSource
from reconciler.graph.client import GraphClient
from reconciler.graph.clouds import endpoints
from reconciler.graph.tenant import GraphTenant
from reconciler.graph.transport import Transport
from reconciler.model.errors import ConfigError
from reconciler.model.ports import Clock, Progress
from reconciler.model.state import Cloud
from reconciler.runtime.deadline import Deadline
from reconciler.runtime.http_client import open_client
from reconciler.runtime.retry import Backoff

STATE_FOLDER = ".reconciler"
_SANDBOX_GRAPH = "http://sandbox.localhost"


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
    tokens = sign_in(session, cloud=cloud, tenant=tenant)
    graph = _graph(session, cloud)
    faults: list[str] = []
    with _http(session, graph, faults) as http:
        transport = Transport(
            http=http,
            graph=graph,
            tokens=tokens,
            clock=session.clock,
            deadline=session.deadline,
            backoff=session.backoff,
        )
        client = GraphClient(
            transport, parallelism=session.parallelism, on_read=session.progress.read
        )
        graph_tenant = GraphTenant(client, justification=justification)
        yield Connection(graph_tenant, tokens, client, faults)


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
