"""Plots of a study, as plotly figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...objectives.store import write_whole
from ..results import Point, Results


def front_figure(results: Results, *, title: str) -> Any:
    """Latency against mAP50-95: all points, the front with its intervals, the baselines by name.

    Returns:
        A `plotly.graph_objects.Figure`. Better is up and to the left.
    """
    import plotly.graph_objects as go

    recipes = _by_engine(results.baselines)
    others = [p for p in results.points if p not in results.front and not p.baseline]
    figure = go.Figure()
    figure.add_trace(_trace(go, others, name="measured", marker={"color": "#b0b7c3", "size": 7}))
    figure.add_trace(
        _trace(
            go,
            results.front,
            name="front",
            mode="lines+markers",
            line={"shape": "hv", "color": "#0b6e4f", "width": 2},
            marker={"color": "#0b6e4f", "size": 9},
            intervals=True,
        )
    )
    figure.add_trace(
        _trace(
            go,
            [same[0] for same in recipes],
            name="baselines",
            mode="markers+text",
            text=[" = ".join(str(point.baseline) for point in same) for same in recipes],
            textposition=[("bottom right", "top left")[i % 2] for i in range(len(recipes))],  # neighbours stay readable
            marker={"color": "#c8553d", "size": 11, "symbol": "diamond"},
        )
    )
    figure.update_layout(
        title=title,
        template="plotly_white",
        xaxis_title="latency, ms (paired ratio x reference)",
        yaxis_title="mAP50-95",
        height=480,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 1, "xanchor": "right"},
    )
    return figure


def write_front_plot(results: Results, path: Path, *, title: str) -> None:
    """Write the front as one self-contained HTML file.

    Raises:
        DiskError: the file cannot be written.
    """
    write_whole(path, front_figure(results, title=title).to_html(include_plotlyjs=True))


def _trace(go: Any, points: Sequence[Point], *, intervals: bool = False, mode: str = "markers", **style: Any) -> Any:
    found = [point.measurement for point in points]
    errors = {"error_x": _error_x(points), "error_y": _error_y(points)} if intervals else {}
    return go.Scatter(
        x=[m.latency_ms for m in found],
        y=[m.map50_95 for m in found],
        mode=mode,
        customdata=[
            (p.trial, m.latency_ratio, len(m.int8_layers), m.calibration or "-", m.mask)
            for p, m in zip(points, found, strict=True)
        ],
        hovertemplate="trial %{customdata[0]}<br>mAP50-95 %{y:.4f}<br>%{x:.3f} ms, ratio %{customdata[1]:.3f}"
        "<br>%{customdata[2]} INT8 layers, %{customdata[3]}<br>%{customdata[4]}<extra></extra>",
        **errors,
        **style,
    )


def _by_engine(points: Sequence[Point]) -> list[list[Point]]:
    """Points of one engine together: one mark with all their names."""
    found: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        found.setdefault((point.measurement.graph_hash, point.measurement.float_type), []).append(point)
    return list(found.values())


def _error_x(points: Sequence[Point]) -> dict[str, Any]:
    """The ratio's interval, in the milliseconds that the axis shows."""
    found = [point.measurement for point in points]
    unit = [m.latency_ms / m.latency_ratio for m in found]
    low = [(m.latency_ratio - m.latency_ratio_ci[0]) * u for m, u in zip(found, unit, strict=True)]
    high = [(m.latency_ratio_ci[1] - m.latency_ratio) * u for m, u in zip(found, unit, strict=True)]
    return {"type": "data", "symmetric": False, "array": high, "arrayminus": low, "thickness": 1}


def _error_y(points: Sequence[Point]) -> dict[str, Any]:
    """The interval of the change against the reference, around the point."""
    found = [point.measurement for point in points]
    low = [m.map50_95_change - m.map50_95_change_ci[0] for m in found]
    high = [m.map50_95_change_ci[1] - m.map50_95_change for m in found]
    return {"type": "data", "symmetric": False, "array": high, "arrayminus": low, "thickness": 1}
