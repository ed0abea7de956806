"""A candidate: one calibration choice and one mask; what a trial measures."""

from __future__ import annotations

from dataclasses import dataclass

from .calibration import CalibrationChoice
from .masks import LayerMask


@dataclass(frozen=True)
class Candidate:
    """What a trial measures. With an empty mask the calibration choice has no effect on the engine."""

    calibration: CalibrationChoice
    mask: LayerMask

    def __str__(self) -> str:
        if not self.mask:
            return "float"
        return f"{self.calibration} {len(self.mask)}/{len(self.mask.layers)} INT8 {self.mask}"
