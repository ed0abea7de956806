"""A candidate: one calibration choice and one mask; what a trial measures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from .calibration import CalibrationChoice
from .masks import LayerMask
from .precision import FLOAT


@dataclass(frozen=True)
class Candidate:
    """What a trial measures. With an empty mask the calibration choice has no effect on the engine."""

    calibration: CalibrationChoice
    mask: LayerMask

    def __str__(self) -> str:
        if not self.mask:
            return "float"
        counts = Counter(precision.title for precision in self.mask.precisions if precision != FLOAT)
        told = ", ".join(f"{count}/{len(self.mask.layers)} {title}" for title, count in counts.items())
        return f"{self.calibration} {told} {self.mask}"
