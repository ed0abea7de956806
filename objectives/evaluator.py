"""Engines scored on the images of an evaluation set, each once, since accuracy does not vary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import steps
from .accuracy.coco import Accuracy
from .accuracy.data.evaluation_set import EvaluationSet
from .accuracy.evaluate import SCORING
from .accuracy.heads import Detections, Head
from .accuracy.heads.own_heads import code_of_head
from .accuracy.sample import Sample
from .device import Device
from .engines.ref import EngineRef
from .store import content_key


@dataclass(frozen=True, kw_only=True)
class Evaluator:
    """Runs engines in child processes, never beside a timing on the same device.

    Args:
        head: how to read what engines give.
    """

    device: Device
    images: EvaluationSet
    head: Head

    def accuracy(self, engine: EngineRef) -> Accuracy:
        """What the engine scores on the evaluation images; measured once, since it does not vary.

        Raises:
            EngineError: the engine does not load or run, or takes too long.
        """
        return Accuracy.load(self.folder(engine))

    def folder(self, engine: EngineRef) -> Path:
        """Where that is kept in the store. Raises the same."""
        key = self.key(engine)

        def fill(folder: Path) -> None:
            with self.device.beside_timing(on_host=True):
                self.device.run(f"accuracy-{key}", steps.evaluate, engine, self.images, self.head, folder)

        return self.device.store.make("accuracy", key, fill, kept=True)

    def sample(self, engine: EngineRef) -> Sample | None:
        """What the engine found in a few images when its accuracy was measured; None if it was not, or is not known."""
        folder = self.known(engine)
        return Sample.load(folder) if folder else None

    def known(self, engine: EngineRef) -> Path | None:
        """Where an engine's accuracy is kept; None if it was not measured."""
        return self.device.store.find("accuracy", self.key(engine))

    def key(self, engine: EngineRef) -> str:
        """Under which that is kept, as `accuracy`."""
        return content_key(
            engine=engine.name,
            pixels=self.images.pixels.content_hash,
            dataset=self.images.dataset.content_hash,
            categories=self.images.dataset.category_ids,
            head=[self.head.kind, self.head.output, *filter(None, [code_of_head(self.head)])],
            made_by=SCORING,
        )

    def detections(self, engine: EngineRef, images: Sequence[int]) -> list[Detections]:
        """What the engine finds in the evaluation images at these indices, in pixels of the originals.

        Raises:
            EngineError: the engine does not load or run, or takes too long.
        """
        with self.device.beside_timing(on_host=True):
            shown = engine, self.images.pixels, self.head, list(images)
            return self.device.run(f"detections-{engine.name}", steps.detections, *shown)
