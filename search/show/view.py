"""What is shown of a study: everything that plots, notes and reports show, read at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ...objectives.measurement import Measurement
from ..results.points import Point
from ..results.study_results import Results, results_of_study
from ..study.expected import Expected, expected_of_study
from ..study.search_study import SearchStudy

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


@dataclass(frozen=True, kw_only=True)
class StudyView:
    """One study at one moment.

    Args:
        name: as readers know it.
        identity: what all its measurements share, see `identity_of_study`.
        ended: trial number -> when it ended, by the clock of its worker.
        begun: when its first trial began; None before that.
        infeasible: numbers of trials that break a constraint.
        space: of its searched trials, `mask` and `calibration` parameters alike: name -> distribution.
        trials: Optuna's own, for what learns from them.
        expected: of its switches before any trial; None if nobody asked.
    """

    name: str
    results: Results
    identity: Mapping[str, Any]
    ended: Mapping[int, datetime]
    begun: datetime | None
    infeasible: frozenset[int]
    space: Mapping[str, Any]
    trials: tuple[FrozenTrial, ...]
    expected: Expected | None

    @property
    def feasible_front(self) -> tuple[Point, ...]:
        """The front without those that break a constraint."""
        return tuple(point for point in self.results.front if point.trial not in self.infeasible)

    def layers(self) -> list[str | None]:
        """Names of the layers that masks are over, in the network's order; None for one that was never INT8."""
        found: dict[int, str] = {}
        for point in self.results.points:
            found |= dict(zip(bits_of(point.measurement), point.measurement.engine.int8_layers, strict=True))
        return [found.get(i) for i in range(max(found, default=-1) + 1)]


def view_of_study(study: SearchStudy, *, name: str | None = None) -> StudyView:
    """Read a study from its storage.

    Args:
        name: as readers know it, where that is not the study's own.
    """
    now = study.look()
    trials = tuple(now.trials)
    searched = [trial for trial in trials if trial.distributions]
    return StudyView(
        name=name or study.study.study_name,
        results=results_of_study(study, now),
        identity=study.study.user_attrs["identity"],
        ended={trial.number: trial.datetime_complete for trial in trials if trial.datetime_complete},
        begun=min((trial.datetime_start for trial in trials if trial.datetime_start), default=None),
        infeasible=frozenset(t.number for t in trials if any(value > 0 for value in t.constraints.values())),
        space=searched[-1].distributions if searched else {},
        trials=trials,
        expected=expected_of_study(study),
    )


def bits_of(measurement: Measurement) -> list[int]:
    """Which of the model's layers, counted in the network's order, the mask puts into INT8."""
    bits = int(measurement.engine.mask, 16)
    return [i for i in range(bits.bit_length()) if bits >> i & 1]
