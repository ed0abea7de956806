"""A TensorRT execution context as a program that a CUDA engine captures and replays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ....errors import EngineError
from ..cuda import Port
from .log import TensorRtLog

if TYPE_CHECKING:
    import tensorrt


class TensorRtProgram:
    """Holds the engine as long as its context runs.

    Args:
        context: None if TensorRT could not make one, for want of memory, say.

    Raises:
        EngineError: there is no context, or the engine is no detector's: one image batch in, float32 tensors out.
    """

    def __init__(
        self, context: tensorrt.IExecutionContext | None, engine: tensorrt.ICudaEngine, log: TensorRtLog
    ) -> None:
        if context is None:
            raise EngineError(
                f"TensorRT cannot run this engine ({log.reason()}): free GPU memory or lower engine.batch."
            )
        self._context: tensorrt.IExecutionContext | None = context
        self._engine: tensorrt.ICudaEngine | None = engine
        self._log = log
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        ports = {name: Port(name=name, shape=_shape(engine, name)) for name in names}
        inputs = [name for name in names if engine.get_tensor_mode(name).name == "INPUT"]
        others = [name for name in names if engine.get_tensor_dtype(name).name != "FLOAT"]
        if len(inputs) != 1 or len(ports[inputs[0]].shape) != 4 or others:
            found = [f"{port.name} {list(port.shape)}" for port in ports.values()]
            raise EngineError(f"This engine has {', '.join(found)}, but a detector takes one image batch in float32.")
        self.input = ports[inputs[0]]
        self.outputs = tuple(ports[name] for name in names if name not in inputs)

    def bind(self, addresses: Mapping[str, int]) -> None:
        for name, address in addresses.items():
            if self._context is None or not self._context.set_tensor_address(name, address):
                raise EngineError(f"TensorRT refuses the memory of {name} ({self._log.reason()}).")

    def enqueue(self, stream: int) -> None:
        if self._context is None or not self._context.execute_async_v3(stream):
            raise EngineError(f"TensorRT cannot run this engine ({self._log.reason()}).")

    def report_to(self, profiler: tensorrt.IProfiler) -> None:
        """Let every later `enqueue` wait for the device and tell the profiler what each layer took."""
        if self._context is not None:
            self._context.profiler = profiler
            self._context.enqueue_emits_profile = True

    def close(self) -> None:
        self._context = self._engine = None  # in this order: the context lives off the engine


def _shape(engine: tensorrt.ICudaEngine, name: str) -> tuple[int, ...]:
    dimensions: Any = engine.get_tensor_shape(name)  # a sequence of integers, which its stub does not tell
    return tuple(dimensions)
