"""Pixels as a model takes them: the one conversion that calibration, evaluation and timing share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def tensor_from_pixels(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """[n, height, width, 3] RGB in 0..255 to [n, 3, height, width] in 0..1."""
    planes = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
    return np.divide(planes, np.float32(255), dtype=np.float32)
