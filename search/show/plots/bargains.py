"""Sensitivity against gain: which layers are cheap to turn INT8, which are dear, and what the front made of them."""

from __future__ import annotations

from typing import Any

from ..view import StudyView
from .look import axis, layout


def bargains_figure(view: StudyView) -> Any | None:
    """What each switch saves against its harm, coloured by how much of the front has it in INT8.

    Returns:
        None where harm or gain was not measured: the search began without them.
    """
    import plotly.graph_objects as go

    expected = view.expected
    if expected is None or not expected.harm or not expected.saved_ms:
        return None
    switches = [name for name in expected.layers if name in expected.harm and name in expected.saved_ms]
    share = _shares(view)
    figure = go.Figure(
        go.Scatter(
            x=[expected.saved_ms[name] for name in switches],
            y=[max(expected.harm[name], 0.0) for name in switches],
            mode="markers",
            marker={
                "color": [share.get(name, 0.0) for name in switches],
                "colorscale": "Cividis",
                "cmin": 0,
                "cmax": 1,
                "size": 10,
                "line": {"width": 1, "color": "rgba(128,128,128,0.8)"},
                "colorbar": {
                    "title": {"text": "share of the front with it in INT8"},
                    "tickformat": ".0%",
                    "orientation": "h",
                    "y": -0.2,
                    "yanchor": "top",
                    "thickness": 12,
                },
            },
            customdata=[(name, share.get(name, 0.0)) for name in switches],
            hovertemplate="%{customdata[0]}<br>saves %{x:.4f} ms<br>harm %{y:.3g}"
            "<br>INT8 in %{customdata[1]:.0%} of the front<extra></extra>",
        )
    )
    figure.update_layout(layout(title="Sensitivity against gain", x="ms that INT8 saves", y=""))
    figure.update_layout(yaxis=axis("harm of INT8 by itself", exponentformat="e"))
    return figure


def _shares(view: StudyView) -> dict[str, float]:
    """Switch -> the share of the front's points that have all its layers in INT8."""
    assert view.expected is not None
    masks = [frozenset(point.measurement.engine.int8_layers) for point in view.feasible_front]
    return {
        switch: sum(mask.issuperset(layers) for mask in masks) / len(masks) if masks else 0.0
        for switch, layers in view.expected.layers.items()
    }
