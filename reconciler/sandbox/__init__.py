"""A small, strict Microsoft Graph on a tenant file. It shares no code with the client that it tests.

A mark such as "[O] section 2" in these modules means a section of `.github/docs/graph.md`, and how
that page knows the fact: documented, observed, inferred or unknown.
"""

from reconciler.sandbox.app import SandboxApp
from reconciler.sandbox.exchange import Exchange
from reconciler.sandbox.faults import Fault, Faults
from reconciler.sandbox.server import SandboxServer
from reconciler.sandbox.state import SandboxState
from reconciler.sandbox.tenant_file import SandboxFileError

__all__ = [
    "Exchange",
    "Fault",
    "Faults",
    "SandboxApp",
    "SandboxFileError",
    "SandboxServer",
    "SandboxState",
]
