"""The accuracy part of a measurement: what an engine scored, on its own and against the reference."""

from __future__ import annotations

from dataclasses import dataclass

from ..interval import Interval
from .coco import CocoScore


@dataclass(frozen=True, kw_only=True)
class ScoredAccuracy(CocoScore):
    """What an engine scored on a data set.

    Args:
        change: map50_95 less the reference's on the same images, its interval by a paired bootstrap over images.
        images: evaluation images scored.
        dataset_hash: content hash of the data set.
        key: of what the store keeps of it as `accuracy`; None in measurements made before it was told.
    """

    change: Interval
    images: int
    dataset_hash: str
    key: str | None = None

    def __post_init__(self) -> None:
        for name in ("map50_95", "map50"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must lie in 0..1, got {getattr(self, name)}")
        if not self.change.low <= self.change.high:
            raise ValueError(f"map50_95_change_ci must be (low, high), got {self.change.ends}")

    @property
    def reference_map50_95(self) -> float:
        """The reference's mAP50-95 on the same images."""
        return self.map50_95 - self.change.value
