"""The accuracy part of a measurement: what an engine scored, on its own and against the reference."""

from __future__ import annotations

from dataclasses import dataclass

from ..interval import Interval
from .coco import CocoScore
from .metrics import Score
from .top1 import TopScore


@dataclass(frozen=True, kw_only=True)
class ScoredAccuracy(Score):
    """What an engine scored on a data set; by which metric is a subclass's.

    Args:
        change: `value` less the reference's on the same images, its interval by a paired bootstrap over images.
        images: evaluation images scored.
        dataset_hash: content hash of the data set.
        key: of what the store keeps of it as `accuracy`; None in measurements made before it was told.
    """

    change: Interval
    images: int
    dataset_hash: str
    key: str | None = None

    def __post_init__(self) -> None:
        for name in self.bounded:
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must lie in 0..1, got {getattr(self, name)}")
        if not self.change.low <= self.change.high:
            raise ValueError(f"{self.metric.name}_change_ci must be (low, high), got {self.change.ends}")

    @property
    def reference_value(self) -> float:
        """The reference's figure on the same images."""
        return self.value - self.change.value


@dataclass(frozen=True, kw_only=True)
class ScoredBoxes(CocoScore, ScoredAccuracy):
    """By COCO's average precision."""


@dataclass(frozen=True, kw_only=True)
class ScoredClasses(TopScore, ScoredAccuracy):
    """By how often the best class is the right one."""


SCORED: tuple[type[ScoredAccuracy], ...] = (ScoredBoxes, ScoredClasses)


def scored_accuracy(
    score: Score, *, change: Interval, images: int, dataset_hash: str, key: str | None = None
) -> ScoredAccuracy:
    """What an engine scored, with what else is told of it: see `ScoredAccuracy`."""
    kind = next(kind for kind in SCORED if kind.metric is score.metric)
    return kind(**vars(score), change=change, images=images, dataset_hash=dataset_hash, key=key)
