"""What one figure of accuracy hides: how the detections of the engine to ship differ from the reference's."""

from __future__ import annotations

import base64
import logging
from dataclasses import dataclass, replace
from html import escape
from typing import Any

from ....errors import CandidateError
from ....objectives.accuracy.drift import CONFIDENCES, ConfidenceShift, Drift
from ....objectives.accuracy.metrics import MAP, Metric
from ...front import knee
from ...ship.drift import drift_tables
from ...table import html
from ..headline import headline
from ..plots.look import GREEN, ORANGE, layout
from ..trial_cache import TrialCache
from ..view import StudyView

NOTHING = "No engine with INT8 layers is on the front, so no detection changes."
NOT_HERE = (
    "What the engines found in each image is not in the cache of the machine that wrote this report: write it where "
    "the study ran to see how detections changed."
)
NOT_DRAWN = "The machine that wrote this report could not run both engines, so it shows no images."

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Changes:
    """How one engine's detections differ from the reference's.

    Args:
        trial: the engine's.
        role: why it is this engine, as it follows its name.
        sheet: JPEG of the images that changed most; None where it cannot be drawn or nobody asked.
        remark: that it cannot be drawn, if so.
    """

    trial: int
    role: str
    drift: Drift
    sheet: bytes | None = None
    remark: str = ""


def changes_of_view(view: StudyView, cache: TrialCache, *, shown: bool) -> Changes | str:
    """What the cache shows of the answer, or of the front's knee where the answer has no INT8; why not, if nothing.

    Args:
        shown: run its engine and the reference on a few images, to show what changed.
    """
    best = headline(view).best
    mixed = [point for point in view.feasible_front if point.measurement.engine.int8_layers]
    if best is not None and best.measurement.engine.int8_layers:
        chosen, role = best, "the answer"
    elif mixed:
        chosen, role = mixed[knee(view.results.losses(mixed))], "the knee of the front"
    else:
        return NOTHING
    pair = cache.pair(chosen.measurement)
    if pair is None or (drift := pair.drift()) is None:
        return NOT_HERE
    told = Changes(trial=chosen.trial, role=role, drift=drift)
    if not shown:
        return told
    try:
        return replace(told, sheet=cache.contact_sheet(chosen.measurement))
    except CandidateError as error:
        _log.warning("The report shows no images: %s", error)
        return replace(told, remark=NOT_DRAWN)


def confidence_figure(shift: ConfidenceShift, *, name: str) -> Any:
    """F1 over the confidence, both engines' curves, with a mark on each at its best confidence.

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


def html_of_changes(changes: Changes, metric: Metric = MAP) -> str:
    """What stands below the figure: a sentence, tables, the picture."""
    drift, shift = changes.drift, changes.drift.confidence
    told = (
        f"Trial {changes.trial}, {changes.role}: its F1 is best from confidence {shift.best:.2f} on "
        f"({shift.best_f1:.3f}), the reference's from {shift.reference_best:.2f} ({shift.reference_best_f1:.3f}). Left "
        f"there, this engine's F1 is {shift.f1_kept:.3f}. Of {drift.images_seen} images {drift.images_changed} changed."
    )
    return "\n".join([f"<p>{told}</p>", *map(html, drift_tables(drift, metric)), _picture(changes)])


def _picture(changes: Changes) -> str:
    if changes.sheet is None:
        return f"<p>{escape(changes.remark)}</p>" if changes.remark else ""
    source = f"data:image/jpeg;base64,{base64.b64encode(changes.sheet).decode()}"
    return (
        f"<figure><img alt='Detections of the reference and of trial {changes.trial}' src='{source}'>"
        "<figcaption>The images that changed most: the reference left, this engine right. True boxes are white, what "
        "is found is orange.</figcaption></figure>"
    )
