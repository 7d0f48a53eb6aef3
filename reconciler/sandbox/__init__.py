"""A small, strict Microsoft Graph on a tenant file; shares no code with the client it is there to test."""

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
