"""The shapes of Markdown: tables, alerts, folded lists, each within a budget of characters. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from reconciler.views.escaping import markdown_cell


def row(*cells: str) -> str:
    """Write a table's row."""
    return f"| {' | '.join(map(markdown_cell, cells))} |"


def table(header: Sequence[str], rows: Iterable[str]) -> str:
    """Write a table."""
    return "\n".join([row(*header), f"|{' --- |' * len(header)}", *rows])


def alert(kind: str, title: str, items: Iterable[str], room: int) -> str:
    """Write one of GitHub's alerts, which are quotations elsewhere, with the items that fit."""
    head = [f"> [!{kind}]", f"> **{title}**", ">"]
    entries = ["> - " + item.replace("\n", "\n>   ") for item in items]
    return "\n".join([*head, *fitting(entries, room - size(head), prefix="> ")])


def folded(
    title: str, header: Sequence[str], rows: Sequence[str], room: int, *, is_open: bool = False
) -> str:
    """Write a table that folds, with the rows that fit."""
    head = f"<details{' open' * is_open}><summary>{title}</summary>\n\n{table(header, ())}"
    room -= len(head) + 200
    shown = list(that_fit(rows, room))
    rest = len(rows) - len(shown)
    note = f"\n\n… and {rest} more, not shown here" if rest else ""
    body = "\n".join([head, *shown]) if shown else head.partition("\n")[0] + "\n"
    return f"{body}{note}\n\n</details>"


def fitting(entries: Sequence[str], room: int, prefix: str = "") -> list[str]:
    """Keep the entries that fit; a last one counts the rest."""
    shown = list(that_fit(entries, room - 100))
    rest = len(entries) - len(shown)
    return [*shown, f"{prefix}- … and {rest} more, not shown here"] if rest else shown


def size(lines: Iterable[str]) -> int:
    """Count the characters of lines and of what stands between them."""
    return sum(len(line) + 2 for line in lines)


def that_fit(lines: Iterable[str], room: int) -> Iterator[str]:
    """The first lines that fit into ``room`` characters."""
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            return
        yield line


def capital(text: str) -> str:
    """Begin a sentence."""
    return text[:1].upper() + text[1:]
