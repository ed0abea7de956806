"""Pixels as a model takes them: the one conversion that calibration, evaluation and timing share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def tensor_from_pixels(pixels: NDArray[np.uint8], *, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """[n, height, width, 3] RGB in 0..255 to [n, 3, height, width] in 0..1.

    Args:
        out: is written and returned, of the result's shape. Memory that was used before takes half the time of new.
    """
    planes = pixels.transpose(0, 3, 1, 2)
    tensor = np.empty(planes.shape, np.float32) if out is None else out
    tensor[...] = planes
    tensor /= np.float32(255)
    return tensor
