"""Racing in a study: whether its candidates race, and what the search learns from those that were stopped."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ...objectives.accuracy.race import Race
from ...objectives.score import Scorer
from ...objectives.staged import StagedScorer
from ..study.record import record_of_trial
from ..study_file.spec import SearchSpec

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from ..samplers.history import Observation

_INTERVAL = 2 * 1.96  # width of a 95 % interval, in standard deviations

_log = logging.getLogger(__name__)


def staged_scorer(search: SearchSpec, scorer: Scorer, objectives: Sequence[str]) -> StagedScorer | None:
    """What measures the candidates of a study's sampler in stages; None if they are all measured in full."""
    if search.race is None:
        return None
    metric = scorer.head.task.metric.name
    if set(objectives) != {metric, "latency_ms"}:
        _log.info(
            "Every candidate is measured in full: search.race needs the objectives %s and latency_ms and no other.",
            metric,
        )
        return None
    race = Race(confidence=search.race.confidence, latency_tie=search.race.latency_tie)
    return StagedScorer(scorer=scorer, race=race, seed=search.seed)


def observer(objectives: Sequence[str]) -> Callable[[FrozenTrial], Observation | None]:
    """What a pruned trial tells a sampler, if it does: foretold accuracy and coarse latency, each with its doubt."""

    def observed(trial: FrozenTrial) -> Observation | None:
        from ..samplers.history import Observation

        if (stopped := record_of_trial(trial).stopped) is None:
            return None
        low, high = stopped.latency_ratio_ci
        of = {
            stopped.metric: (stopped.value.value, stopped.standing.foretold_error),
            "latency_ms": (stopped.latency_ms, (high - low) / _INTERVAL * stopped.latency_ms / stopped.latency_ratio),
        }
        values, deviations = zip(*(of[name] for name in objectives), strict=True)
        return Observation(values=values, deviations=deviations)

    return observed
