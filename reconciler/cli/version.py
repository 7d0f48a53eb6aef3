"""The release that is installed."""

from importlib import metadata


def version() -> str:
    """Read the version from the package's metadata."""
    return metadata.version("reconciler")
