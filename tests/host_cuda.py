"""What CudaEngine uses of cuda-core, done on the host: for machines without a GPU, to see which data goes where.

A graph replays what was enqueued while it was captured; times are those of the program's own word. Real GPUs are tested
by the engine contract (test_cuda.py, test_tensorrt.py).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qpareto.objectives.engines.cuda import Port

Work = Callable[[], None]


class Buffer:
    """Memory of the host, whichever side it stands for."""

    def __init__(self, gpu: HostGpu, size: int, *, on_device: bool) -> None:
        self.gpu, self.size, self.on_device = gpu, size, on_device
        self._memory = ctypes.create_string_buffer(size)
        self.handle = ctypes.addressof(self._memory)
        gpu.alive.append(self)

    def copy_from(self, source: Buffer, *, stream: Stream) -> None:
        assert source.size == self.size
        assert {source, self} <= set(self.gpu.alive)
        self.gpu.copies.append((source.on_device, self.on_device))
        ctypes.memmove(self.handle, source.handle, self.size)

    def copy_to(self, target: Buffer, *, stream: Stream) -> None:
        target.copy_from(self, stream=stream)

    def close(self, stream: Stream | None = None) -> None:
        self.gpu.alive.remove(self)


class Stream:
    """Runs at once what is put into it, or keeps it for a graph."""

    def __init__(self, gpu: HostGpu, *, captures: bool = False) -> None:
        self.gpu, self.captured = gpu, [] if captures else None
        self.handle = len(gpu.streams)
        gpu.streams.append(self)

    captured: list[Work] | None

    def put(self, work: Work) -> None:
        work() if self.captured is None else self.captured.append(work)

    def record(self, event: Event) -> None:
        event.ms = self.gpu.spent_ms

    def create_graph_builder(self) -> GraphBuilder:
        return GraphBuilder(Stream(self.gpu, captures=True))

    def sync(self) -> None:
        """All is done already."""

    def close(self) -> None:
        self.gpu.streams[self.handle] = None


@dataclass
class Event:
    ms: float = 0.0

    def sync(self) -> None:
        """All is done already."""

    def __sub__(self, earlier: Event) -> float:
        return self.ms - earlier.ms


@dataclass
class GraphBuilder:
    """And the graph that comes of it."""

    stream: Stream

    def begin_building(self, mode: str) -> None:
        assert mode == "thread_local"

    def end_building(self) -> GraphBuilder:
        return self

    def complete(self) -> GraphBuilder:
        return self

    def upload(self, stream: Stream) -> None:
        """It is there already."""

    def launch(self, stream: Stream) -> None:
        for work in self.stream.captured or ():
            work()

    def close(self) -> None:
        self.stream.close()


@dataclass
class HostGpu:
    """Stands in for the module `cuda.core`, and counts.

    Args:
        copies: (whether from the device, whether to it), each in its order.
        alive: buffers that were not closed.
        spent_ms: by all programs so far.
    """

    copies: list[tuple[bool, bool]] = field(default_factory=list)
    alive: list[Buffer] = field(default_factory=list)
    streams: list[Stream | None] = field(default_factory=list)
    spent_ms: float = 0.0

    def Device(self, number: int) -> HostGpu:  # noqa: N802
        return self

    def EventOptions(self, *, timing_enabled: bool) -> None:  # noqa: N802
        assert timing_enabled

    def LegacyPinnedMemoryResource(self) -> PinnedMemory:  # noqa: N802
        return PinnedMemory(self)

    def set_current(self) -> None:
        """There is one."""

    def create_stream(self) -> Stream:
        return Stream(self)

    def create_event(self, options: Any) -> Event:
        return Event()

    def allocate(self, size: int, *, stream: Stream) -> Buffer:
        return Buffer(self, size, on_device=True)


@dataclass(frozen=True)
class PinnedMemory:
    gpu: HostGpu

    def allocate(self, size: int) -> Buffer:
        return Buffer(self.gpu, size, on_device=False)


class Doubling:
    """A program that doubles its input, in as many milliseconds as the input's first value."""

    input = Port(name="images", shape=(2, 3, 4, 5))
    outputs: tuple[Port, ...] = (Port(name="output", shape=(2, 3, 4, 5)),)

    def __init__(self, gpu: HostGpu) -> None:
        self._gpu, self._at = gpu, dict[str, np.ndarray]()

    def bind(self, addresses: Mapping[str, int]) -> None:
        for port in (self.input, *self.outputs):
            raw = (ctypes.c_float * (port.bytes // 4)).from_address(addresses[port.name])
            self._at[port.name] = np.ctypeslib.as_array(raw).reshape(port.shape)

    def enqueue(self, stream: int) -> None:
        found = self._gpu.streams[stream]
        assert found is not None
        found.put(self._run)

    def _run(self) -> None:
        self._at["output"][...] = 2 * self._at["images"]
        self._gpu.spent_ms += float(self._at["images"].flat[0])

    def close(self) -> None:
        self._at.clear()
