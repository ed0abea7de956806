"""Baselines: the recipes that users would pick instead, measured first in every study."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...spaces.calibration import CalibrationChoice
from ...spaces.candidate import Candidate
from ...spaces.masks import LayerMask
from ...spaces.space import Space

# What Ultralytics 8.4 keeps float in its INT8 export on TensorRT: the last convolutions of its heads, and the DFL.
# Read in its public exporter; it calibrates with `max`.
ULTRALYTICS_FLOAT = (r".*\.2/Conv$", r".*/dfl/")


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """One recipe.

    Args:
        name: as tables show it.
        candidate: its choice and mask.
        float_type: what layers outside the mask run in, where that differs from the study's; None where not.
    """

    name: str
    candidate: Candidate
    float_type: str | None = None


def baselines(space: Space, *, faster_float_type: str | None) -> tuple[Baseline, ...]:
    """The recipes, the reference first, each calibrated on as many images as the space offers.

    Args:
        faster_float_type: a float type of the device that the study does not use, or None.
    """
    everything, nothing = LayerMask.all(space.layers, space.precision), LayerMask.none(space.layers)
    largest, entropy = (CalibrationChoice(method, max(space.sizes)) for method in ("max", "entropy"))
    found = [
        Baseline(name="float", candidate=Candidate(space.usual, nothing)),
        Baseline(name="modelopt-max", candidate=Candidate(largest, everything)),
        Baseline(name="modelopt-entropy", candidate=Candidate(entropy, everything)),
        Baseline(name="ultralytics", candidate=Candidate(largest, ultralytics_mask(space.layers))),
    ]
    if faster_float_type is not None:
        found.append(
            Baseline(name=faster_float_type, candidate=Candidate(space.usual, nothing), float_type=faster_float_type)
        )
    return tuple(found)


def ultralytics_mask(layers: Sequence[str]) -> LayerMask:
    """The mask of Ultralytics' INT8 recipe; on a model with other names it may equal the full mask."""
    kept = [name for name in layers if not any(re.match(pattern, name) for pattern in ULTRALYTICS_FLOAT)]
    return LayerMask.from_names(layers, kept)
