"""What an address leads to: this machine or another one, and which origin. Pure: nothing is looked up."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

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


def address_fault(value: str, *, takes_bare_names: bool = False) -> str | None:
    """What keeps a value from being an address that a token may go to; None where nothing does.

    The text never quotes the value. Messages name the host, and by mistake there may be a secret in
    the variable: so a host must have a dot, or be an IP address or this machine, unless it
    ``takes_bare_names``, as a server of one's own may have.
    """
    try:
        parts = urlsplit(value)
        _ = parts.port  # raises where the port is no number
    except ValueError:
        return "is not an address"
    host = parts.hostname or ""
    if "\\" in value or not is_one_word(value):
        return "holds blanks, backslashes or odd characters"
    if "@" in parts.netloc:
        return "must not hold a user name or a password"
    if "?" in value or "#" in value:
        return "must not hold a query or a fragment"
    is_host = is_loopback(host) or ":" in host or is_domain_name(host)
    if parts.scheme not in _PORTS or not host or not (is_host or takes_bare_names):
        return "must be an address such as https://host.example"
    if parts.scheme == "http" and not is_loopback(host):
        return "must be https: the token would cross the network in the clear (http is for loopback alone)"
    return None


def is_one_word(text: str) -> bool:
    """Whether a text can be a token: visible ASCII characters, without a blank or a line break.

    An HTTP library quotes a header that it cannot send, the token in it and all.
    """
    return bool(text) and all("!" <= character <= "~" for character in text)


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
