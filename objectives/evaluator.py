"""Engines scored on the evaluation images of one data set, each once, since accuracy does not vary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import steps
from .accuracy.coco import Accuracy
from .accuracy.dataset import Dataset
from .accuracy.evaluate import SCORING
from .accuracy.heads import Detections, Head
from .accuracy.images import LetterboxedImages
from .accuracy.sample import Sample
from .device import Device
from .engines import EngineOptions
from .store import content_key


@dataclass(frozen=True, kw_only=True)
class Evaluator:
    """Runs engines in child processes, never beside a timing on the same device.

    Args:
        dataset: the true boxes.
        pixels: its images, letterboxed, in its order.
        head: how to read what engines give.
    """

    device: Device
    dataset: Dataset
    pixels: LetterboxedImages
    head: Head

    def accuracy(self, engine: Path, options: EngineOptions) -> Accuracy:
        """What the engine scores on the evaluation images; measured once, since it does not vary.

        Raises:
            EngineError: the engine does not load or run, or takes too long.
        """
        return Accuracy.load(self.folder(engine, options))

    def folder(self, engine: Path, options: EngineOptions) -> Path:
        """Where that is kept in the store. Raises the same."""
        key = self.key(engine)

        def fill(folder: Path) -> None:
            with self.device.beside_timing():
                evaluated = (engine, options, self.pixels, self.dataset, self.head, folder)
                self.device.run(steps.evaluate, *evaluated, log=f"accuracy-{key}")

        return self.device.store.make("accuracy", key, fill, kept=True)

    def sample(self, engine: Path) -> Sample | None:
        """What the engine found in a few images when its accuracy was measured; None if it was not, or is not known."""
        folder = self.known(engine)
        return Sample.load(folder) if folder else None

    def known(self, engine: Path) -> Path | None:
        """Where an engine's accuracy is kept; None if it was not measured."""
        return self.device.store.find("accuracy", self.key(engine))

    def key(self, engine: Path) -> str:
        """Under which that is kept, as `accuracy`."""
        return content_key(
            engine=engine.name,
            pixels=self.pixels.content_hash,
            dataset=self.dataset.content_hash,
            categories=self.dataset.category_ids,
            head=[self.head.kind, self.head.output],
            made_by=SCORING,
        )

    def detections(self, engine: Path, options: EngineOptions, images: Sequence[int]) -> list[Detections]:
        """What the engine finds in the evaluation images at these indices, in pixels of the originals.

        Raises:
            EngineError: the engine does not load or run, or takes too long.
        """
        with self.device.beside_timing():
            shown = (engine, options, self.pixels, self.head, list(images))
            return self.device.run(steps.detections, *shown, log=f"detections-{engine.name}")
