"""The tables of `qpareto front`: points with their intervals, and what became of them when measured once more."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich import box
from rich.console import JustifyMethod
from rich.table import Table

from ...errors import CandidateError
from ...objectives.measurement import Measurement
from ..points import Point
from ..results import Results

WIDE = 130  # columns of a window that has room for all figures


def points_table(
    title: str, points: Sequence[Point], *, width: int, ties: Callable[[Point], tuple[int, ...]] | None = None
) -> Table:
    """A row a point, a recipe with its name.

    Args:
        width: columns of the window; in a narrow one there are no intervals, ties, calibrations and masks.
        ties: see `Results.ties`.
    """
    rows = [_figures(point) | ({"ties with": _ties(ties(point))} if ties else {}) | _recipe(point) for point in points]
    told = [name for name in (rows[0] if rows else _NARROW) if width >= WIDE or name in _NARROW]
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for name in told:
        justify: JustifyMethod = "left" if name in ("trial", "calibration", "mask") else "right"
        table.add_column(name, justify=justify, no_wrap=name not in ("calibration", "mask"), overflow="fold")
    for row in rows:
        table.add_row(*[row[name] for name in told])
    return table


_NARROW = ("trial", "mAP50-95", "change", "latency ms", "ratio", "INT8")


def _figures(point: Point) -> dict[str, str]:
    found = point.decisive
    low, high = found.latency_ratio_ci
    change_low, change_high = found.map50_95_change_ci
    return {
        "trial": point.title,
        "mAP50-95": f"{found.map50_95:.4f}",
        "change": f"{found.map50_95_change:+.4f}",
        "95 % of change": f"{change_low:+.4f}..{change_high:+.4f}",
        "latency ms": f"{found.latency_ms:.3f}",
        "ratio": f"{found.latency_ratio:.3f}{'*' if found.flags else ''}",
        "95 % of ratio": f"{low:.3f}..{high:.3f}",
        "INT8": _int8(found),
        "float": found.float_type,
    }


def _recipe(point: Point) -> dict[str, str]:
    return {"calibration": point.measurement.calibration or "-", "mask": point.measurement.mask}


def _ties(trials: Sequence[int]) -> str:
    return ", ".join(map(str, trials)) or "-"


def _int8(found: Measurement) -> str:
    """How many layers the mask puts into INT8, and how many really ran so where those are fewer."""
    asked = len(found.int8_layers)
    return str(asked) if found.int8_ran in (None, asked) else f"{asked}, {found.int8_ran} ran"


def confirmed_table(results: Results) -> Table:
    """What became of the points that were measured once more, the front's and the recipes; who of the front was not."""
    points = [point for point in results.points if point.confirmed is not None or point in results.front]
    images = {p.confirmed.images for p in points if isinstance(p.confirmed, Measurement)}
    title = f"Measured once more, on {' or '.join(map(str, sorted(images)))} images" if images else "Measured once more"
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for name in ("trial", "mAP50-95", "change before", "after", "95 % of change", "ratio before", "after"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("on the front", overflow="fold")
    for point in sorted(points, key=lambda point: point.decisive.latency_ms):
        before, after = point.measurement, point.confirmed
        if after is None or isinstance(after, CandidateError):
            table.add_row(point.title, *["-"] * 6, "not measured yet" if after is None else str(after))
            continue
        low, high = after.map50_95_change_ci
        table.add_row(
            point.title,
            f"{after.map50_95:.4f}",
            f"{before.map50_95_change:+.4f}",
            f"{after.map50_95_change:+.4f}",
            f"{low:+.4f}..{high:+.4f}",
            f"{before.latency_ratio:.3f}",
            f"{after.latency_ratio:.3f}{'*' if after.flags else ''}",
            "yes" if point in results.front else "no",
        )
    return table
