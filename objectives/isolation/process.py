"""A fresh Python process that runs a script, in a process group of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ..store import disk_errors


def started(
    script: Path,
    log_path: Path,
    *,
    answers: bool = False,
    goes_on: bool = False,
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a script with this process's id as its argument. It hears no Ctrl-C from here.

    Args:
        log_path: gets everything that it prints, native libraries included; left in place.
        answers: its standard output is a pipe, as its input is; else what it prints goes to the log.
        goes_on: the log keeps what it holds.
        env: variables set above those of this process.

    Raises:
        DiskError: the log cannot be written.
    """
    command = [sys.executable, "-P", str(script), str(os.getpid())]  # -P: the script's folder shadows no library
    with disk_errors(log_path.parent):
        log_path.parent.mkdir(parents=True, exist_ok=True)
        with log_path.open("ab" if goes_on else "wb") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if answers else log,
                stderr=log,
                env=os.environ | dict(env or {}),
                start_new_session=True,
            )


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill it with whatever it has started."""
    with suppress(ProcessLookupError):  # none of it runs
        os.killpg(process.pid, signal.SIGKILL)
