"""What the layers of a TensorRT engine take, as its own profiler tells: events around each, without a CUDA graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....errors import EngineError
from ..cuda import CudaEngine, Floats, cuda_errors
from .program import TensorRtProgram

if TYPE_CHECKING:
    import tensorrt


def layer_runs_ms(trt: Any, program: TensorRtProgram, images: Floats, *, runs: int) -> list[dict[str, float]]:
    """Milliseconds of each layer in each of so many runs, by its name.

    Args:
        trt: TensorRT's Python module, or that for RTX.
        program: closed afterwards.

    Raises:
        EngineError: the engine does not run, or nothing was told.
        ValueError: images has another shape.
    """
    from cuda.core import Device

    found: list[dict[str, float]] = []
    profiler = _profiler(trt, found)
    with CudaEngine(program) as engine:
        engine.infer(images)  # warms up, and leaves the images where the program reads them
        with cuda_errors("The GPU cannot profile the engine"):
            program.report_to(profiler)
            stream = Device(0).create_stream()
            for _ in range(1 + runs):
                found.append({})
                program.enqueue(int(stream.handle))
            stream.close()
    if not all(found):
        raise EngineError("TensorRT's profiler told nothing of this engine's layers: time whole engines instead.")
    return found[1:]  # the first run also makes the events


def _profiler(trt: Any, found: list[dict[str, float]]) -> tensorrt.IProfiler:
    """Adds what it is told to the last run."""

    class Profiler(trt.IProfiler):  # type: ignore[misc]  # its base is known at run time only
        def __init__(self) -> None:
            trt.IProfiler.__init__(self)

        def report_layer_time(self, layer_name: str, ms: float) -> None:
            found[-1][layer_name] = found[-1].get(layer_name, 0.0) + ms

    profiler: tensorrt.IProfiler = Profiler()
    return profiler
