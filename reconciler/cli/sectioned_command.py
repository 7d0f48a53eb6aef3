"""A command whose help lists its options by what they are for."""

from __future__ import annotations

from collections.abc import Mapping

import click

_SECTIONS: Mapping[str, tuple[str, ...]] = {
    "What to work on": (
        "tenant",
        "label",
        "with_import",
        "policies",
        "root",
        "layout",
        "ownership",
        "dry_run",
    ),
    "Consent before writing": (
        "auto_approve",
        "expect_digest",
        "expect_approved",
        "justification",
        "approval_codes",
    ),
    "Guardrails of this run": ("max_creates", "max_updates", "max_deletes", "allow_broad"),
    "Without a tenant": (
        "sandbox",
        "sandbox_file",
        "sandbox_mode",
        "sandbox_reset",
        "snapshot",
        "max_snapshot_age",
    ),
    "Requests and time": ("parallelism", "timeout"),
    "Result": ("format_", "out", "detailed_exitcode", "failure_out", "journal", "shell"),
}
"""Which parameters stand in which section; every other one stands in the last, "Other options"."""


class SectionedCommand(click.Command):
    """Writes one section for each purpose, in place of one list of options."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections that have options here, each in its fixed order."""
        records = {
            parameter.name: record
            for parameter in self.get_params(ctx)
            if not isinstance(parameter, click.Argument)
            and (record := parameter.get_help_record(ctx)) is not None
        }
        for title, names in _SECTIONS.items():
            _write(formatter, title, [records.pop(name) for name in names if name in records])
        _write(formatter, "Other options", [*records.values()])


def _write(formatter: click.HelpFormatter, title: str, records: list[tuple[str, str]]) -> None:
    if records:
        with formatter.section(title):
            formatter.write_dl(records)
