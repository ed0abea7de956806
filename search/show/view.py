"""What is shown of a study: everything that plots, notes and reports show, read at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ...spaces.masks import layers_of_word
from ..results.points import Point
from ..results.study_results import Results, results_of_study
from ..study.attributes import Expected
from ..study.search_study import SearchStudy

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


@dataclass(frozen=True, kw_only=True)
class StudyView:
    """One study at one moment.

    Args:
        name: as readers know it.
        ended: trial number -> when it ended, by the clock of its worker.
        begun: when its first trial began; None before that.
        infeasible: numbers of trials that break a constraint.
        space: of its searched trials, `mask` and `calibration` parameters alike: name -> distribution.
        trials: Optuna's own, for what learns from them.
        expected: of its switches before any trial; None if nobody asked.
    """

    name: str
    results: Results
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
            engine = point.measurement.engine
            found |= dict(zip(layers_of_word(engine.mask), engine.int8_layers, strict=True))
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
        ended={trial.number: trial.datetime_complete for trial in trials if trial.datetime_complete},
        begun=min((trial.datetime_start for trial in trials if trial.datetime_start), default=None),
        infeasible=frozenset(t.number for t in trials if any(value > 0 for value in t.constraints.values())),
        space=searched[-1].distributions if searched else {},
        trials=trials,
        expected=study.stored.expected,
    )
