"""Latency against accuracy in a terminal: a character a point, told apart by the character and not by colour alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.text import Text

from ...results.study_results import Results

HEIGHT, NARROWEST = 13, 40  # lines, columns
LABEL = 9  # columns of the axis on the left


class Kind(NamedTuple):
    """How points of one kind are drawn."""

    name: str
    mark: str
    style: str


MEASURED, RECIPE = Kind("measured", ".", "dim"), Kind("baseline", "x", "red")
FRONT, REFERENCE = Kind("front", "o", "green"), Kind("reference", "*", "yellow")


class Range(NamedTuple):
    """What an axis spans."""

    low: float
    high: float

    def place(self, value: float, cells: int) -> int:
        """The cell, of so many, that holds a value; below 0 or beyond the last for one outside."""
        return round((value - self.low) / (self.high - self.low) * (cells - 1))

    def at(self, cell: int, cells: int) -> float:
        """The value in the middle of a cell."""
        return self.low + (self.high - self.low) * cell / (cells - 1)


def plot_of_results(results: Results, *, width: int) -> Text | None:
    """The front, the recipes, the reference, and of the other points those that lie between them.

    Args:
        width: columns.

    Returns:
        None where there is no front, or no room.
    """
    if not results.front or width < NARROWEST:
        return None
    reference = [] if results.reference is None else [results.reference]
    framing = [(RECIPE, results.baselines), (FRONT, results.front), (REFERENCE, reference)]
    framed = [point for _, points in framing for point in points]
    across, up = _range([p.decisive.timing.ms for p in framed]), _range([p.comparable_accuracy for p in framed])
    columns = width - LABEL - 2
    grid: list[list[Kind | None]] = [[None] * columns for _ in range(HEIGHT)]
    for kind, points in [(MEASURED, results.points), *framing]:  # the later lies on top
        for point in points:
            column = across.place(point.decisive.timing.ms, columns)
            row = up.place(point.comparable_accuracy, HEIGHT)
            if 0 <= column < columns and 0 <= row < HEIGHT:
                grid[HEIGHT - 1 - row][column] = kind
    return _drawn(grid, across, up, label=results.metric.label)


def _drawn(grid: Sequence[Sequence[Kind | None]], across: Range, up: Range, *, label: str) -> Text:
    columns, text = len(grid[0]), Text(f"{label:>{LABEL}}\n")
    for i, line in enumerate(grid):
        tick = f"{up.at(HEIGHT - 1 - i, HEIGHT):.4f}" if i % 4 == 0 else ""
        text.append(f"{tick:>{LABEL}} |")
        for kind in line:
            text.append(kind.mark if kind else " ", kind.style if kind else "")
        text.append("\n")
    text.append(f"{'':{LABEL}} +{'-' * columns}\n{'':{LABEL + 2}}{_ticks(across, columns)}\n{'':{LABEL + 2}}")
    for kind in (FRONT, RECIPE, REFERENCE, MEASURED):
        text.append(kind.mark, kind.style).append(f" {kind.name}   ")
    return text


def _ticks(across: Range, columns: int) -> str:
    """The axis' figures, below the columns that they stand for; the last one with the unit."""
    told = " " * columns
    for cell in range(0, columns - 2 * LABEL, 2 * LABEL):
        figure = f"{across.at(cell, columns):.2f}"
        told = told[:cell] + figure + told[cell + len(figure) :]
    last = f"{across.high:.2f} ms"
    return told[: columns - len(last)] + last


def _range(values: Sequence[float]) -> Range:
    """From the least to the greatest; around a single one."""
    low, high = min(values), max(values)
    return Range(low, high) if low < high else Range(low - 0.05 * abs(low) - 1e-3, high + 0.05 * abs(high) + 1e-3)
