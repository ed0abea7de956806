"""Calibration choices: by which method, and from how many images, activation ranges are found."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ..errors import QParetoError

METHODS = ("max", "entropy", "percentile", "mse", "asymmetric")
WITH_ZERO_POINTS = ("asymmetric",)
_CORRECTED = "+bias"


@dataclass(frozen=True, order=True)
class CalibrationChoice:
    """One way to calibrate.

    Args:
        method: `max` and `entropy` are ModelOpt's own; `percentile` (the 99.999th) and `mse` (least squared
            rounding and clipping error) come from ONNX Runtime's histograms; `asymmetric` (unsigned bytes with a zero
            point) is for engines that take one.
        size: how many calibration images, at least 1. Sizes are nested: n images are the first n of one order.
        bias_correction: whether the shift that INT8 gives a layer's output is taken back in the layer's bias.
    """

    method: str
    size: int
    bias_correction: bool = False

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise QParetoError(f"The calibration method '{self.method}' is not one of {', '.join(METHODS)}.")
        if self.size < 1:
            raise QParetoError(f"A calibration needs at least 1 image, not {self.size}.")

    @classmethod
    def usual(cls, methods: Sequence[str], sizes: Sequence[int], bias_correction: Sequence[bool]) -> Self:
        """Of those that a space offers: the first method, the most images, biases corrected if that is offered."""
        return cls(methods[0], max(sizes), max(bias_correction))

    @classmethod
    def parse(cls, text: str) -> CalibrationChoice:
        """`max:64`, or `mse:64+bias` with bias correction, as it is written on the command line.

        Raises:
            QParetoError: the text is not METHOD:SIZE or METHOD:SIZE+bias with a known method and a positive size.
        """
        method, colon, size = text.removesuffix(_CORRECTED).partition(":")
        if not colon or not size.isdecimal():
            raise QParetoError(
                f"'{text}' is no calibration choice: write METHOD:SIZE, such as max:64, or METHOD:SIZE{_CORRECTED}."
            )
        return cls(method, int(size), text.endswith(_CORRECTED))

    def __str__(self) -> str:
        return f"{self.method}:{self.size}{_CORRECTED if self.bias_correction else ''}"


def calibration_order(images: Iterable[Path], *, seed: int) -> tuple[Path, ...]:
    """One seeded order of the images, wherever their folder lies: first sorted by path, then shuffled."""
    order = sorted(images)
    random.Random(seed).shuffle(order)
    return tuple(order)
