"""What mAP hides of a study's front: how its engines' detections differ from the reference's."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from ...errors import CandidateError
from ...objectives.accuracy.drift import Drift, PartDrift
from ..front import knee
from ..ship.readme import CHANGED_IMAGES, WORST_CLASSES
from .plots.confidence import confidence_figure
from .tables import html_table
from .trial_cache import TrialCache
from .view import StudyView

NOT_HERE = (
    "What each image gave is not in this machine's cache: write the report where the study ran to see how detections "
    "changed."
)
NOTHING = "No engine with INT8 layers is on the front, so no detection changes."


@dataclass(frozen=True, kw_only=True)
class Changes:
    """How detections changed.

    Args:
        drifts: by trial, of the front's points with INT8 layers as far as the cache tells, fastest first.
        knee: the trial among them that is told in full.
        sheet: JPEG of the images that the knee changed most; None where it cannot be drawn or nobody asked.
        remark: why it cannot be drawn, if that is so.
    """

    drifts: Mapping[int, Drift]
    knee: int
    sheet: bytes | None = None
    remark: str = ""

    @property
    def told(self) -> Drift:
        """The knee's."""
        return self.drifts[self.knee]


def changes_of_view(view: StudyView, cache: TrialCache, *, shown: bool) -> Changes | str:
    """What the cache tells of the front; a sentence if that is nothing.

    Args:
        shown: run the knee's engine and the reference on a few images, to show what changed.
    """
    front = [point for point in view.feasible_front if point.measurement.int8_layers]
    if not front:
        return NOTHING
    found = {point.trial: cache.drift(point.measurement) for point in front}
    drifts = {trial: drift for trial, drift in found.items() if drift is not None}
    kept = [point for point in front if point.trial in drifts]
    if not kept:
        return NOT_HERE
    chosen = kept[knee(view.results.losses(kept))]
    changes = Changes(drifts=drifts, knee=chosen.trial)
    if not shown:
        return changes
    try:
        sheet = cache.contact_sheet(chosen.measurement, changes.told)
    except CandidateError as error:
        return Changes(drifts=drifts, knee=chosen.trial, remark=f"The images cannot be shown here: {error}")
    return Changes(drifts=drifts, knee=chosen.trial, sheet=sheet)


def figure_of_changes(changes: Changes) -> Any:
    """F1 over the confidence, of the knee and of the reference."""
    return confidence_figure(changes.told.confidence, name=f"trial {changes.knee}")


def html_of_changes(changes: Changes) -> str:
    """The tables and the picture; `figure_of_changes` stands above them."""
    drift = changes.told
    tables = [
        html_table(FRONT_COLUMNS, [_front_row(trial, one) for trial, one in changes.drifts.items()]),
        f"<h3>Trial {changes.knee}, the knee, in full</h3>",
        html_table(("object size", *PART_COLUMNS), [_part_row(part) for part in drift.sizes]),
        html_table(("the greatest losses", *PART_COLUMNS), [_part_row(part) for part in drift.classes[:WORST_CLASSES]]),
    ]
    if drift.images:
        tables.append(html_table(IMAGE_COLUMNS, _image_rows(drift)))
    return "\n".join([*tables, _picture(changes)])


FRONT_COLUMNS = ("trial", "best confidence", "F1 there", "F1 at the reference's", "images changed", "greatest loss")
PART_COLUMNS = ("AP50-95", "change", "95 % of change", "true boxes")
IMAGE_COLUMNS = ("image that changed most", "F1", "hits, misses, false alarms", "the reference's")


def _front_row(trial: int, drift: Drift) -> tuple[str, ...]:
    shift, worst = drift.confidence, drift.classes[0]
    return (
        str(trial),
        f"{shift.best:.2f} (reference {shift.reference_best:.2f})",
        f"{shift.best_f1:.3f} (reference {shift.reference_best_f1:.3f})",
        f"{shift.f1_kept:.3f}",
        f"{drift.images_changed} of {drift.images_seen}",
        f"{worst.name} {worst.change:+.3f}",
    )


def _part_row(part: PartDrift) -> tuple[str, ...]:
    interval = f"{part.change_ci[0]:+.4f} to {part.change_ci[1]:+.4f}" if part.change_ci else "-"
    return part.name, f"{part.ap:.4f}", f"{part.change:+.4f}", interval, str(part.truths or "-")


def _image_rows(drift: Drift) -> list[tuple[str, ...]]:
    rows = []
    for image in drift.images[:CHANGED_IMAGES]:
        here, there = (", ".join(map(str, counts)) for counts in (image.counts, image.reference_counts))
        rows.append((image.file_name, f"{image.f1_change:+.3f}", here, there))
    return rows


def _picture(changes: Changes) -> str:
    if changes.sheet is None:
        return f"<p>{escape(changes.remark)}</p>" if changes.remark else ""
    source = f"data:image/jpeg;base64,{base64.b64encode(changes.sheet).decode()}"
    return (
        f"<figure><img alt='Detections of the reference and of trial {changes.knee}' src='{source}'>"
        "<figcaption>The images that changed most: the reference left, this engine right. True boxes are white, what "
        "is found is orange.</figcaption></figure>"
    )
