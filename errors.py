"""Every error that qpareto raises on purpose.

    QParetoError                 one sentence for the user, exit code 1
    ├── StudyFileError           the study file, or a value set over it
    ├── ModelError               the model cannot be read or cannot be quantized
    ├── DatasetError             images or annotations
    ├── StudyError               a study that cannot be opened, continued or exported from
    ├── VerificationError        an exported folder is not what its manifest says: one failed check of `verify`
    ├── StorageError             the database cannot be reached
    ├── DeviceError              the device that engines run on is gone: stops this worker, its trial is tried elsewhere
    ├── DiskError                the cache or an output folder cannot be written: stops the run
    └── CandidateError           one candidate cannot be measured: its trial fails, the study goes on
        ├── QuantizationError    ModelOpt refused, or the graph is not the mask that was asked for
        └── EngineError          an engine did not build, load or run, or ran out of time
            └── NoKernelError    its library has no kernel for some layers as the graph has them: it never will build

Anything else that escapes is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self


class QParetoError(Exception):
    """What was found and what to do about it, in one sentence."""


class StudyFileError(QParetoError):
    """The study file is missing, malformed, of another version, or holds a refused value."""


class ModelError(QParetoError):
    """The model is missing, unreadable, dynamic, or has nothing to quantize."""


class DatasetError(QParetoError):
    """Images or annotations are missing, corrupt, contradictory, or too few."""


class StudyError(QParetoError):
    """The stored study does not fit what was asked of it."""


class VerificationError(QParetoError):
    """An exported folder, or what it scores here, is not what its manifest says."""


class StorageError(QParetoError):
    """The study's database cannot be reached or read."""


class DeviceError(QParetoError):
    """The device that engines run on no longer answers. No later trial would fare better here."""


class DiskError(QParetoError):
    """A file cannot be written: no space, no permission. No later trial would fare better."""


class CandidateError(QParetoError):
    """One candidate cannot be measured.

    Args:
        message: the reason, kept with the failed trial.
        log_path: the log of the step that failed, if it left one.
    """

    def __init__(self, message: str, *, log_path: Path | None = None) -> None:
        super().__init__(message if log_path is None else f"{message} Its log: {log_path}")
        self.log_path = log_path

    def with_log(self, log_path: Path) -> Self:
        """The same, which also tells the log."""
        return type(self)(str(self), log_path=log_path)


class QuantizationError(CandidateError):
    """ModelOpt failed on this choice, or the effective mask is not the requested one."""


class EngineError(CandidateError):
    """An engine did not build, load or run, crashed, or outlasted its time limit."""


class NoKernelError(EngineError):
    """A library has no kernel for some of a graph's nodes in the precisions that the graph gives them.

    Args:
        nodes: their names; those that the library wanted to run in one kernel.
    """

    def __init__(self, message: str, *, nodes: Sequence[str] = (), log_path: Path | None = None) -> None:
        super().__init__(message, log_path=log_path)
        self.nodes = tuple(nodes)

    def with_log(self, log_path: Path) -> Self:
        return type(self)(str(self), nodes=self.nodes, log_path=log_path)
