"""What was timed is what was scored: an engine is known again by what it finds in a few images.

Engines are timed on `IMAGES` evaluation images in turn, as MLPerf does, so that no figure is that of one image. While
an engine is scored, what it finds in `SAMPLE` of these is kept beside its accuracy. After it was timed, they run once
more, by the very request or graph that was timed, and both are compared, image by image.

The kinds of engines that there are give equal bits for equal input, so the comparison could be for equality. But what
else is in a batch may decide how a sum is added up, and in a race the images come in another order: so it is one of
boxes and scores, with a tolerance. YOLO11n in FP32 and all in INT8 (64 images, `max`) differ by 0.049 to 0.2 in each of
8 images of COCO val2017 (the greater of the error of boxes and that of scores); one of these images and another by 0.77
to 1, the most that can be.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import EngineError
from .heads import Detections, Head
from .parity import parity_of_detections

IMAGES = 64
SAMPLE = 8
TOLERANCE = 0.02  # of a box's size, and of a score

_FILE = "sample.npz"

Rows = NDArray[np.intp]
Run = Callable[[int], Sequence[NDArray[np.float32]]]


def turns(images: int, batch: int) -> list[Rows]:
    """Which images each input holds that an engine is timed on, by their indices: [batch] each.

    `IMAGES` of all images, or all where they are fewer, spread evenly over the data set, in whole batches; at least
    one batch, in which images repeat where there are fewer.
    """
    timed = _spread_out(IMAGES, images)
    return list(np.resize(timed, (max(1, len(timed) // batch), batch)))


def sampled(images: int) -> frozenset[int]:
    """Which images an engine is known by, of those that engines of batch 1 are timed on."""
    timed = _spread_out(IMAGES, images)
    return frozenset(timed[_spread_out(SAMPLE, len(timed))].tolist())


@dataclass(frozen=True)
class Sample:
    """What an engine found in a few images, by the image's index, in pixels of the letterbox: boxes of every task."""

    found: Mapping[int, Detections]

    def save(self, folder: Path) -> None:
        """Write sample.npz into an existing folder."""
        found = self.found.values()
        np.savez_compressed(
            folder / _FILE,
            images=np.array(list(self.found), np.int64),
            ends=np.cumsum([len(each.scores) for each in found], dtype=np.int64),
            boxes=np.concatenate([np.zeros((0, 4), np.float32), *(each.boxes for each in found)]),
            scores=np.concatenate([np.zeros(0, np.float32), *(each.scores for each in found)]),
            classes=np.concatenate([np.zeros(0, np.intp), *(each.classes for each in found)]),
        )

    @classmethod
    def load(cls, folder: Path) -> Sample | None:
        """Read what `save` wrote; None where there is nothing: older programs kept none."""
        try:
            with np.load(folder / _FILE, allow_pickle=False) as arrays:
                ends = arrays["ends"][:-1]
                parts = (np.split(arrays[name], ends) for name in ("boxes", "scores", "classes"))
                return cls(dict(zip(arrays["images"].tolist(), map(Detections, *parts), strict=False)))
        except FileNotFoundError:
            return None

    def refuse_another(self, timed: Sample) -> None:
        """Refuse an engine that found something else when it was timed, in an image that is in both samples.

        Raises:
            EngineError: it did.
        """
        for image in sorted(self.found.keys() & timed.found.keys()):
            parity = parity_of_detections([timed.found[image]], [self.found[image]])
            if max(parity.box_error, parity.score_error) > TOLERANCE:
                raise EngineError(
                    f"What was timed is not what was scored: in evaluation image {image} of the data set the timed "
                    f"engine's boxes are off by {parity.box_error:.3f} of their size and its scores by "
                    f"{parity.score_error:.3f} (tolerance {TOLERANCE:g}). Measure it again with another `cache`, and "
                    "report it if it stays so."
                )


class Sampling:
    """Notes what is found in the sampled ones of some images.

    Args:
        images: how many there are in the data set.
    """

    def __init__(self, images: int) -> None:
        self._wanted = sampled(images)
        self._found: dict[int, Detections] = {}

    def wants(self, rows: Collection[int] | Rows) -> bool:
        """Whether any of the images at these indices is sampled."""
        return not self._wanted.isdisjoint(rows)

    def note(self, image: int, found: Detections) -> None:
        if image in self._wanted:
            self._found[image] = replace(found, shapes=None)

    def sample(self) -> Sample:
        return Sample({image: self._found[image] for image in sorted(self._found)})


def sample_of_turns(run: Run, images: int, batch: int, head: Head) -> Sample:
    """What an engine finds in the sampled images among those that it is timed on.

    Args:
        run: the engine's outputs for the input whose turn it is.
        images: how many there are in the data set.
    """
    sampling = Sampling(images)
    for turn, rows in enumerate(turns(images, batch)):
        if sampling.wants(rows):
            for image, found in zip(rows.tolist(), head.detections(run(turn)), strict=True):
                sampling.note(image, found)
    return sampling.sample()


def _spread_out(count: int, among: int) -> Rows:
    """Indices of so many things, evenly spread among all; of all where they are fewer."""
    rows: Rows = np.arange(min(count, among)) * among // min(count, among)
    return rows
