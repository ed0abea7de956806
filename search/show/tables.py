"""The tables of a study, as rows of text: for the report's HTML and the notes' Markdown alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ..points import Point
from ..wording import accuracy, change, int8_layers, ratio, slow_run, with_interval
from .view import StudyView

POINT_COLUMNS = (
    "trial",
    "mAP50-95",
    "change, 95 %",
    "latency, ms",
    "of the reference, 95 %",
    "p90, ms",
    "p99, ms",
    "runs in",
    "INT8 layers",
    "calibration",
    "figures",
)


def point_rows(points: Sequence[Point]) -> list[tuple[str, ...]]:
    """A row a point, in `POINT_COLUMNS`; a recipe by its name."""
    return [_row(point) for point in points]


def facts(view: StudyView) -> dict[str, str]:
    """What all measurements of a study share: device, engine, images, versions."""
    counts: dict[str, int] = {}
    for record in view.results.records:
        counts[record.state] = counts.get(record.state, 0) + 1
    told = {
        "trials": ", ".join(f"{count} {state}" for state, count in counts.items()) or "none",
        "hypervolume": f"{view.results.hypervolume():.4f}",
    }
    if view.results.own_points:
        found = view.results.own_points[0].measurement
        told |= {
            "device": found.device,
            "engine": f"{found.engine}, {found.float_type} outside INT8, batch {found.batch}, {found.threads} threads",
            "evaluation images": str(found.images),
            "versions": ", ".join(f"{name} {version}" for name, version in found.versions.items()),
        }
    switches = [name for name in view.space if not name.startswith("calibration.")]
    if switches:
        told["searched"] = f"{len(switches)} switches between INT8 and float, and {_choices(view.space)}"
    return told


def html_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f"<div class='scroll'><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>"


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _choices(space: Mapping[str, Any]) -> str:
    methods, sizes = space.get("calibration.method"), space.get("calibration.size")
    if methods is None or sizes is None:
        return "no calibration"
    return f"calibration by {' or '.join(methods.choices)} on {', '.join(map(str, sizes.choices))} images"


def _row(point: Point) -> tuple[str, ...]:
    found = point.decisive
    return (
        point.title,
        accuracy(found.map50_95),
        with_interval(found.map50_95_change, found.map50_95_change_ci, change),
        ratio(found.latency_ms),
        with_interval(found.latency_ratio, found.latency_ratio_ci, ratio) + "*" * bool(found.flags),
        slow_run(found.latency_p90_ms, found.latency_p90_bound_ms),
        slow_run(found.latency_p99_ms, found.latency_p99_bound_ms),
        point.precision,
        int8_layers(found),
        found.calibration or "-",
        point.figures.accuracy_from,
    )
