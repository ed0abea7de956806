"""Other trackers: each trial that ends is one JSON line, to a command's stdin or at the end of a file.

A tracker that is away costs no trial: what goes wrong here is told once, and the study goes on without it.
"""

from __future__ import annotations

import json
import logging
import math
import os
import shlex
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import IO

from ..study.outcome import Outcome
from ..study.record import TrialRecord
from ..study_file.spec import OnTrialSpec
from .worker import Listener

_log = logging.getLogger(__name__)


class TrialHook:
    """A listener that passes on what it is told, once the study file's `on_trial` knows of it.

    The next trial begins when the command has ended: beside a timing it would disturb it.

    Args:
        study: the study's name in its storage.
    """

    def __init__(self, listener: Listener, spec: OnTrialSpec, *, study: str) -> None:
        self._listener, self._spec, self._study = listener, spec, study
        self._has_complained = False

    def begin(self, number: int, what: str, *, finished: int) -> None:
        self._listener.begin(number, what, finished=finished)

    def end(self, record: TrialRecord) -> None:
        line = json_line(record, study=self._study)
        try:
            if self._spec.file is not None:
                _append(self._spec.file, line)
            if self._spec.command is not None:
                _run(self._spec.command, line, timeout_s=self._spec.timeout_s)
        except OSError as error:  # a file that cannot be written, a command that is not there or has failed
            if not self._has_complained:
                _log.warning("on_trial failed: %s. The study goes on, and tells this once.", error)
            self._has_complained = True
        self._listener.end(record)


def json_line(record: TrialRecord, *, study: str) -> str:
    """One JSON object in one line, without its end.

    It holds `study`, `trial`, `state` (complete, pruned or failed), `outcome` (the same, or how it failed otherwise),
    `baseline`, `candidate`, `params`, `reused_from`, `reason`, and `measurement` (of a complete trial) or `stopped` (of
    a pruned one). What is no number is null.
    """
    told = {
        "study": study,
        "trial": record.number,
        "state": Outcome.FAILED if record.outcome.has_failed else record.outcome,
        "outcome": record.outcome,
        "baseline": record.baseline,
        "candidate": record.candidate,
        "params": dict(record.params),
        "reused_from": record.reused_from,
        "reason": record.reason,
        "measurement": record.measurement and record.measurement.as_json(),
        "stopped": record.stopped and record.stopped.as_json(),
    }
    return json.dumps(_finite(told), allow_nan=False)


def _append(path: Path, line: str) -> None:
    """In one write, so that several workers may share the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as file:
        file.write(f"{line}\n".encode())


def _run(command: str, line: str, *, timeout_s: float) -> None:
    """Run a command, without a shell, and wait for it; what it prints is shown nowhere.

    Raises:
        OSError: it cannot be started, has failed, or took too long and was killed with all that it had started.
    """
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            shlex.split(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
        )
        try:
            process.communicate(f"{line}\n".encode(), timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"`{command}` took longer than {timeout_s:g} s and was killed") from None
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if process.returncode != 0:
            raise ChildProcessError(f"`{command}` ended with {process.returncode}{_last_line(said)}")


def _last_line(said: IO[bytes]) -> str:
    said.seek(0)
    lines = said.read().decode(errors="replace").split("\n")
    told = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f": {told[:300]}" if told else ""


def _finite(value: object) -> object:
    """The same with null for NaN and infinities, which JSON has not."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
