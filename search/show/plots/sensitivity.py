"""The plot of a model's sensitivity: what INT8 does to its detections, layer by layer in network order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from ....objectives.quantization.sensitivity import SCORE_WEIGHT

Row = Mapping[str, Any]


def sensitivity_figure(rows: Sequence[Row], *, title: str) -> Any:
    """Each layer's harm as a bar, of its boxes' part and its scores' part, with its standard error; blocks as bands.

    Args:
        rows: of `qpareto layers --sensitivity`, in graph order; layers that are never INT8 are left out.

    Returns:
        A `plotly.graph_objects.Figure`. Higher is worse.
    """
    import plotly.graph_objects as go

    rows = [row for row in rows if row["sensitivity"] is not None]
    found = [row["sensitivity"] for row in rows]
    parts = {
        "boxes": ("#0b6e4f", [of["box_error"] ** 2 for of in found], None),
        "scores": ("#c8553d", [SCORE_WEIGHT * of["score_error"] ** 2 for of in found], [of["harm_se"] for of in found]),
    }
    figure = go.Figure()
    for name, (color, values, spread) in parts.items():
        figure.add_trace(
            go.Bar(
                x=list(range(len(rows))),
                y=values,
                name=name,
                marker_color=color,
                error_y={"type": "data", "array": spread, "thickness": 1} if spread else None,
                customdata=[
                    (row["name"], of["box_error"], of["score_error"], of["harm"])
                    for row, of in zip(rows, found, strict=True)
                ],
                hovertemplate="%{customdata[0]}<br>box error %{customdata[1]:.5f}<br>score error %{customdata[2]:.5f}"
                "<br>harm %{customdata[3]:.3g}<extra></extra>",
            )
        )
    _add_blocks(figure, rows)
    figure.update_layout(
        title=title,
        template="plotly_white",
        barmode="stack",
        xaxis={"title": "layers, in network order", "showgrid": False},
        yaxis={"title": "harm of INT8, by itself (worse is higher)", "exponentformat": "e"},
        height=480,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 1, "xanchor": "right"},
    )
    return figure


def _add_blocks(figure: Any, rows: Sequence[Row]) -> None:
    """Every second run of layers of one block on a grey band, and each run's block named above it."""
    runs = [list(run) for _, run in groupby(range(len(rows)), key=lambda i: rows[i]["block"])]
    for number, run in enumerate(runs):
        figure.add_vrect(
            x0=run[0] - 0.5,
            x1=run[-1] + 0.5,
            fillcolor="#000000",
            opacity=0.05 * (number % 2),
            line_width=0,
            layer="below",
            annotation={"text": str(rows[run[0]]["block"]).removeprefix("model."), "font": {"size": 10}},
            annotation_position="top",
        )
