"""A GPU program that fails on purpose, for tests in a process of their own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from qpareto.objectives.engines.cuda import CudaEngine, Port

_KERNEL = """
extern "C" __global__ void touch(float *where, float *out) { out[threadIdx.x] = where[threadIdx.x] + 1; }
"""


class Touch:
    """Reads its input, or an address that is not its own."""

    input = Port(name="images", shape=(1, 1, 1, 32))
    outputs: tuple[Port, ...] = (Port(name="output", shape=(32,)),)

    def __init__(self) -> None:
        from cuda.core import Device, Program, ProgramOptions

        device = Device(0)
        device.set_current()
        options = ProgramOptions(arch=f"sm_{device.arch}")
        self._kernel = Program(_KERNEL, code_type="c++", options=options).compile("cubin").get_kernel("touch")
        self._out = 0
        self.where = 0

    def bind(self, addresses: Mapping[str, int]) -> None:
        self.where, self._out = addresses["images"], addresses["output"]

    def enqueue(self, stream: int) -> None:
        from cuda.core import LaunchConfig, Stream, launch

        launch(Stream.from_handle(stream), LaunchConfig(grid=1, block=32), self._kernel, self.where, self._out)

    def close(self) -> None:
        pass


def run_once_after(fault: str) -> float:
    """Milliseconds of a run after `nothing`, or after an `illegal address` was touched."""
    program = Touch()
    engine = CudaEngine(program)
    engine.load_input(np.zeros(engine.input_shape, np.float32))
    if fault == "illegal address":
        program.where = 8
        program.enqueue(int(engine._stream.handle))
    return engine.run_once_ms()
