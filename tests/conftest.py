"""Fixtures of the whole suite."""

import os

pytest_plugins = ["tests.authority"]

# The suite must not depend on who runs it: neither on their terminal nor on their cloud.
KEPT = "RECONCILER_MACHINE_ROUNDS"
for name in list(os.environ):
    if name.startswith(("AZURE_", "RECONCILER_", "GITHUB_", "ACTIONS_")) and name != KEPT:
        del os.environ[name]
os.environ.pop("NO_COLOR", None)
os.environ.pop("COLUMNS", None)
