"""Hypervolume over time: how fast a search finds, and whether it still does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..view import StudyView
from .look import SERIES, layout

MOST_STEPS = 1000  # that are drawn: a figure stays below 200 kB


def growth_figure(views: Sequence[StudyView]) -> Any:
    """The share of the box between reference and worst corner that is dominated, after each measured trial.

    See `Results.hypervolume`. A line a study; time runs from each study's first trial, pauses included.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    for i, view in enumerate(views):
        ended = [point for point in view.results.own_points if point.trial in view.ended]
        points = sorted(ended, key=lambda point: view.ended[point.trial])
        grown = view.results.hypervolumes(points)
        hours = [(view.ended[p.trial] - view.begun).total_seconds() / 3600 if view.begun else 0.0 for p in points]
        last = [k for k in range(len(points)) if k == len(points) - 1 or k % (1 + len(points) // MOST_STEPS) == 0]
        figure.add_trace(
            go.Scatter(
                x=[hours[k] for k in last],
                y=[grown[k] for k in last],
                name=view.name,
                mode="lines+markers",
                line={"shape": "hv", "color": SERIES[i % len(SERIES)], "dash": ("solid", "dash", "dot")[i % 3]},
                marker={"size": 5},
                customdata=[points[k].trial for k in last],
                hovertemplate="trial %{customdata}<br>after %{x:.2f} h<br>hypervolume %{y:.4f}<extra></extra>",
            )
        )
    figure.update_layout(
        layout(title="Hypervolume over time", x="hours since the first trial", y="hypervolume", height=380),
        showlegend=len(views) > 1,
    )
    return figure
