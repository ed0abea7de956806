from __future__ import annotations

import numpy as np

from qpareto.objectives.tensors import tensor_from_pixels

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 3), dtype=np.uint8)


def test_pixels_become_planes_of_fractions() -> None:
    tensor = tensor_from_pixels(PIXELS)
    assert (tensor.shape, tensor.dtype.name, tensor.flags.c_contiguous) == ((2, 3, 4, 6), "float32", True)
    for image, row, column, colour in np.ndindex(PIXELS.shape):
        assert tensor[image, colour, row, column] == np.float32(PIXELS[image, row, column, colour]) / np.float32(255)


def test_memory_can_be_used_again() -> None:
    memory = np.full((3, 3, 4, 6), 7, np.float32)
    tensor = tensor_from_pixels(PIXELS, out=memory[1:])
    assert np.shares_memory(tensor, memory)
    assert np.array_equal(memory[1:], tensor_from_pixels(PIXELS))
    assert (memory[0] == 7).all()
