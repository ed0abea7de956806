"""The worker's loop: begin a trial, measure it, tell it; whatever happens, nothing is lost or counted twice."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from ...errors import CandidateError
from ...objectives.accuracy.race import Stopped
from ...objectives.measurement import Measurement
from ...objectives.score import Scorer
from ...spaces.candidate import Candidate
from ...spaces.space import Space
from ..results import results_of_study
from ..samplers import Proposer
from ..samplers.encoding import Graph
from ..spec import StudySpec
from ..study import INTERRUPTED, SearchStudy, TrialRecord
from .baselines import Baseline, baselines
from .known import expected_of_graph, graph_of_study, warm_start
from .racing import observer, staged_scorer

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One trial about to begin."""

    candidate: Candidate
    baseline: Baseline | None = None
    retry_of: int | None = None
    system_attrs: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.baseline.name if self.baseline else str(self.candidate)


class Listener(Protocol):
    """Told of every trial, for progress."""

    def begin(self, number: int, what: str, *, finished: int) -> None:
        """A trial has begun; `what` names its baseline or its candidate; so many have finished before."""

    def end(self, record: TrialRecord) -> None:
        """A trial has ended, in any state."""


class Silence:
    """A listener that says nothing."""

    def begin(self, number: int, what: str, *, finished: int) -> None:
        del number, what, finished

    def end(self, record: TrialRecord) -> None:
        del record


@dataclass(kw_only=True)
class Worker:
    """Runs trials of one study, one after the other, in this process."""

    spec: StudySpec
    study: SearchStudy
    scorer: Scorer
    space: Space
    listener: Listener = field(default_factory=Silence)

    def __post_init__(self) -> None:
        search = self.spec.search
        graph: Graph | None = None
        first: tuple[Candidate, ...] = ()
        if search.sampler == "auto" or search.warm_start:
            graph = graph_of_study(self.scorer, self.space, self.study.objectives)
            expected_of_graph(graph, self.space, self.study.objectives).keep(self.study)
        if graph and search.warm_start:
            first = warm_start(self.scorer, self.space, graph, self.study.objectives, count=search.warm_start)
        self._proposer = Proposer(
            self.space,
            directions=self.study.directions,
            sampler=search.sampler,
            options=search.sampler_options,
            seed=search.seed,
            first=[self.space.params(candidate) for candidate in first],
            graph=graph,
            partial=observer(self.study.objectives),
        )
        self._staged = staged_scorer(search, self.scorer, self.study.objectives)
        self._baselines = self._recipes() if search.baselines else ()

    def run(self, *, trials: int, timeout_s: float | None = None) -> None:
        """Run until the study has this many finished trials, the time is up, or the front grows no more.

        Finished are complete, pruned and failed trials, baselines and reused results included; interrupted ones are
        tried again instead. A trial that has begun when the time is up is finished.

        Raises:
            DiskError: the disk is full; the running trial is marked interrupted.
            KeyboardInterrupt: likewise.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self.study.recover()
        while (finished := self._finished()) < trials and (deadline is None or time.monotonic() < deadline):
            if self._has_stalled():
                _log.info("the front has grown no more: see search.stall")
                return
            self._run_one(self._next(), finished=finished)

    def _has_stalled(self) -> bool:
        stall = self.spec.search.stall
        return stall is not None and results_of_study(self.study).has_stalled(trials=stall.trials, growth=stall.growth)

    def _finished(self) -> int:
        return sum(record.state not in ("running", INTERRUPTED) for record in self.study.records())

    def _next(self) -> Plan:
        """Baselines first, then what was interrupted, then the sampler's."""
        planned = next(self._unmeasured_baselines(), None) or next(self._retries(), None)
        if planned is not None:
            return planned
        proposal = self._proposer.propose(self.study.frozen_trials())
        return Plan(candidate=self.space.candidate(proposal.params), system_attrs=proposal.system_attrs)

    def _recipes(self) -> tuple[Baseline, ...]:
        return baselines(
            self.space.layers,
            size=max(self.space.sizes),
            faster_float_type=self.scorer.kind.faster_float_type(self.scorer.options),
        )

    def _unmeasured_baselines(self) -> Iterator[Plan]:
        held = {record.baseline for record in self.study.records() if record.state != INTERRUPTED}
        return (Plan(candidate=b.candidate, baseline=b) for b in self._baselines if b.name not in held)

    def _retries(self) -> Iterator[Plan]:
        trials = self.study.frozen_trials()
        retried = {trial.user_attrs.get("retry_of") for trial in trials}
        for trial in trials:
            interrupted = trial.user_attrs.get("reason") == INTERRUPTED and "baseline" not in trial.user_attrs
            if interrupted and trial.number not in retried:
                yield Plan(
                    candidate=self.space.candidate(trial.params),
                    retry_of=trial.number,
                    system_attrs=dict(trial.system_attrs),
                )

    def _run_one(self, plan: Plan, *, finished: int) -> None:
        number = self.study.begin(
            space=self.space,
            candidate=plan.candidate,
            baseline=plan.baseline.name if plan.baseline else None,
            retry_of=plan.retry_of,
            system_attrs=plan.system_attrs,
        )
        try:
            self.listener.begin(number, str(plan), finished=finished)
            self._measure(number, plan)
        except CandidateError as error:
            self.study.fail(number, str(error))
        except BaseException:  # Ctrl-C, a full disk, a bug: the trial is marked, the cause goes on up
            self.study.fail(number, INTERRUPTED)
            raise
        self.listener.end(self.study.records()[number])

    def _measure(self, number: int, plan: Plan) -> None:
        """Measure a trial, in stages if it may race, unless an earlier one had the same effective graph; tell it."""
        staged = None if plan.baseline else self._staged
        float_type = plan.baseline.float_type if plan.baseline else None
        quantized = self.scorer.quantize(plan.candidate)
        found, reused_from = self._earlier(quantized.graph_hash, float_type, or_stopped=staged is not None)
        if found is None and staged is not None:
            front = {point.trial: point.measurement for point in results_of_study(self.study).front}
            found = staged.measure(plan.candidate, quantized, front)
        if found is None:
            found = self.scorer.measure(plan.candidate, quantized, float_type=float_type)
        if isinstance(found, Stopped):
            self.study.prune(number, found, graph_hash=quantized.graph_hash, reused_from=reused_from)
        else:
            self.study.finish(number, found, reused_from=reused_from)

    def _earlier(
        self, graph_hash: str, float_type: str | None, *, or_stopped: bool
    ) -> tuple[Measurement | Stopped, int] | tuple[None, None]:
        """What an earlier trial with this graph found, and its number; a measurement before all."""
        records, wanted = self.study.records(), (graph_hash, float_type or self.scorer.options.float_type)
        for record in records:
            if record.measurement and (record.measurement.graph_hash, record.measurement.float_type) == wanted:
                return record.measurement, record.number
        for record in records if or_stopped else ():
            if record.stopped and record.stopped_graph == graph_hash:
                return record.stopped, record.number
        return None, None
