"""A console that prints what it is given, and how a table and a sentence look on it."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table as RichTable

from ...table import Table


def is_watched(console: Console) -> bool:
    """Whether somebody sits before it: what moves is for them alone. FORCE_COLOR, as CI sets it, makes no terminal."""
    return console.file.isatty()


def terminal(*, stderr: bool = False) -> Console:
    """A console that prints text as it is: layer names hold brackets and colons."""
    console = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not is_watched(console):
        console.width = 160  # nobody's window is known
    return console


def on_terminal(table: Table, *, title: str | None = None, edge: bool = True, bold: int | None = None) -> RichTable:
    """A table for a console to print.

    Args:
        edge: a space before the first column.
        bold: the row that stands out.
    """
    drawn = RichTable(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=edge)
    for column in table.columns:
        drawn.add_column(
            column.heading,
            justify="right" if column.right else "left",
            no_wrap=not column.fold,
            overflow="fold",
            min_width=column.least,
        )
    for i, row in enumerate(table.rows):
        drawn.add_row(*row, style="bold" if i == bold else None)
    return drawn


def say(console: Console, text: str, *, style: str | None = None) -> None:
    """Print a sentence: folded at words for a reader, one line in a pipe."""
    console.print(text, style=style, soft_wrap=not is_watched(console))
