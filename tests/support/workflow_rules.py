"""The rules that every workflow file keeps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.support.workflow_runner import RIGHTS, read

_PIN = re.compile(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
_INSTALLATION = 10
"""Minutes that checkout, Python and pip may take beside the program's own time limit."""


def broken_rules(path: Path) -> list[str]:
    """Name every rule that a workflow file breaks."""
    text, document = path.read_text(), read(path)
    broken: list[str] = []
    if document.get("permissions") != {}:
        broken.append("permissions at the top are not empty")
    if "concurrency" not in document:
        broken.append("no concurrency")
    broken += [
        f"not pinned to a commit with its version beside it: {line}"
        for line in re.findall(r"\buses:\s*(.+)", text)
        if not line.startswith("$/") and not _PIN.fullmatch(line.strip())
    ]
    for id, job in document["jobs"].items():
        broken += [f"{id}: {fault}" for fault in _of_job(job)]
    return broken


def _of_job(job: Mapping[str, Any]) -> Iterator[str]:
    for key in ("timeout-minutes", "permissions"):
        if key not in job:
            yield f"no {key}"
    if any(right not in RIGHTS for right in dict(job.get("permissions", {})).values()):
        yield "odd permissions"
    concurrency = job.get("concurrency", {})
    if concurrency.get("queue") == "max" and concurrency.get("cancel-in-progress"):
        yield "a queue that cancels"
    seconds, writing = 0, 0
    for step in job["steps"]:
        script = step.get("run", "")
        limit = sum(int(limit) for limit in re.findall(r"--timeout (\d+)", script))
        if "reconciler apply" in script:
            writing = max(writing, limit)  # one of the steps that write runs, by the event
        else:
            seconds += limit
        if "${{" in script:
            yield "an expression in the text of a script"
        is_checkout = step.get("uses", "").startswith("actions/checkout@")
        if is_checkout and step.get("with", {}).get("persist-credentials") is not False:
            yield "the checkout keeps its credentials"
        if re.search(
            r"^(?!.*\b(?:exec|passing_signals_on)\b).*reconciler apply", script, re.MULTILINE
        ):
            yield "a cancelled run would not reach the program that writes"
    seconds += writing
    if seconds and seconds / 60 + _INSTALLATION > job.get("timeout-minutes", 0):
        yield f"its commands may take {seconds} seconds, and the job has fewer minutes"
