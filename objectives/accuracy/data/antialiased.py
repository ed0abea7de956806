"""Images made smaller as Pillow makes them, which classifiers are validated with; OpenCV has no such filter.

Each pixel of the result is the mean of those that it covers, weighted by a triangle: the same bits as
`Image.resize(..., BILINEAR)`, so that what is scored here is what Ultralytics' validation scores. (Pillow 13 takes the
columns of tall images first, which moves a pixel in ten by one grey level; older ones take the rows first, as here.)
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_BITS = 22  # of a weight's fraction, as in Pillow: sums of 8-bit pixels fill 32 bits


def center_crop(image: NDArray[np.uint8], height: int, width: int) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Scale an image so that it just covers a square, and cut the middle out; any other rectangle is stretched to.

    As Ultralytics' validation of classifiers does it.

    Args:
        image: [h, w, 3].

    Returns:
        [height, width, 3]; and how far the scaled image sticks out on the left and at the top, in pixels.
    """
    scaled_height, scaled_width = height, width
    if height == width:
        short = min(image.shape[:2])
        scaled_height, scaled_width = (height * side // short for side in image.shape[:2])
    scaled = _scaled(image, scaled_height, scaled_width)
    left, top = round((scaled_width - width) / 2), round((scaled_height - height) / 2)
    return scaled[top : top + height, left : left + width], (left, top)


def _scaled(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """[h, w, 3] to [height, width, 3]: first along the rows, then along the columns, rounded each time."""
    for axis, size in ((1, width), (0, height)):
        if image.shape[axis] == size:
            continue
        lines = np.moveaxis(image, axis, 0)
        sums = _weights(len(lines), size) @ lines.reshape(len(lines), -1).astype(np.int32)
        rounded = np.clip((sums + (1 << (_BITS - 1))) >> _BITS, 0, 255).astype(np.uint8)
        image = np.moveaxis(rounded.reshape(size, *lines.shape[1:]), 0, axis)
    return image


@lru_cache(maxsize=64)
def _weights(before: int, after: int) -> csr_array:
    """What each of so many pixels counts in each of so many others, in units of 2**-22: [after, before]."""
    from scipy.sparse import csr_array

    scale = before / after
    reach = max(scale, 1.0)
    centers = (np.arange(after) + 0.5) * scale
    apart = np.abs(np.arange(before) + 0.5 - centers[:, None]) / reach
    triangle = np.maximum(1 - apart, 0)
    shares = triangle / triangle.sum(axis=1, keepdims=True)
    return csr_array((shares * (1 << _BITS) + 0.5).astype(np.int32))
