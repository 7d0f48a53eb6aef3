"""The one door to MSAL, which has no types: how it is imported, addressed and read. Does no I/O itself."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from reconciler.graph.clouds import CloudEndpoints


def quiet_msal() -> Any:
    """MSAL, quiet: at ERROR and DEBUG it logs responses of the token endpoint, tokens and all."""
    import msal  # noqa: PLC0415 - a tenth of a second, for those who sign in alone

    logging.getLogger("msal").setLevel(logging.CRITICAL)
    return msal


def authority_url(endpoints: CloudEndpoints, tenant: str) -> str:
    """MSAL takes https alone; for a plain loopback address `SigninHttp` turns it back."""
    parts = urlsplit(f"{endpoints.login}/{tenant}")
    if parts.scheme == "http" and parts.port is None:
        parts = parts._replace(netloc=f"{parts.netloc}:80")
    return parts._replace(scheme="https").geturl()


def result_of(value: Any) -> Mapping[str, object]:
    """MSAL's result as typed values; empty where it is no dict."""
    return value if isinstance(value, dict) else {}
