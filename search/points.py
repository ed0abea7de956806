"""A point: a complete trial with all that was measured of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..errors import CandidateError
from ..objectives.measurement import Measurement
from .figures import Figures, figures_of, measured_again

DOUBTS = {  # a measurement's flag -> what it means
    "foreign_load": "other programs used the CPU meanwhile",
    "cpu_throttled": "this container's CPU quota stopped it (lower engine.threads, or raise the quota)",
    "load_unknown": "this system does not tell whether other programs used the CPU",
    "foreign_process": "another process computed on the GPU meanwhile",
    "throttled": "the GPU lowered its clocks meanwhile (`measure` shows why)",
    "not_steady": "the warm-up ended before latency was steady",
    "wide_interval": "the time was up before the interval was as narrow as latency.ci_width asks",
}


@dataclass(frozen=True, kw_only=True)
class Point:
    """A complete trial.

    Args:
        trial: its number.
        measurement: the search's.
        baseline: the recipe's name if it is one.
        confirmed: what the same candidate scored when it was built and measured once more, after the search; or why
            it could not be; None before that.
        fresh: what its engine scored that was built for an export, the last one; None before that.
    """

    trial: int
    measurement: Measurement
    baseline: str | None
    confirmed: Measurement | CandidateError | None = None
    fresh: Measurement | None = None

    @property
    def title(self) -> str:
        """Its number, and the recipe's name if it is one: `2 ultralytics`."""
        return f"{self.trial} {self.baseline}" if self.baseline else str(self.trial)

    @property
    def precision(self) -> str:
        """What its layers run in: `bf16`, or `INT8 and fp32`."""
        own = self.measurement.float_type
        return f"INT8 and {own}" if self.measurement.int8_layers else own

    @cached_property
    def figures(self) -> Figures:
        """Those that count, and where they are from."""
        return figures_of(self.measurement, confirmed=measured_again(self.confirmed), fresh=self.fresh)

    @property
    def decisive(self) -> Measurement:
        """The figures that count, as a measurement."""
        return self.figures.measurement

    @property
    def is_measured_again(self) -> bool:
        """Whether other figures count than those that the search picked it by."""
        return self.decisive is not self.measurement

    @property
    def comparable_map50_95(self) -> float:
        """MAP50-95 on the scale of the search's images, 0..1: where others count, the reference's here and the change.

        Two sets of images are not equally hard, but what an engine loses against the reference compares.
        """
        found = self.decisive
        if found.dataset_hash == self.measurement.dataset_hash:
            return found.map50_95
        return self.measurement.reference_map50_95 + found.map50_95_change

    @property
    def refuted(self) -> str | None:
        """Why it could not be built and measured once more; then it is nothing to ship."""
        return str(self.confirmed) if isinstance(self.confirmed, CandidateError) else None

    def as_json(self) -> dict[str, Any]:
        """`trial`, `baseline`, the fields of the search's measurement, `figures`, and `confirmed` or `refuted`.

        `figures` are those that count, see `Figures.as_json`.
        """
        told: dict[str, Any] = {"trial": self.trial, "baseline": self.baseline, **self.measurement.as_json()}
        told["figures"] = self.figures.as_json()
        if isinstance(self.confirmed, Measurement):
            told["confirmed"] = self.confirmed.as_json()
        elif self.confirmed is not None:
            told["refuted"] = str(self.confirmed)
        return told
