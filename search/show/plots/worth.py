"""What each layer is worth: what turning it INT8 does to each objective, as this study's trials show it.

The parameter importances of a study with 90 switches are 90 bars without a sign and without an error. Our
sampler's linear model (samplers/beliefs.py) learns more from the same trials: by how much, and how surely.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....objectives.objective import OBJECTIVES, directions_of
from ...samplers.encoding import SWITCH, Encoding, Graph
from ..view import StudyView
from .look import BLUE, GREY, VERMILION, axis, layout

Floats = NDArray[np.float64]

FEWEST_TRIALS = 8  # with fewer, all that is known is what was expected
SURE = 1.96  # standard deviations: a bar whose interval excludes 0 is coloured


def worth_figure(view: StudyView) -> Any | None:
    """A panel an objective, a bar a switch in network order: the change by INT8, with its 95 % interval.

    Returns:
        None as long as fewer than `FEWEST_TRIALS` trials of the space are complete.
    """
    from plotly.subplots import make_subplots

    found = worth_of_switches(view)
    if found is None:
        return None
    names, changes, deviations = found
    objectives = view.results.objectives
    told = [OBJECTIVES[name] for name in objectives]
    titles = [f"change of<br>{each.label}<br>({each.unit})" for each in told]  # panels are low
    figure = make_subplots(rows=len(objectives), cols=1, shared_xaxes=True, vertical_spacing=0.08)
    for j, title in enumerate(titles):
        figure.add_trace(_bars(names, changes[:, j], deviations[:, j]), row=j + 1, col=1)
        figure.update_yaxes(axis(title, exponentformat="e"), row=j + 1, col=1)
    figure.update_layout(layout(title="What each layer does in INT8", x="", y="", height=140 + 150 * len(objectives)))
    figure.update_layout(yaxis=axis(titles[0]), showlegend=False, bargap=0.15)
    ticks = {i: name.split(" ", 1)[-1] for i, name in enumerate(names) if i % (1 + len(names) // 16) == 0}
    figure.update_xaxes(axis("", tickvals=list(ticks), ticktext=list(ticks.values()), showgrid=False, tickangle=-45))
    return figure


def worth_of_switches(view: StudyView) -> tuple[list[str], Floats, Floats] | None:
    """Names of the n switches, and the change of each objective with its standard deviation, both (n, m).

    In the objectives' own units and directions; None as long as too few trials show it.
    """
    from ...samplers.beliefs import beliefs_from_trials
    from ...samplers.history import History

    signs = np.array([-1.0 if way == "maximize" else 1.0 for way in directions_of(view.results.objectives)])
    switches = tuple(name for name in view.space if not name.startswith("calibration."))
    encoding = Encoding(view.space, Graph(switches=switches, effects=_effects(view)))
    history = History.from_trials(view.trials, encoding, key=tuple, signs=signs)
    if len(history.measured) < FEWEST_TRIALS or not encoding.switches:
        return None
    beliefs = beliefs_from_trials(encoding, history.measured, history.values, signs)
    turned = _turned_on(encoding, history.measured)
    changes = [
        s * scale * (turned @ p.mean) for s, scale, p in zip(signs, beliefs.scale, beliefs.posteriors, strict=True)
    ]
    deviations = [
        scale * np.sqrt(np.maximum((turned @ p.covariance * turned).sum(axis=1), 0.0))
        for scale, p in zip(beliefs.scale, beliefs.posteriors, strict=True)
    ]
    return list(encoding.switches), np.stack(changes, axis=1), np.stack(deviations, axis=1)


def _effects(view: StudyView) -> tuple[dict[str, float], ...]:
    """What is expected of each objective, in its own direction, as the search itself began."""
    if view.expected is None:
        return ()
    known = {
        view.results.metric.name: {name: -harm for name, harm in view.expected.harm.items()},
        "latency_ms": {name: -saved_ms for name, saved_ms in view.expected.saved_ms.items()},
    }
    return tuple(known.get(name, {}) for name in view.results.objectives)


def _turned_on(encoding: Encoding, rows: NDArray[np.int16]) -> Floats:
    """(n, n_features) what changes in the features when one switch is turned on, on average over the rows' choices."""
    n = len(encoding.switches)
    off = rows.copy()
    off[:, :n] = 0
    base = encoding.features(off).mean(axis=0)
    found = np.empty((n, len(encoding.groups)))
    for i in range(n):
        off[:, i] = 1
        found[i] = encoding.features(off).mean(axis=0) - base
        off[:, i] = 0
    assert (found[:, encoding.groups == SWITCH] == np.eye(n)).all()
    return found


def _bars(names: Sequence[str], changes: Floats, deviations: Floats) -> Any:
    import plotly.graph_objects as go

    sure = np.abs(changes) > SURE * deviations
    colours = np.where(sure, np.where(changes < 0, BLUE, VERMILION), GREY)
    return go.Bar(
        x=list(range(len(names))),
        y=changes.tolist(),
        marker={"color": colours.tolist()},
        error_y={"type": "data", "array": (SURE * deviations).tolist(), "thickness": 0.7, "width": 0, "color": GREY},
        customdata=list(names),
        hovertemplate="%{customdata}<br>%{y:+.3g} ± %{error_y.array:.2g}<extra></extra>",
    )
