"""One engine's accuracy: preparing, inferring and scoring overlap."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from ..engines.base import Engine
from ..tensors import tensor_from_pixels
from .coco import Accuracy, score_matches
from .dataset import Dataset
from .heads import Head
from .images import LetterboxedImages
from .matcher import Matcher, Matches

__all__ = ["Accuracy", "accuracy_of_engine"]

_WAITING = 4  # batches of raw outputs kept in memory at most


def accuracy_of_engine(engine: Engine, images: LetterboxedImages, dataset: Dataset, head: Head) -> Accuracy:
    """Run an engine on every image of a data set and score what it finds.

    While the engine infers, one thread prepares the next batch and one matches the batches before it. The last batch
    is filled up with its last image, whose repeats are not scored.

    Args:
        images: letterboxed from the data set's images, in its order and to the engine's size.
        dataset: its categories in the model's order (`Dataset.for_model`).

    Raises:
        EngineError: the engine failed.
    """
    batch, _, height, width = engine.input_shape
    pixels, wanted = images.pixels, (len(dataset.images), height, width, 3)
    if pixels.shape != wanted:
        raise ValueError(f"the images are {pixels.shape}, but the engine and the data set want {wanted}")
    matcher = Matcher(dataset)

    def prepared(start: int) -> NDArray[np.float32]:
        return tensor_from_pixels(pixels[np.minimum(np.arange(start, start + batch), len(pixels) - 1)])

    def matched(start: int, outputs: tuple[NDArray[np.float32], ...]) -> list[Matches]:
        found = zip(range(start, min(start + batch, len(pixels))), head.detections(outputs), strict=False)
        return [matcher.match(i, detections.on_image(images.geometry[i])) for i, detections in found]

    matches: list[Matches] = []
    waiting: deque[Future[list[Matches]]] = deque()
    with ThreadPoolExecutor(1) as before, ThreadPoolExecutor(1) as after:
        upcoming = before.submit(prepared, 0)
        for start in range(0, len(pixels), batch):
            inputs = upcoming.result()
            if start + batch < len(pixels):
                upcoming = before.submit(prepared, start + batch)
            waiting.append(after.submit(matched, start, engine.infer(inputs)))
            if len(waiting) > _WAITING:
                matches += waiting.popleft().result()
        for future in waiting:
            matches += future.result()
    return score_matches(dataset, matches)
