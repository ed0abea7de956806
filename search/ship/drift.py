"""How an engine's detections differ from the reference's: found in what the cache keeps of both, as tables, drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...objectives.accuracy.coco import Accuracy
from ...objectives.accuracy.contact_sheet import Column, contact_sheet, save_picture
from ...objectives.accuracy.drift import Counts, Drift, PartDrift, drift_of
from ...objectives.accuracy.metrics import MAP, Metric
from ...objectives.engines.ref import EngineRef
from ...objectives.interval import Interval
from ...objectives.score import Scorer
from ..table import Table, figures, words
from ..wording import accuracy, change, interval

WORST_CLASSES = 5
CHANGED_IMAGES = 6


@dataclass(frozen=True, kw_only=True)
class EnginePair:
    """An engine and the reference, of the cache that is the scorer's store."""

    scorer: Scorer
    engine: EngineRef
    reference: EngineRef

    def accuracies(self) -> tuple[Path, Path] | None:
        """The folders of what the engine and the reference scored; None unless both are there."""
        one, other = map(self.scorer.evaluator.known, (self.engine, self.reference))
        return (one, other) if one and other else None

    def drift(self) -> Drift | None:
        """From the matches that both evaluations left; None unless both are there."""
        if (kept := self.accuracies()) is None:
            return None
        one, other = map(Accuracy.load, kept)
        return drift_of(one, other, self.scorer.images.dataset)

    def draw(self, drift: Drift, path: Path, *, jpeg_quality: int = 95) -> None:
        """The images that changed most, or the first ones where none did: both engines are run on them.

        Raises:
            EngineError: an engine does not run here.
            DatasetError: an image cannot be decoded any more.
        """
        scorer = self.scorer
        images = ([image.index for image in drift.images] or [*range(drift.images_seen)])[:CHANGED_IMAGES]
        engines = {"reference": self.reference, "this engine": self.engine}
        sides = [Column(title=name, found=scorer.evaluator.detections(of, images)) for name, of in engines.items()]
        sheet = contact_sheet(scorer.images.dataset, images, sides, confidence=drift.confidence.reference_best)
        save_picture(sheet, path, jpeg_quality=jpeg_quality)


def drift_tables(drift: Drift, metric: Metric = MAP) -> list[Table]:
    """What each size of object and the worst classes lose, and the images that changed most, if any did."""
    part, classes = (metric.of_class, "change"), drift.classes[:WORST_CLASSES]
    sizes = Table([*words("object size"), *figures(*part)], [_cells(size) for size in drift.sizes])
    tables = [
        *([sizes] if drift.sizes else []),
        Table(
            [*words("class (the greatest losses)"), *figures(*part, "95 % of change", metric.truths)],
            [(*_cells(each), _interval(each), str(each.truths)) for each in classes],
        ),
    ]
    if drift.images:
        columns = *words("image that changed most"), *figures("F1", "hits, misses, false alarms", "the reference's")
        rows = [
            (image.file_name, f"{image.f1_change:+.3f}", _counts(image.counts), _counts(image.reference_counts))
            for image in drift.images[:CHANGED_IMAGES]
        ]
        tables.append(Table(columns, rows))
    return tables


def _cells(part: PartDrift) -> tuple[str, ...]:
    return part.name, accuracy(part.ap), change(part.change)


def _interval(part: PartDrift) -> str:
    return interval(Interval(part.change, *part.change_ci), change) if part.change_ci else "-"


def _counts(counts: Counts) -> str:
    return ", ".join(map(str, counts))
