"""The command line: options in, an operation run, a view out, an exit code back."""

from reconciler.cli.entry import main

__all__ = ["main"]
