"""Checkout, upload and download of artifacts as the real actions do it, without their network.

Each function behaves as the source of the action at the commit that the workflows pin:
https://github.com/actions/checkout/blob/3d3c42e5aac5ba805825da76410c181273ba90b1/src/git-source-provider.ts
https://github.com/actions/upload-artifact/blob/043fb46d1a93c77aae656e7c1c64a875d1fc6a0a/src/shared/search.ts
https://github.com/actions/download-artifact/blob/3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c/src/download-artifact.ts
"""

from __future__ import annotations

import fnmatch
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.workflow_expressions import UnknownExpressionError


class ActionFailedError(Exception):
    """An action ended its step in red, with this in the log."""


def upload(
    options: dict[str, Any], *, workspace: Path, store: Path, artifacts: dict[str, Path]
) -> str:
    """Keep a folder's files as an artifact; what goes to the log.

    A folder's own name is not kept, hidden files are passed over, and nothing to keep is a warning
    alone unless the step says otherwise.
    """
    name, path = options.pop("name"), workspace / options.pop("path")
    where_empty = options.pop("if-no-files-found", "warn")
    if set(options) - {"retention-days"}:
        raise UnknownExpressionError(f"upload-artifact with {options}")
    if not name or re.search(r'["<>|*?\r\n\\/:]', name) or name in artifacts:
        raise ActionFailedError(f"Error: {name!r} is no name for an artifact")
    files = [
        file
        for file in path.rglob("*")
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(path).parts)
    ]
    if not files:
        text = f"No files were found with the provided path: {path.name}. No artifacts will be uploaded."
        if where_empty == "error":
            raise ActionFailedError(f"Error: {text}")
        return f"Warning: {text}\n"
    for file in files:
        kept = store / name / file.relative_to(path)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, kept)
    artifacts[name] = store / name
    return ""


def download(options: dict[str, Any], *, workspace: Path, artifacts: Mapping[str, Path]) -> None:
    """Put artifacts into a folder.

    With a pattern, each of several gets a folder of its name. A single match is put straight into
    the path, and so is each of several with ``merge-multiple``. No match is no error.
    """
    into = workspace / options.pop("path")
    is_merged = options.pop("merge-multiple", False)
    if "name" in options:
        name = options.pop("name")
        if name not in artifacts:
            raise ActionFailedError(f"Error: Artifact '{name}' not found")
        names = [name]
    else:
        pattern = options.pop("pattern")
        names = [name for name in artifacts if fnmatch.fnmatchcase(name, pattern)]
    if options:
        raise UnknownExpressionError(f"download-artifact with {options}")
    for name in names:
        target = into if is_merged or len(names) == 1 else into / name
        shutil.copytree(artifacts[name], target, dirs_exist_ok=True)
