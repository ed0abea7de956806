"""What a detection has beside its box: a mask or key points."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..data.images import Geometry

Boxes = NDArray[np.floating]  # [k, 4] left, top, right, bottom
Floats = NDArray[np.float64]


class Shapes(ABC):
    """Of the detections of one image, a row each, in pixels of the letterbox until `on_image`."""

    @abstractmethod
    def of_rows(self, rows: NDArray[np.intp]) -> Self:
        """Those of some of the detections, by their indices."""

    @abstractmethod
    def on_image(self, geometry: Geometry, boxes: Boxes) -> Shapes:
        """In pixels of the original image.

        Args:
            boxes: of the same detections, in pixels of the letterbox.
        """

    @abstractmethod
    def apart(self, other: Self, boxes: Boxes, others: Boxes) -> Floats:
        """[k] how far each is from the same row of another engine's, 0..1, in pixels of the letterbox.

        Args:
            boxes, others: of both, row by row.
        """


@dataclass(frozen=True)
class KeyPoints(Shapes):
    """Args: points: [k, K, 2 or 3] x, y and, of 3, how sure it is that the point can be seen."""

    points: NDArray[np.float32]

    def of_rows(self, rows: NDArray[np.intp]) -> KeyPoints:
        return KeyPoints(self.points[rows])

    def on_image(self, geometry: Geometry, boxes: Boxes) -> KeyPoints:
        points = self.points.copy()
        points[..., :2] = geometry.on_image(points[..., :2])
        return KeyPoints(points)

    def apart(self, other: KeyPoints, boxes: Boxes, others: Boxes) -> Floats:
        """The mean distance of the points, as a part of the box's size: the root of its area; 1 at most."""
        size = np.sqrt((boxes[:, 2:] - boxes[:, :2]).astype(np.float64).clip(1).prod(axis=1))
        far = np.linalg.norm((self.points - other.points)[..., :2].astype(np.float64), axis=2).mean(axis=1)
        found: Floats = np.nan_to_num(far / size, nan=1.0).clip(0, 1)
        return found


@dataclass(frozen=True)
class Masks(Shapes):
    """Masks in pixels of the original image, each as the part of it that its box covers.

    Args:
        corners: [k, 2] left and top pixel of each part.
        parts: [height, width] of each, whether a pixel belongs to the object.
    """

    corners: NDArray[np.intp]
    parts: tuple[NDArray[np.bool_], ...]

    def of_rows(self, rows: NDArray[np.intp]) -> Masks:
        return Masks(self.corners[rows], tuple(self.parts[row] for row in rows))

    def on_image(self, geometry: Geometry, boxes: Boxes) -> Masks:
        return self

    def apart(self, other: Masks, boxes: Boxes, others: Boxes) -> Floats:
        raise NotImplementedError("masks are compared before they are drawn on the image")

    @property
    def areas(self) -> Floats:
        """[k] pixels."""
        return np.array([np.count_nonzero(part) for part in self.parts], np.float64)

    def shared(self, row: int, mask: NDArray[np.bool_]) -> int:
        """Pixels that one of them has in common with a mask of the whole image."""
        (left, top), part = self.corners[row], self.parts[row]
        return int(np.count_nonzero(part & mask[top : top + part.shape[0], left : left + part.shape[1]]))


@dataclass(frozen=True)
class Prototypes(Shapes):
    """Masks before they are drawn: the sum of an image's prototypes, weighted by a detection's coefficients.

    Bolya et al., 'YOLACT: Real-time Instance Segmentation', 2019. A pixel belongs to the object where the sum is above
    0 and within the box.

    Args:
        coefficients: [k, P].
        prototypes: [P, height, width], which cover the model's input.
        stride: pixels of the letterbox to one of a prototype, x and y.
    """

    coefficients: NDArray[np.float32]
    prototypes: NDArray[np.float32]
    stride: tuple[float, float]

    def of_rows(self, rows: NDArray[np.intp]) -> Prototypes:
        return replace(self, coefficients=self.coefficients[rows])

    def on_image(self, geometry: Geometry, boxes: Boxes) -> Masks:
        """Sums are interpolated to the image's pixels, then cut: as `process_mask_native` of Ultralytics does it."""
        x = _places(geometry.width, geometry.scale, geometry.pad_x, self.stride[0])
        y = _places(geometry.height, geometry.scale_y or geometry.scale, geometry.pad_y, self.stride[1])
        corners = geometry.on_image(boxes.reshape(-1, 2, 2))
        inside = np.ceil(corners).astype(np.intp).reshape(-1, 4)  # pixels from left to before right
        parts = []
        for total, (left, top, right, bottom) in zip(self._sums(), inside.tolist(), strict=True):
            parts.append(_interpolated(total, y[top : max(bottom, top)], x[left : max(right, left)]) > 0)
        return Masks(inside[:, :2], tuple(parts))

    def apart(self, other: Prototypes, boxes: Boxes, others: Boxes) -> Floats:
        """1 - IoU of both masks, in the prototypes' pixels; 0 where neither has any."""
        one, two = self._drawn(boxes), other._drawn(others)
        shared, either = (one & two).sum(axis=(1, 2)), (one | two).sum(axis=(1, 2))
        overlap: Floats = np.divide(shared, either, out=np.ones(len(one)), where=either > 0)
        return 1 - overlap

    def _sums(self) -> NDArray[np.float32]:
        """[k, height, width]."""
        with np.errstate(all="ignore"):  # what overflows is no mask
            sums = self.coefficients @ self.prototypes.reshape(len(self.prototypes), -1)
        return sums.reshape(-1, *self.prototypes.shape[1:])

    def _drawn(self, boxes: Boxes) -> NDArray[np.bool_]:
        height, width = self.prototypes.shape[1:]
        left, top, right, bottom = (boxes / np.array(self.stride * 2)).T[..., None]
        x, y = np.arange(width), np.arange(height)
        inside = ((x >= left) & (x < right))[:, None, :] & ((y >= top) & (y < bottom))[:, :, None]
        drawn: NDArray[np.bool_] = inside & (self._sums() > 0)
        return drawn


def _places(pixels: int, scale: float, pad: float, stride: float) -> Floats:
    """[pixels] where the middle of each pixel of an image's row lies among those of a prototype's."""
    return ((np.arange(pixels, dtype=np.float64) + 0.5) * scale + pad) / stride - 0.5


def _interpolated(values: NDArray[np.float32], y: Floats, x: Floats) -> NDArray[np.float32]:
    """[y, x] bilinear, at the edge the nearest: values are [height, width]."""
    for wanted in (y, x):  # rows, then columns, which are rows once it is turned
        places = wanted.clip(0, len(values) - 1)
        low = places.astype(np.intp)
        share = (places - low).astype(np.float32)[:, None]
        values = (values[low] * (1 - share) + values[np.minimum(low + 1, len(values) - 1)] * share).T
    return values
