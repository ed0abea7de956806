"""Processes as a trial is signed by them: which one, on which machine, and whether it is known to have ended."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import psutil

_BOOT_ID, _PID_NAMESPACE = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")


def this_process() -> dict[str, Any]:
    """What a trial is signed with, JSON-able: `host`, `machine` (where process ids are unique), `pid`, `started`."""
    return {
        "host": socket.gethostname(),
        "machine": _this_machine(),
        "pid": os.getpid(),
        "started": psutil.Process().create_time(),
    }


def is_gone(signature: Mapping[str, Any]) -> bool:
    """Whether the process is known to have ended: only of this machine's can that be known."""
    if signature.get("machine") != _this_machine():
        return False
    try:
        process = psutil.Process(signature["pid"])
        started: float = signature["started"]
        return abs(process.create_time() - started) > 1.0 or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def name_of(signature: Mapping[str, Any]) -> str:
    """For people: `host:pid`."""
    return f"{signature['host']}:{signature['pid']}"


@cache
def _this_machine() -> str:
    """What tells this boot of this machine, and this container's process ids, from all others."""
    parts = [socket.gethostname()]
    if _BOOT_ID.exists():
        parts += [_BOOT_ID.read_text(encoding="ascii").strip(), os.readlink(_PID_NAMESPACE)]  # noqa: PTH115 - a link to nothing
    return "/".join(parts)
