"""Engines on an NVIDIA GPU: a program captured as a CUDA graph, replayed and timed by events on the device.

What is timed is a graph replay alone: no transfers, no launches of single kernels, no host. Several replays stand
between two events, since an event pair costs time of its own; and one replay goes before them, so that the device is
at work while the host queues the rest. By the host's clock and without a graph, FP16 looked slower than FP32 on an
H100; by this it is faster, as it should be (docs/measuring.md has the figures).

NVIDIA's own Python only: cuda-core; neither PyTorch nor pycuda.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import EngineError
from .base import Engine
from .gpu import announce_gpu, first_line, is_cuda_error

STRETCH_MS = 5.0  # between two events at least: their own cost, some microseconds, is then below 0.1 %
MOST_REPLAYS = 100
Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Port:
    """An input or output of a program, float32."""

    name: str
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        return 4 * math.prod(self.shape)


class CudaProgram(Protocol):
    """What a GPU is to do for one inference: an execution context of TensorRT's, or any other that can be captured."""

    input: Port
    outputs: tuple[Port, ...]

    def bind(self, addresses: Mapping[str, int]) -> None:
        """Where on the device each port's data stands; called once, before `enqueue`.

        Raises:
            EngineError: refused.
        """

    def enqueue(self, stream: int) -> None:
        """Queue one inference on a CUDA stream, given by its handle, without waiting for it.

        Raises:
            EngineError: refused.
        """

    def close(self) -> None:
        """Free what the program holds. May be called twice."""


class CudaEngine(Engine):
    """A program with device memory, pinned host memory and a graph. Serves one thread at a time."""

    def __init__(self, program: CudaProgram) -> None:
        from cuda.core import Device, EventOptions

        batch, channels, height, width = program.input.shape
        self.input_shape = (batch, channels, height, width)
        self._program: CudaProgram | None = program
        self._inputs: list[Any] = []  # on the device, each of the input port's size
        self._shown: int | None = None  # which of them the graph reads; None: another
        self._replays = 0
        with cuda_errors("The GPU cannot take the engine"):
            device = Device(0)
            announce_gpu()
            device.set_current()
            self._device, self._stream = device, device.create_stream()
            self._ports = _memories((program.input, *program.outputs), device, self._stream)
            program.bind({name: memory.address for name, memory in self._ports.items()})
            self._start, self._end = (device.create_event(EventOptions(timing_enabled=True)) for _ in range(2))
            program.enqueue(int(self._stream.handle))  # whatever is compiled or allocated at first is so before capture
            self._stream.sync()
            self._graph = self._captured(program)

    def infer(self, images: Floats) -> tuple[Floats, ...]:
        program = self._opened()
        self.refuse_other_shape(images)
        self._shown = None
        with cuda_errors("The GPU cannot run the engine"):
            self._ports[program.input.name].send(images)
            self._graph.launch(self._stream)
            return self._fetched(program)

    def load_inputs(self, batches: Iterable[Floats]) -> None:
        """Each goes to the device once, and from there into the place that the graph reads whenever its turn comes.

        That copy takes microseconds; one from the host would take as long as a run where batches are large. 64 images
        of 640 x 640 pixels take 300 MiB of the GPU's memory, in whatever batches.
        """
        place = self._ports[self._opened().input.name]
        self._shown = None
        while self._inputs:
            self._inputs.pop().close(self._stream)
        for images in batches:
            self.refuse_other_shape(images)
            with cuda_errors("The GPU cannot hold the images that the engine is timed on"):
                self._inputs.append(place.kept(images))

    def run_once_ms(self, turn: int = 0) -> float:
        """Milliseconds of one replay: the mean of as many as make `STRETCH_MS`; at the first call, of the first."""
        program = self._opened()
        if not self._inputs:
            raise EngineError("There is no input to time the engine on: call load_input first.")
        with cuda_errors("The GPU cannot run the engine"):
            which = turn % len(self._inputs)
            if which != self._shown:
                self._ports[program.input.name].show(self._inputs[which])
                self._stream.sync()
                self._shown = which
            if not self._replays:
                cold_ms = self._replay_ms(1, behind=0)
                self._replays = replays_for(self._replay_ms(3))
                return cold_ms
            return self._replay_ms(self._replays)

    def timed_outputs(self, turn: int = 0) -> tuple[Floats, ...]:
        self.run_once_ms(turn)
        program = self._opened()
        with cuda_errors("The GPU cannot run the engine"):
            return self._fetched(program)

    def close(self) -> None:
        if self._program is None:
            return
        program, self._program = self._program, None
        with cuda_errors("The GPU cannot free the engine"):
            self._device.set_current()
            self._stream.sync()
            self._graph.close()
            program.close()
            for buffer in self._inputs:
                buffer.close(self._stream)
            for memory in self._ports.values():
                memory.close()
            self._stream.close()

    def _fetched(self, program: CudaProgram) -> tuple[Floats, ...]:
        """The outputs of the last replay."""
        outputs = [self._ports[port.name] for port in program.outputs]
        for memory in outputs:
            memory.fetch()
        self._stream.sync()
        return tuple(memory.host.copy() for memory in outputs)

    def _captured(self, program: CudaProgram) -> Any:
        builder = self._stream.create_graph_builder()
        builder.begin_building("thread_local")
        program.enqueue(int(builder.stream.handle))
        graph = builder.end_building().complete()
        graph.upload(self._stream)
        self._stream.sync()
        return graph

    def _replay_ms(self, replays: int, *, behind: int = 1) -> float:
        """The mean of some replays, queued behind others that keep the device at work meanwhile."""
        for _ in range(behind):
            self._graph.launch(self._stream)
        self._stream.record(self._start)
        for _ in range(replays):
            self._graph.launch(self._stream)
        self._stream.record(self._end)
        self._end.sync()
        return float(self._end - self._start) / replays

    def _opened(self) -> CudaProgram:
        if self._program is None:
            raise EngineError("This engine is closed: load it again.")
        self._device.set_current()  # CUDA's current device is each thread's own
        return self._program


class _Memory:
    """A port's place on the device, and its pinned twin on the host, which transfers do not stage."""

    def __init__(self, port: Port, device: Any, stream: Any) -> None:
        from cuda.core import LegacyPinnedMemoryResource

        self._device, self._stream, self._bytes = device, stream, port.bytes
        self._on_device = _allocated(device, port.bytes, stream)
        self._pinned = LegacyPinnedMemoryResource().allocate(port.bytes)
        raw = (ctypes.c_float * math.prod(port.shape)).from_address(int(self._pinned.handle))
        self.host: Floats = np.ctypeslib.as_array(raw).reshape(port.shape)
        self.address = int(self._on_device.handle)

    def send(self, values: Floats) -> None:
        self.host[...] = values
        self._on_device.copy_from(self._pinned, stream=self._stream)

    def kept(self, values: Floats) -> Any:
        """A copy of the values on the device, by way of this place; a buffer that the caller closes."""
        self.send(values)
        buffer = _allocated(self._device, self._bytes, self._stream)
        buffer.copy_from(self._on_device, stream=self._stream)
        self._stream.sync()  # the next values go into the same pinned memory
        return buffer

    def show(self, kept: Any) -> None:
        self._on_device.copy_from(kept, stream=self._stream)

    def fetch(self) -> None:
        self._on_device.copy_to(self._pinned, stream=self._stream)

    def close(self) -> None:
        self._on_device.close(self._stream)
        self._pinned.close()


def _memories(ports: Iterable[Port], device: Any, stream: Any) -> dict[str, _Memory]:
    made: dict[str, _Memory] = {}
    try:
        for port in ports:
            made[port.name] = _Memory(port, device, stream)
    except Exception:  # cuda-core 1.2 loses an error if a buffer is left to be freed while it is on its way
        for memory in made.values():
            memory.close()
        raise
    return made


def _allocated(device: Any, size: int, stream: Any) -> Any:
    try:
        return device.allocate(size, stream=stream)
    except SystemError as lost:  # cuda-core 1.2 loses the error of an allocation that fails, on CPython 3.11
        raise MemoryError(f"{size >> 20} MiB of GPU memory were not to be had") from lost


def replays_for(one_ms: float) -> int:
    """How many replays stand between two events, given about what one takes."""
    return max(1, min(MOST_REPLAYS, math.ceil(STRETCH_MS / max(one_ms, 1e-6))))


@contextmanager
def cuda_errors(what: str) -> Iterator[None]:
    """CUDA's errors as one sentence.

    Many are sticky: whatever the process asks of the GPU next fails too. Every step that uses a GPU therefore runs in
    a child process of its own, which ends with the step.
    """
    try:
        yield
    except EngineError:
        raise
    except Exception as error:
        if not is_cuda_error(error) and not isinstance(error, MemoryError):
            raise
        if isinstance(error, MemoryError) or "OUT_OF_MEMORY" in str(error):
            raise EngineError(f"{what}: its memory ran out. Lower engine.batch, or free the GPU.") from error
        raise EngineError(f"{what}: {first_line(error)}.") from error
