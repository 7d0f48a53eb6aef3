"""A run of the program in this process, on a sandbox that keeps the test's time. No test stands here."""

from __future__ import annotations

import httpx

from reconciler import applier
from reconciler.applier.pending import FilePendingApprovals
from reconciler.differ.guardrails import Limits
from reconciler.graph.client import GraphClient
from reconciler.graph.tenant import GraphTenant
from reconciler.graph.transport import Transport
from reconciler.model.errors import ReconcilerError
from reconciler.operations import planning
from reconciler.operations.connect import Connection, Session
from reconciler.operations.selection import Selection
from reconciler.runtime.deadline import Deadline
from reconciler.runtime.retry import Backoff
from reconciler.sandbox import Faults, SandboxState
from tests.support.clocks import FakeClock, Middle
from tests.support.recorded_sandbox import RecordedSandbox

GRAPH = "https://graph.test"
CANARY = "canary-token-4f1d"


class Heard:
    """A Progress that keeps what it is told."""

    def __init__(self):
        self.stages = []
        self.notes = []
        self.steps = 0
        self.objects = 0

    def stage(self, title, total=None):
        self.stages.append((title, total))

    def advance(self, count=1):
        self.steps += count

    def read(self, count):
        self.objects += count

    def note(self, message):
        self.notes.append(message)

    def end(self):
        pass


class Tokens:
    """Hands out ``token-1``; after each plea for a fresh one, the next number."""

    def __init__(self):
        self.asked = []
        self._number = 1

    def token(self, *, fresh=False):
        self.asked.append(fresh)
        self._number += fresh
        return f"token-{self._number}"

    def describe(self):
        return "a test's tokens"


def app_on(document, clock, *, faults=(), **options):
    """An application on a tenant, with the fake clock."""
    state = document if isinstance(document, SandboxState) else SandboxState(document)
    options.setdefault("page_size", 25)
    return RecordedSandbox(
        state, faults=Faults(faults), clock=clock.timestamp, sleep=clock.advance, **options
    )


def transport_on(app, clock, *, timeout=600.0, tokens=None, jitter=None):
    """A transport into a WSGI application, or into a function from request to response."""
    is_wsgi = not isinstance(app, httpx.BaseTransport)
    return Transport(
        http=httpx.Client(transport=httpx.WSGITransport(app=app) if is_wsgi else app),
        graph=GRAPH,
        tokens=tokens or Tokens(),
        clock=clock,
        deadline=Deadline(clock, timeout),
        backoff=Backoff(jitter or Middle()),
    )


def client_on(app, clock, *, parallelism=1, **options):
    return GraphClient(transport_on(app, clock, **options), parallelism=parallelism)


def tenant_on(app, clock, *, parallelism=1, justification=None, **options):
    """The tenant behind an application."""
    client = client_on(app, clock, parallelism=parallelism, **options)
    return GraphTenant(client, justification=justification)


def session(clock, *, timeout=600.0, parallelism=1, progress=None, environ=None, sandbox=None):
    """A run that begins now."""
    return Session(
        clock=clock,
        deadline=Deadline(clock, timeout),
        backoff=Backoff(Middle()),
        progress=progress or Heard(),
        environ=environ or {},
        interactive=False,
        parallelism=parallelism,
        is_stopped=lambda: clock.is_stopped,
        sandbox=sandbox,
    )


class MemoryJournal:
    """A Journal in a list."""

    def __init__(self):
        self.lines = []

    def record(self, event, policy, **facts):
        self.lines.append((event, policy.id, facts))

    def events(self):
        return [event for event, _, _ in self.lines]


class Run:
    """Plan and apply a tenant root on an application: the stages of `reconciler apply`, in process."""

    def __init__(self, app, root, *, clock=None, justification=None, parallelism=1, timeout=600.0):
        self.app = app
        self.root = root
        self.clock = clock or FakeClock()
        self.heard = Heard()
        self.journal = MemoryJournal()
        self.tokens = Tokens()
        self.session = session(
            self.clock, timeout=timeout, parallelism=parallelism, progress=self.heard
        )
        transport = Transport(
            http=httpx.Client(transport=httpx.WSGITransport(app=app)),
            graph=GRAPH,
            tokens=self.tokens,
            clock=self.clock,
            deadline=self.session.deadline,
            backoff=self.session.backoff,
        )
        self.client = GraphClient(transport, parallelism=parallelism)
        self.tenant = GraphTenant(self.client, justification=justification)

    def plan(self, *, impact=False):
        loaded = planning.load(self.root)
        if loaded.state is None:
            raise ReconcilerError("; ".join(d.message for d in loaded.diagnostics))
        return planning.plan(
            loaded.state,
            loaded.diagnostics,
            session=self.session,
            connection=Connection(self.tenant, self.tokens, self.client),
            selection=Selection(),
            limits=Limits(),
            impact=impact,
        )

    def apply(self, plan=None, *, codes=()):
        return applier.apply(
            plan or self.plan(),
            tenant=self.tenant,
            journal=self.journal,
            approvals=FilePendingApprovals(self.root / ".reconciler" / "approvals.json"),
            approval_codes=codes,
            progress=self.heard,
            clock=self.clock,
            deadline=self.session.deadline,
            backoff=self.session.backoff,
            parallelism=self.session.parallelism,
            is_stopped=self.session.is_stopped,
        )
