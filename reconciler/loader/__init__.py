"""Read a tenant root's YAML into a desired state, or into every error in it, with its place."""

from reconciler.loader.load import Loaded, Source, discover_roots, load

__all__ = ["Loaded", "Source", "discover_roots", "load"]
