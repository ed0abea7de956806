"""The masks of the front and of the answer over the layers in network order: what all good engines have in common."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from ....spaces.masks import layers_of_word
from ...results.points import Point
from ...wording import speedup
from ..headline import headline
from ..view import StudyView
from .look import BLUE, FAINT, axis, layout

ROW_PX, MOST_ROWS = 20, 40
MOST_TICKS = 22


def masks_figure(view: StudyView) -> Any:
    """A row for each point of the front, fastest at the top, a column for each layer: blue is INT8, grey is float.

    The answer, which has a row off the front too, is marked by a ring.
    """
    import plotly.graph_objects as go

    names, best = view.layers(), headline(view).best
    shown = {point.trial: point for point in (*view.feasible_front[:MOST_ROWS], *([best] if best else []))}
    front = sorted(shown.values(), key=lambda point: point.decisive.timing.ms)
    told = [name or f"layer {i}, never INT8" for i, name in enumerate(names)]
    chosen = [set(layers_of_word(point.measurement.engine.mask)) for point in front]
    figure = go.Figure(
        go.Heatmap(
            z=[[int(i in bits) for i in range(len(names))] for bits in chosen],
            y=[_title(point, best) for point in front],
            customdata=[told] * len(front),
            colorscale=[(0, FAINT), (1, BLUE)],
            zmin=0,
            zmax=1,
            showscale=False,
            xgap=0.5,
            ygap=2,
            hovertemplate="trial %{y}<br>%{customdata}<extra></extra>",
        )
    )
    ticks = _blocks(names)
    figure.update_layout(layout(title="Which layers are INT8", x="layers, in network order", y="trial: latency"))
    figure.update_layout(
        height=120 + ROW_PX * max(len(front), 3),
        xaxis=axis(
            "blocks of layers, in network order", tickvals=list(ticks), ticktext=list(ticks.values()), tickangle=0
        )
        | {"showgrid": False},
        yaxis=axis("", autorange="reversed", type="category", showgrid=False),
    )
    return figure


def _title(point: Point, best: Point | None) -> str:
    ring = "\N{LARGE CIRCLE} " if point == best else ""
    return f"{ring}{point.trial}: {speedup(point.decisive.timing.ratio.value)}"


def _blocks(names: list[str | None]) -> dict[int, str]:
    """Where each run of layers of one block begins, and the block's short name."""
    runs = [(i, _block(name)) for i, name in enumerate(names) if name]
    found: dict[int, str] = {}
    for start, block in (next(run) for _, run in groupby(runs, key=lambda pair: pair[1])):
        if not found or start - max(found) >= len(names) / MOST_TICKS:  # else the two would run into one another
            found[start] = block
    return found


def _block(name: str) -> str:
    """`10` of `/model.10/cv1/conv/Conv`."""
    return name.strip("/").split("/")[0].removeprefix("model.")
