"""A clock that stands still, and the way to an in-process sandbox that keeps its time. No test stands here."""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime, timedelta

import httpx

from reconciler import applier
from reconciler.applier.pending import FilePendingApprovals
from reconciler.differ.guardrails import Limits
from reconciler.graph.client import GraphClient
from reconciler.graph.tenant import GraphTenant
from reconciler.graph.transport import Transport
from reconciler.model.errors import Interrupted, ReconcilerError
from reconciler.operations import planning
from reconciler.operations.connect import Connection, Session
from reconciler.operations.selection import Selection
from reconciler.runtime.deadline import Deadline
from reconciler.runtime.retry import Backoff
from reconciler.sandbox import Faults, SandboxState
from tests.support.recorded_sandbox import RecordedSandbox

START = 1_795_000_000.0
GRAPH = "https://graph.test"
CANARY = "canary-token-4f1d"


class FakeClock:
    """Time that passes only when somebody sleeps. ``interrupt_at`` is the sleep that Ctrl-C ends."""

    def __init__(self, *, start=START, interrupt_at=None):
        self.start = start
        self.slept = []
        self.interrupt_at = interrupt_at
        self.is_stopped = False
        self._elapsed = 0.0
        self._lock = threading.Lock()

    def now(self):
        return datetime.fromtimestamp(self.start, UTC) + timedelta(seconds=self._elapsed)

    def timestamp(self):
        return self.start + self._elapsed

    def monotonic(self):
        return self._elapsed

    def advance(self, seconds):
        with self._lock:
            self._elapsed += seconds

    def stop(self):
        self.is_stopped = True

    def sleep(self, seconds):
        with self._lock:
            self.slept.append(seconds)
            if self.interrupt_at == len(self.slept):
                self.is_stopped = True
            if self.is_stopped:
                raise Interrupted("stopped by the user")
            self._elapsed += seconds


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


class Middle(random.Random):
    """The highest wait, always: jitter without chance."""

    def uniform(self, a, b):
        return b


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

    def plan(self):
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
        )

    def apply(self, plan=None, *, codes=()):
        return applier.apply(
            plan or self.plan(),
            tenant=self.tenant,
            journal=self.journal,
            approvals=FilePendingApprovals(self.root / ".reconciler" / "approvals.json"),
            approval_codes=codes,
            progress=self.heard,
            deadline=self.session.deadline,
            backoff=self.session.backoff,
            parallelism=self.session.parallelism,
            is_stopped=self.session.is_stopped,
        )


def guid(kind, number=0):
    """A readable id: one digit for the kind, then a number."""
    return f"{kind}{kind}{kind}{kind}{kind}{kind}{kind}{kind}-aaaa-4aaa-8aaa-{number:012d}"


POLICY_SET = guid(5)
KIOSKS, CORPORATE = guid(4, 1), guid(4, 2)
_FILTER_ID = "deviceAndAppManagementAssignmentFilterId"
_FILTER_TYPE = "deviceAndAppManagementAssignmentFilterType"


def group(number):
    return guid(3, number)


def policy_id(number):
    return guid(1, number)


LINUX = guid(2, 1)


def target(kind, group_id=None, *, mode="none", filter_id=None):
    """A target as beta shows it."""
    built = {
        "@odata.type": f"#microsoft.graph.{kind}AssignmentTarget",
        _FILTER_ID: filter_id,
        _FILTER_TYPE: mode,
    }
    return built if group_id is None else {**built, "groupId": group_id}


def opaque(number):
    """A target of a type that the program does not know, with more than it could guess."""
    return {
        "zeta": {"b": 1, "a": [2, {"d": None, "c": "Ü"}]},
        "@odata.type": "#microsoft.graph.androidFotaDeploymentAssignmentTarget",
        "groupId": group(number),
        _FILTER_TYPE: "none",
        _FILTER_ID: None,
    }


def live(policy, built, *, source="direct", key=None):
    """An assignment as beta shows it."""
    key = key or built.get("groupId") or built["@odata.type"]
    return {
        "id": f"{policy}_{key}",
        "source": source,
        "sourceId": policy if source == "direct" else POLICY_SET,
        "target": built,
    }


TENANT = "7d2f9a54-51d8-4c0e-9b57-0c1f5d6c7a11"


def tenant(policies, *, linux=(), groups=20, approval=None):
    """A tenant in the sandbox's shape: policies by number, each with its targets or assignments."""

    def assignments(own_id, given):
        return [one if "target" in one else live(own_id, one) for one in given]

    return {
        "organization": {
            "id": TENANT,
            "displayName": "Contoso",
            "verifiedDomains": [{"name": "contoso.example"}],
        },
        "groups": [
            {"id": group(number), "displayName": f"Group {number}"} for number in range(1, groups)
        ],
        "assignmentFilters": [
            {
                "id": KIOSKS,
                "displayName": "Kiosks",
                "platform": "windows10AndLater",
                "assignmentFilterManagementType": "devices",
            },
            {
                "id": CORPORATE,
                "displayName": "Corporate",
                "platform": "windows10AndLater",
                "assignmentFilterManagementType": "devices",
            },
        ],
        "deviceCompliancePolicies": [
            {
                "@odata.type": "#microsoft.graph.windows10CompliancePolicy",
                "id": policy_id(number),
                "displayName": f"Policy {number}",
                "assignments": assignments(policy_id(number), given),
            }
            for number, given in sorted(policies.items())
        ],
        "compliancePolicies": [
            {
                "id": LINUX,
                "name": "Linux",
                "platforms": "linux",
                "assignments": assignments(LINUX, linux),
            }
        ],
        **({"multiAdminApproval": {"form": approval}} if approval else {}),
    }


def declare(folder, policies, *, writes="auto", ownership="additive", limits=200, domain=TENANT):
    """Write a tenant root: per policy name, the YAML lines below ``include`` and ``exclude``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tenant.yaml").write_text(
        f"tenant: {domain}\nlabel: test\nownership: {ownership}\nwrites: {writes}\n"
        f"guardrails: {{max_creates: {limits}, max_updates: {limits}, max_deletes: {limits}, "
        "broad_targets: allow}\n"
    )
    lines = ["policies:"]
    for name, sides in policies.items():
        lines.append(f"  - name: {name}")
        for side in ("include", "exclude"):
            entries = sides.get(side) if isinstance(sides, dict) else sides
            if side == "exclude" and not isinstance(sides, dict):
                continue
            if entries is None:
                continue
            lines.append(f"    {side}:" if entries else f"    {side}: []")
            lines += [f"      - {entry}" for entry in entries]
    (folder / "policies.yaml").write_text("\n".join(lines) + "\n")
    return folder


def targets_of(app, own_id):
    """What is directly assigned, by group (or type), to its filter."""
    return {
        (
            one["target"]["@odata.type"].split(".")[-1].removesuffix("AssignmentTarget"),
            one["target"].get("groupId"),
        ): (one["target"].get(_FILTER_TYPE), one["target"].get(_FILTER_ID))
        for one in app.state.assignments_of(own_id)
        if one["source"] == "direct"
    }
