"""Labels on a pull request, created where the repository does not have them. Does I/O.

https://docs.github.com/rest/issues/labels
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from reconciler.github.api import GitHubApi
from reconciler.github.errors import GitHubError, GitHubOutcomeUnknownError, MissingError


@dataclass(frozen=True, slots=True)
class Label:
    """A label of the repository; ``colour`` is six hex digits."""

    name: str
    colour: str
    description: str


REMOVES = Label("reconciler: removes", "d93f0b", "The plan takes assignments away")
NO_CHANGES = Label("reconciler: no changes", "c2e0c6", "The tenant has what the files declare")


def set_labels(api: GitHubApi, number: int, wanted: Mapping[Label, bool]) -> None:
    """Give a pull request each label whose value is true, and take the others away.

    Labels that are not named stay as they are.
    """
    path = f"{api.here}/issues/{number}/labels"
    attempted = f"setting the labels of pull request #{number}"
    entries = api.pages(path, attempted=attempted)
    there = {str(each.get("name")) for each in entries if isinstance(each, dict)}
    for label, is_wanted in wanted.items():
        if is_wanted and label.name not in there:
            ensure_label(api, label)
            api.record(path, {"labels": [label.name]}, attempted=attempted)
        elif not is_wanted and label.name in there:
            _remove(api, f"{path}/{quote(label.name, safe='')}", attempted)


def ensure_label(api: GitHubApi, label: Label) -> None:
    """Create a label in the repository where it is missing."""
    attempted = f"creating the label {label.name}"
    path = f"{api.here}/labels"
    try:
        api.get(f"{path}/{quote(label.name, safe='')}", attempted=attempted)
    except MissingError:
        pass
    else:
        return
    body = {"name": label.name, "color": label.colour, "description": label.description}
    try:
        api.create(path, body, attempted=attempted)
    except GitHubOutcomeUnknownError:
        pass  # using it creates the label too, where it is still missing
    except GitHubError as refused:
        # 422: another run has just created it.
        if refused.status != 422:
            raise


def _remove(api: GitHubApi, path: str, attempted: str) -> None:
    try:
        api.delete(path, attempted=attempted)
    except GitHubError as refused:
        if refused.status != 404:  # somebody else took it away
            raise
