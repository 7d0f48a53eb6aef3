"""Which proxy the environment names for an address. Pure: reads the mapping that it is given.

As in curl and requests: ``https_proxy``, then ``all_proxy``, each before its spelling in capitals;
``no_proxy`` exempts hosts. Sources: https://everything.curl.dev/usingcurl/proxies/env.html and
requests/utils.py (`should_bypass_proxies`, `select_proxy`).
"""

from __future__ import annotations

import ipaddress
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from reconciler.model.errors import ConfigError
from reconciler.runtime.addresses import is_loopback

_PORTS = {"http": 80, "https": 443}
_SYSTEM = "the proxy in the system's settings"


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy. ``named_by`` is the variable that names it; ``repr`` shows no password."""

    named_by: str
    scheme: str
    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)


def proxy_for(url: str, environ: Mapping[str, str]) -> Proxy | None:
    """The proxy for an http(s) address; None where it is reached directly.

    This machine is always reached directly: a proxy would get the token, and it would look for
    the address on its own machine. Raises `ConfigError` for a proxy that cannot be used; its text never quotes the
    value, which may hold a password.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".").casefold()
    if is_loopback(host) or _is_exempt(host, parts.port or _PORTS.get(parts.scheme, 0), environ):
        return None
    variable, value = _named(parts.scheme, host, environ)
    return _parsed(variable, value, host) if value else None


def _named(scheme: str, host: str, environ: Mapping[str, str]) -> tuple[str, str]:
    for name in (f"{scheme}_proxy", "all_proxy"):
        # The spelling in small letters counts even where it is empty: that is how a shell turns
        # off what the system has set.
        variable = name if name in environ else name.upper()
        if value := environ.get(variable, "").strip():
            return variable, value
    if sys.platform in ("win32", "darwin") and not proxy_bypass(host):
        return _SYSTEM, getproxies().get(scheme, "")
    return "", ""


def _parsed(variable: str, value: str, host: str) -> Proxy:
    if value.startswith("//"):
        value = f"http:{value}"
    text = value if "://" in value else f"http://{value}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _unusable(variable) from None
    if parts.scheme.startswith("socks"):
        raise ConfigError(
            f"{variable} names a SOCKS proxy, and only HTTP proxies are supported: set HTTPS_PROXY "
            f"to http://HOST:PORT of one, or NO_PROXY to {host} to go there directly"
        )
    if parts.scheme not in _PORTS or not _is_host(parts) or parts.query or parts.fragment:
        raise _unusable(variable)
    return Proxy(
        named_by=variable,
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=port or _PORTS[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def _is_host(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    has_path = parts.path.strip("/") != ""
    return not has_path and re.fullmatch(r"[0-9A-Za-z._:-]+", host) is not None


def _unusable(variable: str) -> ConfigError:
    return ConfigError(
        f"{variable} is not the address of an HTTP proxy: write http://HOST:PORT, or "
        "http://USER:PASSWORD@HOST:PORT with special characters as %XX (@ is %40, # is %23, / is %2F)"
    )


def _is_exempt(host: str, port: int, environ: Mapping[str, str]) -> bool:
    entries = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    return any(_matches(entry, host, port) for entry in re.split(r"[\s,;]+", entries) if entry)


def _matches(entry: str, host: str, port: int) -> bool:
    """Whether an entry of NO_PROXY means a host. One that makes no sense means none, as in curl."""
    if entry == "*":
        return True
    text = entry.rpartition("://")[2].rstrip("/").casefold() if "://" in entry else entry.casefold()
    name, named_port = _without_port(text)
    if named_port is not None and named_port != port:
        return False
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(name, strict=False)
    except ValueError:
        pass  # one of them is a name
    name = name.removeprefix("*").strip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _without_port(entry: str) -> tuple[str, int | None]:
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::([0-9]{1,5}))?", entry)
    plain = re.fullmatch(r"([^:\[\]]*):([0-9]{1,5})", entry)
    match = bracketed or plain
    if match is None:
        return entry, None
    return match[1], int(match[2]) if match[2] else None
