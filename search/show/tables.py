"""The tables of a study's points, for terminal, report and notes alike, and the facts that all points share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...errors import CandidateError
from ...objectives.accuracy.metrics import MAP
from ..results.points import Point
from ..results.study_results import Results
from ..table import Column, Table, figures, words
from ..wording import accuracy, change, int8_layers, interval, ratio, slow_run, speedup, with_interval
from .view import StudyView

_ACCURACY = "accuracy"  # a column whose heading is what that is measured by
NARROW = ("trial", _ACCURACY, "change", "latency ms", "ratio", "speedup")
WIDE = (
    *("trial", _ACCURACY, "change", "95 % of change", "latency ms", "ratio", "95 % of ratio", "speedup", "p90 ms"),
    *("p99 ms", "INT8", "float", "calibration", "mask"),
)
WHOLE = (
    *("trial", _ACCURACY, "change, 95 %", "latency, ms", "of the reference, 95 %", "p90, ms", "p99, ms", "runs in"),
    *("INT8 layers", "calibration", "figures"),
)
_WORDS = ("trial", "runs in", "calibration", "figures", "mask")
_FOLDED = ("calibration", "mask")
_LEAST = {"trial": 18, "ratio": 6}  # columns of a recipe's name, of a doubtful ratio: tables below one another align


def points_table(
    points: Sequence[Point],
    headings: Sequence[str] = WHOLE,
    *,
    ties: Callable[[Point], tuple[int, ...]] | None = None,
) -> Table:
    """A row a point, by the figures that count; a recipe with its name.

    Args:
        headings: `NARROW` and `WIDE` for a terminal, `WHOLE` for a page; then also `ties with`, see `Results.ties`.
    """
    rows = [_cells(point) for point in points]
    if ties is not None:
        headings = (*headings[:-2], "ties with", *headings[-2:])  # before calibration and mask
        rows = [row | {"ties with": ", ".join(map(str, ties(p))) or "-"} for row, p in zip(rows, points, strict=True)]
    least = _LEAST if headings == NARROW else {}
    label = points[0].decisive.accuracy.label if points else MAP.label
    columns = [
        Column(
            heading=label if name == _ACCURACY else name,
            right=name not in _WORDS,
            fold=name in _FOLDED,
            least=least.get(name),
        )
        for name in headings
    ]
    return Table(columns, [[row[name] for name in headings] for row in rows])


def confirmed_table(results: Results) -> Table:
    """What became of the points that were measured once more, the front's and the recipes; who of the front was not."""
    points = [point for point in results.points if point.confirmed is not None or point in results.front]
    columns = (
        "trial",
        results.metric.label,
        "change before",
        "after",
        "95 % of change",
        "ratio before",
        "after",
        "speedup",
    )
    rows = [_confirmed(point, results) for point in sorted(points, key=lambda point: point.decisive.timing.ms)]
    return Table([*figures(*columns), *words("on the front")], rows)


def mixed_images(points: Sequence[Point]) -> str | None:
    """What to know of a table whose accuracies are not all of the same images; None where they are.

    Points that were not confirmed stand among others that were, as after a `confirm` that was stopped.
    """
    trials: dict[tuple[str, int], list[int]] = {}  # by the images: what tells them from others, and how many they are
    for point in points:
        scored = point.decisive.accuracy
        trials.setdefault((scored.dataset_hash, scored.images), []).append(point.trial)
    if len(trials) < 2:
        return None
    told = [f"trial {', '.join(map(str, sorted(of)))} on {images}" for (_, images), of in trials.items()]
    label = points[0].decisive.accuracy.label
    return f"{label} is of different images ({'; '.join(told)}): compare changes, not {label}."


def facts(view: StudyView) -> dict[str, str]:
    """What all measurements of a study share: device, engine, images, versions."""
    counts = Counter(record.outcome for record in view.results.records)
    told = {
        "trials": ", ".join(f"{count} {state}" for state, count in counts.items()) or "none",
        "hypervolume": f"{view.results.hypervolume():.4f}",
    }
    if view.results.own_points:
        found = view.results.own_points[0].measurement
        told |= {
            "device": found.provenance.device,
            "engine": f"{found.engine.kind}, {found.engine.float_type} outside INT8, {found.engine.run_by}",
            "evaluation images": str(found.accuracy.images),
            "versions": ", ".join(f"{name} {version}" for name, version in found.provenance.versions.items()),
        }
    switches = [name for name in view.space if not name.startswith("calibration.")]
    if switches:
        told["searched"] = f"{len(switches)} switches between INT8 and float, and {_choices(view.space)}"
    return told


def _cells(point: Point) -> dict[str, str]:
    """By heading, all but `ties with`."""
    scored, timed, engine = point.decisive.accuracy, point.decisive.timing, point.decisive.engine
    star = "*" if timed.flags else ""
    return {
        "trial": point.title,
        _ACCURACY: accuracy(scored.value),
        "change": change(scored.change.value),
        "95 % of change": interval(scored.change, change, between=".."),
        "change, 95 %": with_interval(scored.change, change),
        "latency ms": ratio(timed.ms),
        "latency, ms": ratio(timed.ms),
        "ratio": ratio(timed.ratio.value) + star,
        "95 % of ratio": interval(timed.ratio, ratio, between=".."),
        "of the reference, 95 %": with_interval(timed.ratio, ratio) + star,
        "speedup": speedup(timed.ratio.value),
        "p90 ms": slow_run(timed.p90),
        "p90, ms": slow_run(timed.p90),
        "p99 ms": slow_run(timed.p99),
        "p99, ms": slow_run(timed.p99),
        "float": engine.float_type,
        "runs in": point.precision,
        "INT8": int8_layers(engine),
        "INT8 layers": int8_layers(engine),
        "calibration": engine.calibration or "-",
        "mask": engine.mask,
        "figures": point.figures.accuracy_from,
    }


def _confirmed(point: Point, results: Results) -> Sequence[str]:
    before, after = point.measurement, point.confirmed
    if after is None or isinstance(after, CandidateError):
        return point.title, *["-"] * 7, "not measured yet" if after is None else str(after)
    return (
        point.title,
        accuracy(after.accuracy.value),
        change(before.accuracy.change.value),
        change(after.accuracy.change.value),
        interval(after.accuracy.change, change, between=".."),
        ratio(before.timing.ratio.value),
        ratio(after.timing.ratio.value) + ("*" if after.timing.flags else ""),
        speedup(after.timing.ratio.value),
        "yes" if point in results.front else "no",
    )


def _choices(space: Mapping[str, Any]) -> str:
    methods, sizes = space.get("calibration.method"), space.get("calibration.size")
    if methods is None or sizes is None:
        return "no calibration"
    return f"calibration by {' or '.join(methods.choices)} on {', '.join(map(str, sizes.choices))} images"
