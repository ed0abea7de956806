"""What TensorRT says while it builds or loads: each sentence once into the log, the errors kept for the user."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

_NO_KERNEL = re.compile(r"Could not find any implementation for node (.+?)\.?\)?\s*$")


@cache
def library_log(trt: Any) -> TensorRtLog:
    """The log of TensorRT's Python module, or of that for RTX: the library takes one logger a process."""
    return TensorRtLog(trt)


class TensorRtLog:
    """Collects a library's messages."""

    def __init__(self, trt: Any) -> None:
        self.errors: list[str] = []
        self.listener: Callable[[str], None] | None = None  # is given what a build says of each step, in order
        self._said: Counter[str] = Counter()
        self.logger = _logger(trt, self)

    def start(self) -> TensorRtLog:
        """Forget earlier errors: what follows is another engine."""
        self.errors.clear()
        return self

    def hear(self, severity: str, message: str) -> None:
        """Called by the library, of any thread. A strongly typed INT8 network repeats one warning for every layer."""
        if severity == "VERBOSE":
            if self.listener is not None:
                self.listener(message)
            return
        if severity in ("ERROR", "INTERNAL_ERROR"):
            self.errors.append(message)
        elif severity != "WARNING":
            return
        self._said[message] += 1
        if self._said[message] == 1:
            print(f"{severity}: {message}", file=sys.stderr)

    def nodes_without_kernel(self) -> tuple[str, ...]:
        """The graph's nodes, run as one, for which the builder found no kernel; none if that is not what was wrong."""
        for message in self.errors:
            found = _NO_KERNEL.search(message)
            if found and "insufficient workspace" not in message and "ForeignNode" not in found[1]:
                return tuple(part.strip() for part in found[1].split(" + "))
        return ()

    def reason(self) -> str:
        """The last error as a part of a sentence: TensorRT says first where it was, and last what was wrong."""
        if not self.errors:
            return "TensorRT does not say why"
        lines = [line.strip() for line in self.errors[-1].splitlines() if line.strip()]
        return lines[0].rstrip(".")[:300] if lines else "TensorRT does not say why"


def _logger(trt: Any, log: TensorRtLog) -> Any:
    class Logger(trt.ILogger):  # type: ignore[misc]  # its base is known at run time only
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            log.hear(severity.name, message)

    return Logger()
