"""How a drift is shown, in a README as in a report: the cells of its tables, the picture of the images that changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...objectives.accuracy.contact_sheet import Column, Picture, contact_sheet
from ...objectives.accuracy.drift import Drift, ImageDrift, PartDrift
from ...objectives.engines import EngineOptions
from ...objectives.score import Scorer
from ..wording import accuracy, change, interval

WORST_CLASSES = 5
CHANGED_IMAGES = 6
PART_COLUMNS = ("AP50-95", "change")  # after the part's kind
CLASS_COLUMNS = (*PART_COLUMNS, "95 % of change")
IMAGE_COLUMNS = ("image that changed most", "F1", "hits, misses, false alarms", "the reference's")


def part_cells(part: PartDrift) -> tuple[str, ...]:
    """A class or a size: its name, then `PART_COLUMNS`."""
    return part.name, accuracy(part.ap), change(part.change)


def class_cells(part: PartDrift) -> tuple[str, ...]:
    """A class, which has an interval as sizes have not: its name, then `CLASS_COLUMNS`."""
    return *part_cells(part), interval(part.change_ci, change) if part.change_ci else "-"


def image_cells(image: ImageDrift) -> tuple[str, ...]:
    """The cells of `IMAGE_COLUMNS`."""
    here, there = (", ".join(map(str, counts)) for counts in (image.counts, image.reference_counts))
    return image.file_name, f"{image.f1_change:+.3f}", here, there


def changed_picture(
    scorer: Scorer, images: Sequence[int], drift: Drift, *, reference: Path, engine: Path, options: EngineOptions
) -> Picture:
    """Images of the scorer's data set as the reference and as an engine sees them, which both are run for.

    Args:
        images: indices, at least one.
        reference, engine: folders of the two; `options` are the latter's.

    Raises:
        EngineError: an engine does not run here.
        DatasetError: an image cannot be decoded any more.
    """
    columns = [
        Column(title="reference", found=scorer.detections(reference, scorer.build_options(), images)),
        Column(title="this engine", found=scorer.detections(engine, options, images)),
    ]
    return contact_sheet(scorer.dataset, images, columns, confidence=drift.confidence.reference_best)
