"""What an address leads to: this machine or another one, and which origin. Pure: nothing is looked up."""

from __future__ import annotations

import ipaddress
import re

_LABEL = "[0-9a-z](?:[0-9a-z-]{0,61}[0-9a-z])?"
_DOMAIN = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})+", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}


def is_domain_name(text: str) -> bool:
    """Whether a text is the name of a domain or host with a dot in it, in ASCII (RFC 1123)."""
    return _DOMAIN.fullmatch(text) is not None


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine, judged by its spelling alone."""
    if host is None:
        return False
    if host.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an http(s) address: what decides whether a secret may go there.

    None for text that is no such address, and for one with a user name or password in it, which
    would replace the credentials of the request. It is read by httpx, which sends the request too:
    two readings of one address may differ.
    """
    import httpx  # noqa: PLC0415 - slow to import, for those who go online alone

    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError, TypeError):
        return None
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.userinfo:
        return None
    return parsed.scheme, parsed.host.casefold(), parsed.port or _PORTS[parsed.scheme]
