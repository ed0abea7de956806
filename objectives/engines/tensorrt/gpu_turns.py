"""A build's turns at a GPU, by what it tells in its log: alone while it times kernels, none while an engine is timed.

Of a build of YOLO11n that knows most kernels from its timing cache one part in eight is such timing: 2.5 of 20 s on an
H200. The rest, listing kernels and compiling, is work of one CPU core, which other builds may do meanwhile. It says a
thousand things a second there, and stops at any of them for an engine that waits to be timed: after 0.2 s on average.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Self

from ....errors import DiskError
from ...isolation.lock import build_lock, kernel_lock
from .log import TensorRtLog

# What versions 7 and 8 say before the kernels of a layer are timed, and when they are done with it: another format of
# its tensors follows, or another layer, or the fastest kernel is told, or none was there.
_BEGINS = "--------------- Timing Runner: "
_ENDS = ("*" * 15, "=" * 15, ">" * 15)
_NOTHING_TIMED = "has no valid tactics"


class GpuTurns:
    """Holds a GPU for the build that goes on within: beside other builds, and alone while it times kernels.

    Args:
        log: of the library.
        device: the GPU's name, as `build_lock` takes it; None of a library that does not tell when it times kernels,
            for whose builds the GPU is held from outside.

    Raises:
        DiskError: on entering, if the GPU cannot be held; on leaving, if later it could not: the build went on, beside
            whatever else ran.
    """

    def __init__(self, log: TensorRtLog, device: str | None) -> None:
        self._log, self._device = log, device
        self._build, self._kernels = ExitStack(), ExitStack()
        self._give_way: Callable[[], None]
        self._times_kernels = False
        self._failed: DiskError | None = None

    def __enter__(self) -> Self:
        if self._device is not None:
            self._give_way = self._build.enter_context(build_lock(self._device))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._build.close()
        if self._failed is not None and error is None:
            raise self._failed

    @contextmanager
    def taken(self) -> Iterator[None]:
        """While the library chooses kernels.

        Not around anything for which builds wait for one another, such as the timing cache's file: who stops with that
        in hand keeps one waiting that holds the GPU, for which the engine waits that it stops for.
        """
        if self._device is not None:
            self._log.listener = self.hear
        try:
            yield
        finally:
            self._log.listener = None
            self._end_timing()

    def hear(self, message: str) -> None:
        """What the build says of its next step. Raises nothing: the library could not bear it."""
        if self._failed is not None:
            return
        try:
            self._take_turns(message)
        except DiskError as error:
            self._failed = error

    def _take_turns(self, message: str) -> None:
        begins = message.startswith(_BEGINS)
        if self._times_kernels:
            if begins or not (message.startswith(_ENDS) or _NOTHING_TIMED in message):
                return
            self._end_timing()
        self._give_way()
        if begins:
            assert self._device is not None
            self._kernels.enter_context(kernel_lock(self._device))
            self._times_kernels = True

    def _end_timing(self) -> None:
        self._kernels.close()
        self._times_kernels = False
