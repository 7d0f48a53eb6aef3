"""Open pages in Chromium and measure them. No test stands here."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=2000",
)


def browse(page: str, folder: Path, *flags: str, fragment: str = "") -> tuple[str, list[str]]:
    """Open a page in Chromium; give the document it makes of it, and what its console says."""
    file = folder / "plan.html"
    file.write_text(page, encoding="utf-8")
    done = subprocess.run(
        [
            CHROMIUM,
            *FLAGS,
            *flags,
            f"--user-data-dir={folder / 'profile'}",
            "--dump-dom",
            f"{file.as_uri()}{fragment}",
        ],
        capture_output=True,
        timeout=120,
        check=True,
        env={**os.environ, "HOME": str(folder)},
    )
    log = done.stderr.decode(errors="replace").splitlines()
    return done.stdout.decode(), [line for line in log if "CONSOLE" in line]


browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on the PATH")

WIDTHS = (390, 830, 1280)
"""A phone, a comment on GitHub, a laptop; in pixels."""

FRAMES = (
    "<!doctype html><body>"
    + "".join(
        f'<iframe src="inner.html" style="width:{width}px;height:900px"></iframe>'
        for width in WIDTHS
    )
    + """<script>
addEventListener("load", () => {
  const sizes = [...document.querySelectorAll("iframe")].map((frame) => {
    const root = frame.contentDocument.scrollingElement;
    return [root.scrollWidth, frame.contentWindow.innerWidth, root.scrollHeight];
  });
  document.title = JSON.stringify(sizes);
});
</script></body>"""
)


@dataclass(frozen=True)
class Size:
    """How wide a page is, how wide its window is, and how tall the page is, in pixels."""

    page: int
    window: int
    height: int


def measured(page: str, folder: Path) -> tuple[Size, ...]:
    """Give the sizes of a page in windows of each of `WIDTHS`."""
    (folder / "inner.html").write_text(page, encoding="utf-8")
    document, _ = browse(FRAMES, folder, "--allow-file-access-from-files")
    [sizes] = re.findall("<title>([^<]*)</title>", document)
    return tuple(Size(*size) for size in json.loads(sizes))
