"""What engines are scored on: images as a model takes them, and their true boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from ....spaces.model import DetectorModel
from ....spaces.preprocessing import USUAL, Preprocessing
from ...store import Store
from .dataset import Dataset
from .images import LetterboxedImages, letterboxed_images


@dataclass(frozen=True, kw_only=True)
class EvaluationSet:
    """Images with their true boxes. Small to hand to another process.

    Args:
        dataset: the true boxes; its categories in the model's order (`Dataset.for_model`).
        pixels: its images, letterboxed, in its order.
    """

    dataset: Dataset
    pixels: LetterboxedImages

    @classmethod
    def of_dataset(
        cls, dataset: Dataset, *, height: int, width: int, store: Store, preprocessing: Preprocessing = USUAL
    ) -> Self:
        """Prepare its images for that size, or find them in the store.

        Raises:
            DatasetError: an image cannot be decoded.
            DiskError: the store cannot be written.
        """
        paths = [image.path for image in dataset.images]
        pixels = letterboxed_images(paths, height=height, width=width, store=store, preprocessing=preprocessing)
        return cls(dataset=dataset, pixels=pixels)

    @classmethod
    def for_model(cls, dataset: Dataset, model: DetectorModel, store: Store) -> Self:
        """The same, of a model's size and prepared as it takes them. Raises the same."""
        _, _, height, width = model.input_shape
        prepared = model.preprocessing
        return cls.of_dataset(dataset, height=height, width=width, store=store, preprocessing=prepared)

    def __len__(self) -> int:
        return len(self.dataset.images)
