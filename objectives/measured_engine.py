"""The engine part of a measurement: what the engine is, and what of it really runs as it was asked to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..spaces.calibration import CalibrationChoice
from ..spaces.candidate import Candidate
from ..spaces.masks import LayerMask
from .accuracy.parity import Parity


@dataclass(frozen=True, kw_only=True)
class MeasuredEngine:
    """What an engine is.

    Args:
        kind: of engine.
        bytes: size of its files.
        mask: the mask's word; `int8_layers` its names.
        calibration: as METHOD:SIZE; None where nothing is INT8, since it has no effect then.
        float_type, batch, threads: how it was built and run; threads are None where it ran on a GPU.
        graph_hash: content hash; equal ones are equal engines.
        key: of the engine in the store; None in measurements made before it was told.
        int8_ran: how many of `int8_layers` it really runs in INT8; None where it does not tell.
        no_int8_kernel: layers that the candidate had in INT8, and that are float: the device has no kernel for them.
        reformats: layers of the engine that only turn a tensor's type or layout; None where it does not tell.
        reformat_share: part of the layers' time that those take, 0..1; None where layers were not timed.
        parity: how far it was from its graph on a few images; None if not compared.
    """

    kind: str
    bytes: int
    mask: str
    int8_layers: tuple[str, ...]
    calibration: str | None
    float_type: str
    batch: int
    threads: int | None
    graph_hash: str
    key: str | None = None
    int8_ran: int | None = None
    no_int8_kernel: tuple[str, ...] = ()
    reformats: int | None = None
    reformat_share: float | None = None
    parity: Parity | None = None

    @property
    def run_by(self) -> str:
        """Such as 'batch 1, 2 threads'."""
        return f"batch {self.batch}" + (f", {self.threads} threads" if self.threads else "")

    @property
    def identity(self) -> tuple[str, str]:
        """The same of equal engines of one study."""
        return self.graph_hash, self.float_type

    def candidate(self, layers: Sequence[str]) -> Candidate:
        """What it was made of, given the names of the model's layers that can run in INT8."""
        choice = CalibrationChoice.parse(self.calibration) if self.calibration else CalibrationChoice("max", 1)
        return Candidate(choice, LayerMask.from_word(layers, self.mask))
