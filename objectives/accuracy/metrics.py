"""How accuracy is measured: by one figure of a task, under the name that studies, JSON and requirements have for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One figure, 0..1; bigger is better.

    Args:
        name: as studies and JSON call it.
        label: for people.
        stem: how limits on it begin: `map` of `map_drop` and `map_share`.
        of_class: what it is called of a single class or part, for people.
        truths: what it counts, for people.
    """

    name: str
    label: str
    stem: str
    of_class: str
    truths: str


MAP = Metric(name="map50_95", label="mAP50-95", stem="map", of_class="AP50-95", truths="true boxes")
TOP1 = Metric(name="top1", label="top-1", stem="top1", of_class="top-1", truths="images")
METRICS = {metric.name: metric for metric in (MAP, TOP1)}


@dataclass(frozen=True, kw_only=True)
class Score(ABC):
    """One engine's accuracy on a data set.

    Args:
        per_class: the figure by name of the classes that have something to find.
    """

    metric: ClassVar[Metric]
    bounded: ClassVar[tuple[str, ...]]  # fields that lie in 0..1

    per_class: Mapping[str, float]

    @property
    def value(self) -> float:
        """The metric's figure, 0..1."""
        found: float = getattr(self, self.metric.name)
        return found

    @property
    def label(self) -> str:
        """What that is called, for people."""
        return self.metric.label

    @property
    @abstractmethod
    def beside(self) -> dict[str, tuple[float | None, ...]]:
        """Other figures by what they are called, the most telling first; None where the data set has no such thing."""
