"""One line per tenant: its counts, its risk, and how it ended."""

from __future__ import annotations

from reconciler.views.tenants_table import TenantRow, render_markdown, render_text, row_of
from tests.support.example_plans import broad_and_deleting, held, incomplete, unchanged

ROWS = (
    row_of(broad_and_deleting(), 2),
    row_of(held(), 2),
    row_of(incomplete(), 1),
    row_of(unchanged(), 0),
    TenantRow("us", None, 1),
)


def test_words_stand_to_the_left_and_numbers_to_the_right():
    assert render_text(ROWS).splitlines() == [
        "Tenant        To add  To change  To remove  Risk       Exit",
        "contoso-prod       2          1          2  dangerous     2",
        "contoso-prod       1          0          0  routine       2",
        "contoso-prod       1          0          0  -             1",
        "contoso-prod       0          0          0  -             0",
        "us                 -          -          -  -             1",
    ]


def test_in_markdown_a_tenant_without_a_plan_has_no_numbers():
    assert render_markdown(ROWS[-1:]).splitlines() == [
        "| Tenant | To add | To change | To remove | Risk | Exit |",
        "| --- | ---: | ---: | ---: | --- | ---: |",
        "| `us` | - | - | - | - | 1 |",
    ]
