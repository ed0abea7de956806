"""Processes as a trial is signed by them: which one, on which machine, and whether it is known to have ended."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

_BOOT_ID, _PID_NAMESPACE = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process.

    Args:
        machine: where process ids are unique.
        started: Unix time.
    """

    host: str
    machine: str
    pid: int
    started: float

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"

    def is_gone(self) -> bool:
        """Whether it is known to have ended: only of this machine's can that be known."""
        if self.machine != _this_machine():
            return False
        try:
            process = psutil.Process(self.pid)
            return abs(process.create_time() - self.started) > 1.0 or process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True


def this_process() -> Process:
    """What a trial is signed with."""
    started = psutil.Process().create_time()
    return Process(host=socket.gethostname(), machine=_this_machine(), pid=os.getpid(), started=started)


@cache
def _this_machine() -> str:
    """What tells this boot of this machine, and this container's process ids, from all others."""
    parts = [socket.gethostname()]
    if _BOOT_ID.exists():
        parts += [_BOOT_ID.read_text(encoding="ascii").strip(), os.readlink(_PID_NAMESPACE)]  # noqa: PTH115 - a link to nothing
    return "/".join(parts)
