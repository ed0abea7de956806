"""A detector, its images and their truth, that need no model: bright rectangles on black."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from qpareto.errors import EngineError
from qpareto.objectives.accuracy.data.evaluation_set import EvaluationSet
from qpareto.objectives.accuracy.data.reading import dataset_from_coco
from qpareto.objectives.accuracy.heads.plain_heads import EndToEndHead
from qpareto.objectives.engines import Engine
from qpareto.objectives.store import Store

HEAD = EndToEndHead(0, 1)


class BrightRectangle(Engine):
    """A detector, if a simple one: it finds the rectangle that is brighter than the padding."""

    def __init__(self, batch: int, *, fails_at: int | None = None) -> None:
        self.input_shape = (batch, 3, 64, 64)
        self.calls, self._fails_at = 0, fails_at
        self.held = 0  # outputs that somebody still uses
        self.most_held = 0

    def infer(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        assert images.shape == self.input_shape
        self.calls += 1
        if self.calls == self._fails_at:
            raise EngineError("the device went away")
        found = np.stack([self._found(image) for image in images])
        self.held += 1
        self.most_held = max(self.held, self.most_held)
        weakref.finalize(found, self._let_go)
        return (found,)

    def _let_go(self) -> None:
        self.held -= 1

    def _found(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        rows, columns = (np.flatnonzero(image.min(axis=0).max(axis=axis) > 0.9) for axis in (1, 0))
        return np.array([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1, 0.8, 0]], np.float32)

    def load_inputs(self, batches: Iterable[NDArray[np.float32]]) -> None:
        raise NotImplementedError

    def run_once_ms(self, turn: int = 0) -> float:
        raise NotImplementedError

    def timed_outputs(self, turn: int = 0) -> tuple[NDArray[np.float32], ...]:
        raise NotImplementedError

    def close(self) -> None:
        pass


def rectangles_in(folder: Path, count: int) -> EvaluationSet:
    """Images of different shapes, each with a white rectangle where the truth has a box."""
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for i in range(count):
        height, width = 64, int(rng.integers(40, 65))
        left, top = (int(n) for n in rng.integers(0, 20, 2))
        box = [left, top, *(int(n) for n in rng.integers(10, 20, 2))]
        picture = np.zeros((height, width, 3), np.uint8)
        picture[top : top + box[3], left : left + box[2]] = 255
        cv2.imwrite(str(folder / f"{i}.png"), picture)
        images.append({"id": i, "file_name": f"{i}.png"})
        annotations.append({"image_id": i, "category_id": 0, "bbox": box})
    content = {"images": images, "annotations": annotations, "categories": [{"id": 0, "name": "rectangle"}]}
    (folder / "instances.json").write_text(json.dumps(content))
    dataset = dataset_from_coco(folder, folder / "instances.json")
    return EvaluationSet.of_dataset(dataset, height=64, width=64, store=Store(folder / "store"))
