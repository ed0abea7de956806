from __future__ import annotations

import numpy as np
import pytest

from qpareto.objectives.tensors import tensor_from_pixels
from qpareto.spaces.preprocessing import Preprocessing

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 3), dtype=np.uint8)


def test_pixels_become_planes_of_fractions() -> None:
    tensor = tensor_from_pixels(PIXELS)
    assert (tensor.shape, tensor.dtype.name, tensor.flags.c_contiguous) == ((2, 3, 4, 6), "float32", True)
    for image, row, column, colour in np.ndindex(PIXELS.shape):
        assert tensor[image, colour, row, column] == np.float32(PIXELS[image, row, column, colour]) / np.float32(255)


def test_pixels_are_scaled_as_the_model_takes_them() -> None:
    taken = Preprocessing(divide=2.0, mean=(1.0, 2.0, 3.0), std=(0.5, 1.0, 2.0))
    tensor = tensor_from_pixels(PIXELS, taken, out=np.empty((2, 3, 4, 6), np.float32))
    wanted = (PIXELS / 2 - [1, 2, 3]) / [0.5, 1, 2]
    assert tensor == pytest.approx(wanted.transpose(0, 3, 1, 2))
    assert np.array_equal(tensor_from_pixels(PIXELS, Preprocessing(divide=1.0)), PIXELS.transpose(0, 3, 1, 2))


def test_memory_can_be_used_again() -> None:
    memory = np.full((3, 3, 4, 6), 7, np.float32)
    tensor = tensor_from_pixels(PIXELS, out=memory[1:])
    assert np.shares_memory(tensor, memory)
    assert np.array_equal(memory[1:], tensor_from_pixels(PIXELS))
    assert (memory[0] == 7).all()
