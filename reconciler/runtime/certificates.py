"""The certificates that the environment names as trusted, for every host alike. Reads files."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from pathlib import Path

from reconciler.model.errors import ConfigError

CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""Looked at in this order: what Python's HTTP clients, curl and OpenSSL read, the most specific first."""

_CONTENT = "holds the content of a file, and must hold its path"


def ca_variable(environ: Mapping[str, str]) -> str | None:
    """The variable that names the trusted certificates; None leaves them to the program."""
    return next((name for name in CA_VARIABLES if environ.get(name, "").strip()), None)


def tls_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Make the settings for TLS: the certificates that the environment names, else certifi's.

    A variable may name a file or a folder, whose files are all read, whatever their names. Raises
    `ConfigError` where no certificate can be read; its text names the variable and never its value,
    as people put keys there by mistake.
    """
    variable = ca_variable(environ)
    if variable is None:
        import certifi  # noqa: PLC0415 - for those who go online alone

        return ssl.create_default_context(cafile=certifi.where())
    return _context(variable, environ[variable].strip())


def path_mistake(value: str) -> str | None:
    """Say what a variable holds that should hold a path; None where it may well be one."""
    if "-----BEGIN" in value or "\n" in value.strip():
        return f"{_CONTENT} (a certificate or a key)"
    if re.fullmatch(r"[\w-]{8,}\.[\w-]{8,}\.[\w-]*", value):
        return f"{_CONTENT} (a token)"
    if len(value) >= 40 and re.fullmatch(r"[A-Za-z0-9+/=_\s-]+", value) and "/" not in value[:1]:
        return f"{_CONTENT} (base64 text)"
    return None


def _context(variable: str, value: str) -> ssl.SSLContext:
    context: ssl.SSLContext | None = None
    fault = "the folder is empty"
    for file in _files(variable, value):
        try:
            if context is None:
                context = ssl.create_default_context(cafile=file)
            else:
                context.load_verify_locations(cafile=file)
        except ssl.SSLError:
            fault = "there is no certificate in PEM form"
        except OSError as error:
            fault = (error.strerror or type(error).__name__).casefold()
    if context is None:
        raise ConfigError(f"the certificates that {variable} names cannot be read: {fault}")
    return context


def _files(variable: str, value: str) -> list[Path]:
    # SSL_CERT_DIR may be a list, as PATH is; the others name one file or folder.
    names = value.split(os.pathsep) if variable == "SSL_CERT_DIR" else [value]
    try:
        folders = [path for path in map(Path, names) if path.is_dir()]
        if folders:
            return sorted(file for folder in folders for file in folder.iterdir() if file.is_file())
        if Path(value).exists():
            return [Path(value)]
    except (OSError, ValueError):
        pass  # too long for a path, or with a zero byte in it
    why = path_mistake(value) or "names no file or folder that can be read"
    raise ConfigError(f"{variable} {why}: it must name trusted certificates (PEM)")
