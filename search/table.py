"""A table is a value: columns and rows of cells, written as Markdown or HTML here, on a terminal by show/terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True, kw_only=True)
class Column:
    """What stands in one column.

    Args:
        heading: with its unit.
        right: figures, to the right; words stand to the left.
        fold: whether a narrow terminal may break its cells.
        least: characters that it takes on a terminal.
    """

    heading: str
    right: bool = False
    fold: bool = False
    least: int | None = None


@dataclass(frozen=True)
class Table:
    """Columns, and rows of as many cells."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]


def words(*headings: str, fold: bool = True) -> list[Column]:
    """Columns of words."""
    return [Column(heading=heading, fold=fold) for heading in headings]


def figures(*headings: str) -> list[Column]:
    """Columns of figures, which are never broken."""
    return [Column(heading=heading, right=True) for heading in headings]


def markdown(table: Table) -> str:
    """Without a line break at its end."""
    lines = [[column.heading for column in table.columns], *table.rows]
    head, *body = ("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
    return "\n".join([head, _rule(table.columns), *body])


def html(table: Table) -> str:
    """In a frame of its own, which a narrow page can scroll; the page's style sets it."""
    head = _tags("th", (column.heading for column in table.columns))
    body = "".join(f"<tr>{_tags('td', row)}</tr>\n" for row in table.rows)
    return f"<div class='scroll'><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>"


def _rule(columns: Iterable[Column]) -> str:
    return "| " + " | ".join("---:" if column.right else "---" for column in columns) + " |"


def _tags(tag: str, cells: Iterable[str]) -> str:
    return "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells)
