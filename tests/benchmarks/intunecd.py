"""Let IntuneCD back up compliance policies from another address. A script for its own interpreter.

    PYTHON tests/benchmarks/intunecd.py GRAPH_URL FOLDER

IntuneCD sends everything to Microsoft's address (https://github.com/almenscorner/IntuneCD), so that
address is replaced where its requests leave. Whatever else it backs up is excluded.
"""

from __future__ import annotations

import contextlib
import io
import re
import runpy
import sys
from typing import Any
from unittest import mock

import requests

_GRAPH = "https://graph.microsoft.com"
_MODULE = "IntuneCD.run_backup"
_WANTED = ("assignments", "Compliance")
_send = requests.Session.request


def main(graph: str, folder: str) -> None:
    def redirected(self: requests.Session, method: str, url: str, **rest: Any) -> requests.Response:
        return _send(self, method, url.replace(_GRAPH, graph), **rest)

    others = [each for each in _kinds() if each not in _WANTED]
    with mock.patch.object(requests.Session, "request", redirected):
        _run(["-m", "1", "-p", folder, "-t", "any", "--exit-on-error", "--exclude", *others])


def _kinds() -> list[str]:
    """Everything that it can exclude, as its help says."""
    with contextlib.redirect_stdout(io.StringIO()) as shown, contextlib.suppress(SystemExit):
        _run(["--help"])
    listed = re.search(r"\{([\w,\s]+)\}", shown.getvalue())
    return re.split(r"[,\s]+", listed[1].strip()) if listed else []


def _run(arguments: list[str]) -> None:
    sys.argv = [_MODULE, *arguments]
    runpy.run_module(_MODULE, run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
