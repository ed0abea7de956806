"""The front: latency against accuracy, with everything that was measured beside it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any

from ....objectives.interval import Interval
from ...results.points import Point
from ...results.study_results import Results
from ..headline import headline
from ..view import StudyView
from .look import BLUE, GREEN, GREY, ORANGE, PURPLE, SERIES, VERMILION, axis, layout

MOST_OTHERS = 1000  # dominated points that are drawn, the latest: a figure stays below 200 kB
BASELINE_SYMBOLS = ("diamond", "square", "triangle-up", "triangle-down", "pentagon", "hexagram")
MS_AXIS = "latency, ms"
HOVER = (
    "trial %{customdata[0]}<br>%{customdata[6]} %{y:.4f}<br>%{x:.3f} ms, ratio %{customdata[1]:.3f}"
    "<br>%{customdata[4]}, %{customdata[2]} INT8 layers, %{customdata[3]}<br>%{customdata[5]}"
    "<extra>%{fullData.name}</extra>"
)


def front_figure(view: StudyView) -> Any:
    """All that a study measured: the front with 95 % intervals, recipes, the reference, stopped and infeasible trials.

    A ring is around the answer, on the front or not; none where the float engine is to be shipped.

    Returns:
        A `plotly.graph_objects.Figure`. Better is up and to the left.
    """
    import plotly.graph_objects as go

    results, reference = view.results, view.results.reference
    front = view.feasible_front
    shown = {point.trial for point in (*front, *results.baselines)} | view.infeasible
    others = [point for point in results.points if point.trial not in shown][-MOST_OTHERS:]
    broken = [point for point in results.points if point.trial in view.infeasible]
    best = headline(view).best
    own = reference.measurement.engine.identity if reference else None
    recipes = [same for same in _by_engine(results.baselines) if same[0].measurement.engine.identity != own]
    figure = go.Figure(
        [
            _points(others, name="measured", marker={"color": GREY, "size": 6, "opacity": 0.7}),
            _stopped(results),
            _points(
                broken, name="breaks a constraint", marker={"color": PURPLE, "size": 10, "symbol": "circle-x-open"}
            ),
            _points(
                front,
                name="front",
                mode="lines+markers",
                line={"shape": "hv", "color": GREEN, "width": 2},
                marker={"color": GREEN, "size": 9},
                **_intervals(front),
            ),
            *[_recipe(same, symbol) for same, symbol in zip(recipes, cycle(BASELINE_SYMBOLS), strict=False)],
            _points(
                [reference] if reference else [],
                name="reference (no INT8)",
                marker={"color": ORANGE, "size": 15, "symbol": "star", "line": {"width": 1, "color": "#5c4000"}},
            ),
            _points(
                [best] if best else [],
                name="the answer",
                marker={"color": GREEN, "size": 20, "symbol": "circle-open", "line": {"width": 2.5}},
            ),
        ]
    )
    figure.update_traces(selector=lambda trace: not trace.x, visible=False)
    figure.update_layout(layout(title="The front", x=MS_AXIS, y=results.metric.label))
    return figure


def fronts_figure(views: Sequence[StudyView], *, relative: bool = False) -> Any:
    """The fronts of several studies over one another, each with its reference.

    Args:
        relative: each against its own reference instead of in milliseconds and accuracy: for other devices and models.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    for i, view in enumerate(views):
        colour, symbol = SERIES[i % len(SERIES)], BASELINE_SYMBOLS[i % len(BASELINE_SYMBOLS)]
        front = view.feasible_front
        marker = {"color": colour, "size": 9, "symbol": symbol}
        line = {"shape": "hv", "color": colour, "width": 2, "dash": ("solid", "dash", "dot")[i % 3]}
        figure.add_trace(
            _points(front, name=view.name, mode="lines+markers", line=line, marker=marker, relative=relative)
        )
        if view.results.reference and not relative:
            star = {"color": colour, "size": 14, "symbol": "star"}
            figure.add_trace(_points([view.results.reference], name=f"{view.name}: reference", marker=star))
    title = "The fronts, each against its own reference" if relative else "The fronts"
    label = " or ".join(dict.fromkeys(view.results.metric.label for view in views))
    x, y = ("latency, of the reference's", f"change of {label}") if relative else (MS_AXIS, label)
    figure.update_layout(layout(title=title, x=x, y=y))
    if relative:
        figure.add_hline(y=0, line={"color": GREY, "width": 1, "dash": "dot"})
        figure.add_vline(x=1, line={"color": GREY, "width": 1, "dash": "dot"})
        figure.update_layout(xaxis=axis(x, tickformat=".2f"))
    return figure


def _points(points: Sequence[Point], *, mode: str = "markers", relative: bool = False, **style: Any) -> Any:
    import plotly.graph_objects as go

    found = [(point, point.decisive) for point in points]
    return go.Scatter(
        x=[m.timing.ratio.value if relative else m.timing.ms for _, m in found],
        y=[m.accuracy.change.value if relative else p.comparable_accuracy for p, m in found],
        mode=mode,
        customdata=[_hover(p) for p in points],
        hovertemplate=HOVER.replace("%{y:.4f}", "%{y:+.4f}").replace(" ms,", ",") if relative else HOVER,
        **style,
    )


def _hover(point: Point) -> tuple[Any, ...]:
    """What `HOVER` shows of a point."""
    engine, told = point.decisive.engine, point.measurement.engine.calibration or "no calibration"
    shown = point.trial, point.decisive.timing.ratio.value, len(engine.int8_layers), told
    return *shown, point.precision, point.figures.accuracy_from, point.decisive.accuracy.label


def _recipe(same: Sequence[Point], symbol: str) -> Any:
    """One mark of a recipe, with the names of all that made this engine."""
    name = " = ".join(str(point.baseline) for point in same)
    return _points(same[:1], name=name, marker={"color": VERMILION, "size": 11, "symbol": symbol})


def _stopped(results: Results) -> Any:
    """Where the trials that were stopped early would have come out, about."""
    import plotly.graph_objects as go

    found = [(record.number, record.stopped) for record in results.records if record.stopped][-MOST_OTHERS:]
    return go.Scatter(
        x=[stopped.latency_ms for _, stopped in found],
        y=[stopped.rival_value + stopped.standing.difference for _, stopped in found],
        mode="markers",
        name="stopped early, about",
        marker={"color": BLUE, "size": 7, "symbol": "x-thin", "line": {"width": 1.5, "color": BLUE}},
        customdata=[(number, stopped.standing.images, stopped.standing.of_images) for number, stopped in found],
        hovertemplate="trial %{customdata[0]}: stopped after %{customdata[1]} of %{customdata[2]} images"
        f"<br>{results.metric.label} about "
        "%{y:.4f}<br>%{x:.3f} ms<extra></extra>",
    )


def _by_engine(points: Sequence[Point]) -> list[list[Point]]:
    """Points of one engine together: one mark with all their names."""
    found: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        found.setdefault(point.measurement.engine.identity, []).append(point)
    return list(found.values())


def _intervals(points: Sequence[Point]) -> dict[str, Any]:
    """The 95 % intervals in the axes' units: the ratio's in milliseconds, that of the change around the point."""
    found = [point.decisive for point in points]

    def bars(figures: Sequence[Interval]) -> Any:
        low, high = [each.value - each.low for each in figures], [each.high - each.value for each in figures]
        return {"type": "data", "symmetric": False, "array": high, "arrayminus": low, "thickness": 1, "width": 2}

    in_ms = [Interval(*(ratio * m.timing.unit_ms for ratio in m.timing.ratio)) for m in found]
    return {"error_x": bars(in_ms), "error_y": bars([m.accuracy.change for m in found])}
