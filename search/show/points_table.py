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
from ..wording import accuracy, change, int8_layers, interval, ratio, slow_run, speedup

_NARROW = ("trial", "mAP50-95", "change", "latency ms", "ratio", "speedup")
LEAST = {"trial": 18, "ratio": 6}  # columns of a recipe's name, of a doubtful ratio: tables below one another align
_LEFT = ("trial", "calibration", "mask")


def points_table(
    title: str,
    points: Sequence[Point],
    *,
    wide: bool = False,
    ties: Callable[[Point], tuple[int, ...]] | None = None,
    bold: Point | None = None,
) -> Table:
    """A row a point, by the figures that count; a recipe with its name.

    Args:
        wide: also intervals, layers in INT8, ties, calibrations and masks.
        ties: see `Results.ties`.
        bold: the point that stands out.
    """
    rows = [
        {"trial": point.title}
        | _figures(point.decisive)
        | ({"ties with": _ties(ties(point))} if ties else {})
        | _recipe(point.decisive)
        for point in points
    ]
    told = [name for name in (rows[0] if rows else _NARROW) if wide or name in _NARROW]
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for name in told:
        justify: JustifyMethod = "left" if name in _LEFT else "right"
        fold, least = name in ("calibration", "mask"), None if wide else LEAST.get(name)
        table.add_column(name, justify=justify, no_wrap=not fold, overflow="fold", min_width=least)
    for point, row in zip(points, rows, strict=True):
        table.add_row(*[row[name] for name in told], style="bold" if point == bold else None)
    return table


def _figures(found: Measurement) -> dict[str, str]:
    return {
        "mAP50-95": accuracy(found.map50_95),
        "change": change(found.map50_95_change),
        "95 % of change": interval(found.map50_95_change_ci, change, between=".."),
        "latency ms": ratio(found.latency_ms),
        "ratio": f"{ratio(found.latency_ratio)}{'*' if found.flags else ''}",
        "95 % of ratio": interval(found.latency_ratio_ci, ratio, between=".."),
        "speedup": speedup(found.latency_ratio),
        "p90 ms": slow_run(found.latency_p90_ms, found.latency_p90_bound_ms),
        "p99 ms": slow_run(found.latency_p99_ms, found.latency_p99_bound_ms),
        "INT8": int8_layers(found),
        "float": found.float_type,
    }


def _recipe(found: Measurement) -> dict[str, str]:
    return {"calibration": found.calibration or "-", "mask": found.mask}


def _ties(trials: Sequence[int]) -> str:
    return ", ".join(map(str, trials)) or "-"


def confirmed_table(results: Results) -> Table:
    """What became of the points that were measured once more, the front's and the recipes; who of the front was not."""
    points = [point for point in results.points if point.confirmed is not None or point in results.front]
    images = {p.confirmed.images for p in points if isinstance(p.confirmed, Measurement)}
    title = f"Measured once more, on {' or '.join(map(str, sorted(images)))} images" if images else "Measured once more"
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for name in ("trial", "mAP50-95", "change before", "after", "95 % of change", "ratio before", "after", "speedup"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("on the front", overflow="fold")
    for point in sorted(points, key=lambda point: point.decisive.latency_ms):
        before, after = point.measurement, point.confirmed
        if after is None or isinstance(after, CandidateError):
            table.add_row(point.title, *["-"] * 7, "not measured yet" if after is None else str(after))
            continue
        table.add_row(
            point.title,
            accuracy(after.map50_95),
            change(before.map50_95_change),
            change(after.map50_95_change),
            interval(after.map50_95_change_ci, change, between=".."),
            ratio(before.latency_ratio),
            f"{ratio(after.latency_ratio)}{'*' if after.flags else ''}",
            speedup(after.latency_ratio),
            "yes" if point in results.front else "no",
        )
    return table
