"""What engines are scored on: images as a model takes them, and their true boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from ..store import Store
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
    def of_dataset(cls, dataset: Dataset, *, height: int, width: int, store: Store) -> Self:
        """Letterbox its images to that size, or find them in the store.

        Raises:
            DatasetError: an image cannot be decoded.
            DiskError: the store cannot be written.
        """
        paths = [image.path for image in dataset.images]
        return cls(dataset=dataset, pixels=letterboxed_images(paths, height=height, width=width, store=store))

    def __len__(self) -> int:
        return len(self.dataset.images)
