"""Remember a person's sign-in between runs, where the system can protect it. Reads and writes the cache."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

_UNPROTECTED = (
    "this system has no protected store for sign-ins (or it is locked): "
    "the account is kept in memory, for this run alone"
)


def account_cache(
    name: str,
    note: Callable[[str], None],
    *,
    folder: Path | None = None,
    build: Callable[[str], Any] | None = None,
) -> Any:
    """MSAL's cache for one authority, tenant and app: protected by the system, or in memory alone.

    ``build`` makes the store for a path; by default Windows' DPAPI, macOS' keychain or Linux'
    libsecret. A plain file is never fallen back to: it would hold a refresh token.
    """
    import msal_extensions  # noqa: PLC0415 - for those who sign in by hand alone
    import platformdirs  # noqa: PLC0415

    logging.getLogger("msal_extensions").setLevel(logging.CRITICAL)
    place = folder or Path(platformdirs.user_cache_dir("reconciler", appauthor=False))
    file = place / f"account-{hashlib.sha256(name.encode()).hexdigest()[:16]}.bin"
    try:
        store = (build or msal_extensions.build_encrypted_persistence)(str(file))
        cache = msal_extensions.PersistedTokenCache(store)
        _check(cache, store)
    except (ImportError, OSError, RuntimeError, ValueError):
        # ImportError and ValueError: libsecret's bindings are not there. RuntimeError: GLib's errors
        # and an unknown system. OSError: the keychain's and msal-extensions' own.
        note(_UNPROTECTED)
        return None
    return cache


def _check(cache: Any, store: Any) -> None:
    """Read the store once now, when memory can still take its place."""
    from msal_extensions.persistence import PersistenceNotFound  # noqa: PLC0415

    try:
        content = store.load()
    except PersistenceNotFound:
        return
    cache.deserialize(content)
