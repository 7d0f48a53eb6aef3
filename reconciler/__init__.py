"""GitOps for Microsoft Intune compliance policies: declare targets in YAML, see a plan, apply it."""

__version__ = "0.1.0"
"""As in pyproject.toml: a test compares the two. Reading it from the package's metadata takes 10 ms."""
