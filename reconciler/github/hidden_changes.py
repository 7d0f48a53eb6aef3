"""The approved changes themselves, hidden below a plan comment. Pure.

The digest alone shows *that* a fresh plan differs from the approved one. The canonical changes show
*what* differs, so that a refusal can name it, and a run that finds a part done may do the rest. They
need no trust: whoever reads them computes their digest and compares it with the approved one.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Sequence

_BLOCK = re.compile(r"<!-- reconciler:changes v=1 ([A-Za-z0-9+/=]+) -->\s*\Z")
_MOST_BYTES = 8 * 1024 * 1024


def with_changes(body: str, lines: Sequence[str], *, limit: int) -> str:
    """Append the changes, unless the text would grow over ``limit`` characters."""
    packed = zlib.compress(json.dumps(list(lines)).encode(), 9)
    block = f"\n<!-- reconciler:changes v=1 {base64.b64encode(packed).decode()} -->\n"
    longer = body.rstrip("\n") + "\n" + block
    return longer if lines and len(longer) <= limit else body


def read_changes(body: str) -> tuple[str, ...] | None:
    """Read the changes back; None where there are none, or none that can be read."""
    found = _BLOCK.search(body)
    if found is None:
        return None
    try:
        unpack = zlib.decompressobj()
        text = unpack.decompress(base64.b64decode(found.group(1), validate=True), _MOST_BYTES)
        if not unpack.eof:
            return None
        lines = json.loads(text)
    except (binascii.Error, zlib.error, ValueError, RecursionError):
        return None
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        return None
    return tuple(lines)
