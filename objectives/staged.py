"""A candidate in stages: timed coarsely, raced on growing parts of the images, and timed in full if it is still ahead.

Most candidates of a study are neither faster nor more accurate than its front, and that shows long before both figures
are known to the last digit. The full timing starts anew: a candidate that got on since its coarse timing was lucky
would carry that luck into its final figure. For everything that is measured in full, the figures are those that
`Scorer.measure` gives, but for the timing's noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..spaces.candidate import Candidate
from . import steps
from .accuracy.coco import Accuracy
from .accuracy.race import Race, Rival, Standing, Stopped
from .accuracy.raced import Contest
from .engines.ref import EngineRef
from .latency.paired import LatencyBudget, PairedLatency
from .measurement import Measurement
from .quantization.apply_mask import QuantizedModel
from .score import Scorer

# On a quiet machine 20 pairs reach it. It tells engines apart whose latencies differ by 1.6 %; what finer ones would
# spare is in docs/search.md.
COARSE = LatencyBudget(ci_width=0.03, min_pairs=20, max_seconds=3.0, copies=4)


@dataclass(frozen=True, kw_only=True)
class StagedScorer:
    """Measures candidates in the study's own float type, as far as they are worth it.

    Args:
        race: when a candidate is stopped.
        seed: of the order in which images are seen, the same for all candidates of a study.
    """

    scorer: Scorer
    race: Race
    seed: int

    def measure(
        self, candidate: Candidate, quantized: QuantizedModel, front: Mapping[int, Measurement]
    ) -> Measurement | Stopped:
        """Measure a candidate in full unless a point of the front dominates it.

        Args:
            front: what it races against: measurements in the study's own float type, by trial.

        Raises:
            EngineError: an engine does not build, load or run, or takes too long.
        """
        if not front:
            return self.scorer.measure(candidate, quantized)
        engine = self.scorer.engine(quantized)
        contest = Contest(race=self.race, front=self._rivals(front), seed=self.seed)
        latency, rival, found = self._raced(engine, contest)
        if isinstance(found, Accuracy):
            self.scorer.store.make("accuracy", self.scorer.evaluator.key(engine), found.save)
        if rival is not None:
            standing = found if isinstance(found, Standing) else contest.standing_in_full(found, rival)
            if self.race.is_dominated(standing):
                return self._stopped(standing, rival, latency)
        return self.scorer.measure(candidate, quantized, latency=latency if self._is_full else None)

    @property
    def _is_full(self) -> bool:
        """Whether the race's timing is the full one: where that is as soon done as the coarse one."""
        full = self.scorer.budget
        return full.max_seconds <= COARSE.max_seconds or full.ci_width >= COARSE.ci_width

    def _rivals(self, front: Mapping[int, Measurement]) -> tuple[Rival, ...]:
        """The front's points with what each image gave."""
        return tuple(
            Rival(
                trial=trial,
                value=found.accuracy.value,
                latency_ratio=found.timing.own,
                accuracy=self._accuracy_of(found),
            )
            for trial, found in front.items()
        )

    def _accuracy_of(self, found: Measurement) -> Path:
        """As it is kept in the store; measured again where it is not there any more."""
        scorer, key = self.scorer, found.accuracy.key
        if key is not None and (kept := scorer.store.find("accuracy", key)):
            return kept
        candidate = found.engine.candidate([layer.name for layer in scorer.layers])
        return scorer.evaluator.folder(scorer.engine(scorer.quantize(candidate)))

    def _raced(self, engine: EngineRef, contest: Contest) -> tuple[PairedLatency, Rival | None, Accuracy | Standing]:
        return self.scorer.device.run(
            f"race-{engine.name}",
            steps.race,
            *(self.scorer.reference(), engine),
            images=self.scorer.images,
            head=self.scorer.head,
            budget=self.scorer.budget if self._is_full else COARSE,
            load=self.scorer.load,
            energy=self._is_full,
            contest=contest,
            known=self.scorer.evaluator.known(engine),
        )

    def _stopped(self, standing: Standing, rival: Rival, latency: PairedLatency) -> Stopped:
        return Stopped(
            standing=standing,
            rival=rival.trial,
            rival_value=rival.value,
            latency_ms=latency.ratio.value * self.scorer.reference_ms(),
            latency_ratio=latency.ratio.value,
            latency_ratio_ci=latency.ratio.ends,
            race=self.race,
            metric=self.scorer.head.task.metric.name,
        )
