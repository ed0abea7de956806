"""F1 over the confidence: where a threshold that suited the reference has to move, and what is lost if it stays."""

from __future__ import annotations

from typing import Any

from ....objectives.accuracy.drift import CONFIDENCES, ConfidenceShift
from .look import GREEN, ORANGE, layout


def confidence_figure(shift: ConfidenceShift, *, name: str) -> Any:
    """Both engines' curves, with a mark on each at its best confidence.

    Args:
        name: of the engine that is held against the reference.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    for curve, best, colour, dash, title in (
        (shift.f1, (shift.best, shift.best_f1), GREEN, "solid", name),
        (shift.reference_f1, (shift.reference_best, shift.reference_best_f1), ORANGE, "dash", "reference"),
    ):
        style = {"name": f"{title}: best at {best[0]:.2f}", "line": {"color": colour, "dash": dash, "width": 2}}
        figure.add_trace(go.Scatter(x=CONFIDENCES, y=curve, mode="lines", **style))
        mark = {"color": colour, "size": 11, "symbol": "diamond"}
        figure.add_trace(go.Scatter(x=[best[0]], y=[best[1]], mode="markers", marker=mark, showlegend=False))
    figure.update_traces(hovertemplate="from confidence %{x:.2f}<br>F1 %{y:.3f}<extra></extra>")
    figure.update_layout(
        layout(title="F1 over the confidence", x="confidence, from which on a detection counts", y="F1")
    )
    return figure
