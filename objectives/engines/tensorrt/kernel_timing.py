"""When a build times kernels, as it tells in its log: then, and only then, it has the GPU to itself.

Of a build of YOLO11n that knows most kernels from its timing cache one part in eight is such timing: 2.5 of 20 s on an
H200. The rest, listing kernels and compiling, is work of one CPU core, which other builds may do meanwhile.
"""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from ....errors import DiskError
from ...isolation.lock import kernel_lock
from .log import TensorRtLog

# What versions 7 and 8 say before the kernels of a layer are timed, and when they are done with it: another format of
# its tensors follows, or another layer, or the fastest kernel is told, or none was there.
_BEGINS = "--------------- Timing Runner: "
_ENDS = ("*" * 15, "=" * 15, ">" * 15)
_NOTHING_TIMED = "has no valid tactics"


class KernelTiming:
    """Holds a GPU while the build that goes on within times kernels on it.

    Args:
        log: of the library.
        device: the GPU's name, as `kernel_lock` takes it.

    Raises:
        DiskError: on leaving, if the GPU could not be held: the build went on, beside whatever else ran.
    """

    def __init__(self, log: TensorRtLog, device: str) -> None:
        self._log, self._device = log, device
        self._held = ExitStack()
        self._holds = False
        self._failed: DiskError | None = None

    def hear(self, message: str) -> None:
        """What the build says of its next step. Raises nothing: the library could not bear it."""
        if message.startswith(_BEGINS):
            self._hold()
        elif self._holds and (message.startswith(_ENDS) or _NOTHING_TIMED in message):
            self._free()

    def __enter__(self) -> Self:
        self._log.listener = self.hear
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._log.listener = None
        self._free()
        if self._failed is not None and error is None:
            raise self._failed

    def _hold(self) -> None:
        if self._holds or self._failed is not None:
            return
        try:
            self._held.enter_context(kernel_lock(self._device))
            self._holds = True
        except DiskError as error:
            self._failed = error

    def _free(self) -> None:
        self._held.close()
        self._holds = False
