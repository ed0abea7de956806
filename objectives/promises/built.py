"""What promises of engines are tried on: a built engine, whatever it was built from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..engines import Engine, EngineKind, EngineOptions
from ..engines.ref import EngineRef
from ..store import Store
from ..tensors import tensor_from_pixels


@dataclass(frozen=True, kw_only=True)
class Built:
    """A built engine with all that its promises are tried with; small to hand to a child process.

    Args:
        onnx_path: the graph that it was built from.
        input_shape: batch, channels, height and width of that graph's input.
        pixels: a `.npy` file, uint8 [images, height, width, channels].
        store: gets what promises build in child processes, and their logs.
        rounding: how far outputs of other kernels may lie apart: mean difference as a part of the mean size.
    """

    kind: EngineKind
    options: EngineOptions
    folder: Path
    onnx_path: Path
    input_shape: tuple[int, int, int, int]
    pixels: Path
    store: Store
    rounding: float = 0.01

    @property
    def ref(self) -> EngineRef:
        return EngineRef(self.folder, self.options)

    def load(self) -> Engine:
        return self.kind.load(self.folder, self.options)

    def images(self, first: int = 0) -> NDArray[np.float32]:
        """A batch of the images, from this one on, as the engine takes them."""
        pixels = np.load(self.pixels, mmap_mode="r")
        return tensor_from_pixels(pixels[(first + np.arange(self.input_shape[0])) % len(pixels)])


Promise = Callable[[Built], str]  # raises EngineError if it is broken, else returns what it saw
Promises = Mapping[str, Promise]  # by what the engine kind does
