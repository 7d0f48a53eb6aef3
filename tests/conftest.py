"""Fixtures of the whole suite."""

import os
import sys

import pytest

from reconciler.runtime.known_secrets import KNOWN
from tests.support.property_rounds import load_profile

pytest_plugins = [
    "tests.support.certificates",
    "tests.support.authority_server",
    "tests.support.signin",
]

load_profile()

# The suite must not depend on who runs it: neither on their terminal nor on their cloud.
for name in list(os.environ):
    if name.startswith(("AZURE_", "RECONCILER_", "GITHUB_", "ACTIONS_")):
        del os.environ[name]
os.environ.pop("NO_COLOR", None)
os.environ.pop("COLUMNS", None)

# Pseudo-terminals, signals, links and bash are POSIX's; what is killed is watched through /proc.
collect_ignore_glob = []
if sys.platform == "win32":
    collect_ignore_glob += ["e2e/*", "unit/test_loader_files.py"]
if sys.platform != "linux":
    collect_ignore_glob += ["e2e/test_killed.py", "e2e/test_workflow_*.py"]


@pytest.fixture(autouse=True)
def _no_secret_of_another_test():
    """Each test is a process of its own, as far as secrets go."""
    yield
    KNOWN.forget()
