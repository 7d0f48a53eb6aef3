"""What surrounds a text in Markdown: the hidden marker, the commit, the run, and links. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from reconciler.model.diagnostics import Location
from reconciler.model.plan import Summary
from reconciler.model.state import Cloud, Policy
from reconciler.views.escaping import (
    comment_value,
    markdown_code,
    markdown_prose,
    repository_path,
)

SMALLEST_BUDGET = 8_000
"""Room for title, counts and footer in the worst case; a budget below it counts as this much."""

_RUN = re.compile(r"/actions/runs/([0-9]{1,20})\Z")
_ADDRESS = re.compile(r"https?://[^\s<>()\[\]`\"\\|]{1,500}")
_LONGEST_LINK = 900

_ADMIN_CENTERS = {
    Cloud.GLOBAL: "https://intune.microsoft.com",
    Cloud.US_GOV_L4: "https://intune.microsoft.us",
    Cloud.US_GOV_L5: "https://intune.microsoft.us",
    Cloud.CHINA: "https://intune.microsoftonline.cn",
}
"""Microsoft documents these hosts: https://learn.microsoft.com/intune/intune-service/fundamentals
(``china-endpoints``, ``intune-us-government-endpoints``)."""


@dataclass(frozen=True, slots=True)
class Context:
    """What surrounds a plan where it is shown.

    ``kind`` tells one comment of a tenant from another. ``on_merge`` is a sentence (plain text)
    that says what happens next; without one the footer says what is always true. ``note`` is
    another, put below the title. ``root`` leads from the repository's top to the tenant root.
    ``repository_url`` is the repository's page, ``report_url`` that of the HTML report.
    ``run_number`` is the number that people know a run by; the address holds another one.
    ``budget`` is in characters; GitHub takes 65,536.
    """

    kind: str = "plan"
    commit: str | None = None
    run_url: str | None = None
    run_number: str | None = None
    repository_url: str | None = None
    report_url: str | None = None
    on_merge: str | None = None
    note: str | None = None
    root: str = ""
    budget: int = 60_000

    @property
    def run_id(self) -> str | None:
        """The id of the workflow run, from its address."""
        found = _RUN.search(self.run_url or "")
        return found[1] if found else None

    @property
    def room(self) -> int:
        """The budget, and at least what the head and the foot of a text need."""
        return max(self.budget, SMALLEST_BUDGET)


def marker_prefix(kind: str, label: str) -> str:
    """Start of the hidden first line, by which the comment of a tenant is found again."""
    return f"<!-- reconciler:{comment_value(kind)} tenant={comment_value(label)} "


def marker(context: Context, label: str, digest: str | None, summary: Summary | None = None) -> str:
    """Write the hidden first line. ``summary`` counts the changes that the text shows."""
    counts = f"{summary.create}/{summary.update}/{summary.delete}" if summary else None
    facts = {
        "digest": digest,
        "commit": context.commit,
        "run": context.run_id,
        "changes": counts,
    }
    fields = "".join(
        f"{key}={comment_value(value).replace('%3A', ':').replace('%2F', '/')} "
        for key, value in facts.items()
        if value
    )
    return f"{marker_prefix(context.kind, label)}{fields}v=1 -->"


def note(context: Context) -> list[str]:
    """The caller's own sentence, as a paragraph."""
    return [markdown_prose(context.note)] if context.note else []


def where(context: Context) -> Iterator[str]:
    """Name the commit and the run, as far as they are known."""
    if context.commit:
        yield f"commit {markdown_code(context.commit[:12])}"
    if is_address(context.run_url):
        yield link(run_name(context) or "workflow run", context.run_url)


def run_name(context: Context) -> str | None:
    """Name the run by its number, as in ``run 42``; by its id where the number is not known."""
    number = context.run_number or context.run_id or ""
    return f"run {number}" if number.isascii() and number.isdigit() else None


def is_address(url: str | None) -> bool:
    """Whether a text is a plain web address, with nothing that Markdown could act on."""
    return url is not None and _ADDRESS.fullmatch(url) is not None


def link(text: str, url: str | None) -> str:
    """Link a text that is safe already; the text alone without an address."""
    is_safe = url is not None and len(url) <= _LONGEST_LINK
    return f"[{text}]({url})" if is_safe else text


def place(
    location: Location | None,
    context: Context,
    *,
    with_column: bool = False,
    text: str | None = None,
) -> str:
    """Name a line of a file, linked to that line at the commit where the repository is known.

    ``text`` is shown in place of the file's name.
    """
    if location is None:
        return ""
    path = repository_path(context.root, location.file)
    column = f":{location.column}" if with_column else ""
    text = text or markdown_code(f"{path}:{location.line}{column}")
    if not is_address(context.repository_url) or not context.commit or path.startswith(".."):
        return text
    commit, file = quote(context.commit, errors="replace", safe=""), quote(path, errors="replace")
    return link(text, f"{context.repository_url}/blob/{commit}/{file}#L{location.line}")


def policy_url(policy: Policy, cloud: Cloud) -> str:
    """The page of a compliance policy in the Intune admin center.

    The host is documented. The path is what the admin center itself shows in the address bar, and
    Microsoft documents it nowhere; should it change, the link leads to the start page.
    """
    page = "#view/Microsoft_Intune_DeviceSettings/CompliancePolicyOverview.ReactView"
    id, name = (quote(each, errors="replace", safe="") for each in (policy.id, policy.name[:100]))
    which = f"policyId/{id}/policyName/{name}"
    return f"{_ADMIN_CENTERS[cloud]}/{page}/{which}/platform~/0/policyType~/0"
