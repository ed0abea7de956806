"""The worker's loop: begin a trial, measure it, tell it; whatever happens, nothing is lost or counted twice."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from ...errors import CandidateError, QParetoError, StorageError
from ...objectives.accuracy.race import Stopped
from ...objectives.measurement import Measurement
from ...spaces.space import Space
from ..results.study_results import results_of_study
from ..samplers import Proposer
from ..study.attributes import StudyAttributes
from ..study.outcome import Outcome
from ..study.record import TrialRecord
from ..study.search_study import SearchStudy, Snapshot
from ..study_file.spec import StudySpec
from .known import expected_of_graph
from .lease import Heartbeat, Lookout
from .objective import Objective
from .plan import Plan, reason_to_withdraw
from .racing import observer
from .recovery import end_lapsed, ending_of_loss, quarantine_of, unretried

WAIT_S = 0.5  # between looks at a study that leaves nothing to begin

_log = logging.getLogger(__name__)


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
    """Runs trials of one study, one after the other, in this process; others may do so at the same time."""

    spec: StudySpec
    study: SearchStudy
    objective: Objective
    space: Space
    listener: Listener = field(default_factory=Silence)

    def __post_init__(self) -> None:
        search, prior = self.spec.search, self.objective.prior(self.space)
        if prior.graph is not None and self.study.stored.expected is None:
            expected = expected_of_graph(prior.graph, self.space, self.study.objectives)
            self.study.keep(StudyAttributes(expected=expected))
        self._proposer = Proposer(
            self.space,
            directions=self.study.directions,
            sampler=search.sampler,
            options=search.sampler_options,
            seed=search.seed,
            first=[self.space.params(candidate) for candidate in prior.first],
            graph=prior.graph,
            partial=observer(self.study.objectives),
        )
        self._baselines = self.objective.recipes(self.space)
        self._lookout = Lookout(lease_s=search.lease_s)
        self._heartbeat = Heartbeat(self.study, lease_s=search.lease_s)
        self._turn = 0  # which of the study's trials the next one would be, were all to begin in order

    def run(self, *, trials: int, timeout_s: float | None = None) -> None:
        """Run until the study has this many finished trials, the time is up, or the front grows no more.

        Finished are complete, pruned and failed trials, baselines and reused results included; interrupted ones are
        tried again instead. A trial that has begun when the time is up is finished. Together, any number of workers
        end with exactly so many: who finds that all that are missing are being measured by others waits for those.

        Raises:
            DiskError: the disk is full; the running trial is marked interrupted.
            KeyboardInterrupt: likewise.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with self._heartbeat:
            while (now := self._look()).finished < trials and (deadline is None or time.monotonic() < deadline):
                if self._has_stalled(now):
                    _log.info("the front has grown no more: see search.stall")
                    return
                if now.taken >= trials:
                    time.sleep(WAIT_S * random.uniform(0.5, 1.0))
                    continue
                self._run_one(self._next(now), now, trials=trials)

    def _look(self) -> Snapshot:
        """The study as it is, once what lost workers left is ended."""
        now = self.study.look()
        lapses = self._lookout.lapsed(now.running)
        if lapses and end_lapsed(self.study, now, lapses, retries=self.spec.search.retries):
            return self.study.look()
        return now

    def _has_stalled(self, now: Snapshot) -> bool:
        stall = self.spec.search.stall
        return stall is not None and results_of_study(self.study, now).has_stalled(
            trials=stall.trials, growth=stall.growth
        )

    def _next(self, now: Snapshot) -> Plan:
        """Baselines first, then what was interrupted, then the sampler's; whoever came too late takes a later one."""
        planned = [*self._unmeasured_baselines(now), *self._retries(now)]
        ahead = max(self._turn - now.taken, 0)
        if ahead < len(planned):
            return planned[ahead]
        floats = self.objective.without_kernel().union(*(m.engine.no_int8_kernel for m in _measurements(now)))
        proposal = self._proposer.propose(now.trials, ahead=ahead - len(planned), floats=floats)
        return Plan(candidate=self.space.candidate(proposal.params), system_attrs=proposal.system_attrs)

    def _unmeasured_baselines(self, now: Snapshot) -> Iterator[Plan]:
        held = {record.baseline for record in now.records if record.outcome.is_taken}
        return (Plan(candidate=b.candidate, baseline=b) for b in self._baselines if b.name not in held)

    def _retries(self, now: Snapshot) -> Iterator[Plan]:
        for record in unretried(now):
            if record.baseline is None:
                yield Plan(
                    candidate=self.space.candidate(record.params),
                    retry_of=record.number,
                    system_attrs=dict(now.trials[record.number].system_attrs),
                )

    def _run_one(self, plan: Plan, seen: Snapshot, *, trials: int) -> None:
        number = self.study.begin(
            space=self.space,
            candidate=plan.candidate,
            baseline=plan.baseline.name if plan.baseline else None,
            retry_of=plan.retry_of,
            system_attrs=plan.system_attrs,
        )
        with self._heartbeat.of(number):
            try:
                now = self.study.look()
                reason = reason_to_withdraw(plan, number, seen=seen, now=now, trials=trials)
                if reason is not None:
                    self.study.fail(number, reason, outcome=Outcome.WITHDRAWN)
                    rivals = now.records[len(seen.records) : number]
                    self._turn = max(self._turn, seen.taken) + sum(map(plan.is_of, rivals))
                    return
                self.listener.begin(number, str(plan), finished=now.finished)
                counts = self._measure(number, plan)
            except CandidateError as error:
                counts = self.study.fail(number, str(error))
            except BaseException as error:  # Ctrl-C, a full disk, a bug: the trial is marked, the cause goes on up
                self._mark(number, error)
                raise
        if not counts:
            _log.warning("Trial %d was ended by others while this worker was cut off: its result is dropped.", number)
        self.listener.end(self.study.records()[number])

    def _mark(self, number: int, error: BaseException) -> None:
        """Tell that this worker could not go on with its trial; a bug counts as a death, so that it does not recur."""
        if isinstance(error, StorageError):  # which takes no mark: what is left of the trial lapses
            return
        if isinstance(error, Exception) and not isinstance(error, QParetoError):
            now, why = self.study.look(), f"Its worker failed with {type(error).__name__}: {error}"
            retries = self.spec.search.retries
            outcome, reason = ending_of_loss(now.records[number], now, how=Outcome.DIED, why=why, retries=retries)
        else:
            outcome = Outcome.INTERRUPTED
            reason = str(error) if isinstance(error, QParetoError) else "Its worker was told to end."
        self.study.fail(number, reason, outcome=outcome)

    def _measure(self, number: int, plan: Plan) -> bool:
        """Measure a trial, unless another one has the same effective graph; tell it. Returns whether it counts."""
        float_type = (plan.baseline.float_type if plan.baseline else None) or self.objective.float_type
        graph = self.objective.graph_hash(plan.candidate)
        if not self.study.know_graph(number, f"{graph} {float_type}"):
            return False
        races = self.objective.races and plan.baseline is None
        now = self._once_told(number)
        if (reason := quarantine_of(now.records[number], now)) is not None:
            return self.study.fail(number, reason, outcome=Outcome.QUARANTINED)
        found, reused_from = self._earlier(now, graph, float_type, or_stopped=races)
        if found is None:
            rivals = {point.trial: point.measurement for point in results_of_study(self.study, now).own_front}
            found = self.objective.measure(plan.candidate, float_type=float_type, rivals=rivals if races else None)
        if isinstance(found, Stopped):
            return self.study.prune(number, found, graph_hash=graph, reused_from=reused_from)
        return self.study.finish(number, found, reused_from=reused_from)

    def _once_told(self, number: int) -> Snapshot:
        """The study as it is, once no earlier trial with this one's graph is being measured.

        Two that learn of their graph at the same moment may miss each other, and measure it twice.
        """
        while True:
            now = self._look()
            graph = now.records[number].graph
            if not any(one.graph == graph for one in now.records[:number] if one.outcome == Outcome.RUNNING):
                return now
            time.sleep(WAIT_S)

    def _earlier(
        self, now: Snapshot, graph_hash: str, float_type: str, *, or_stopped: bool
    ) -> tuple[Measurement | Stopped, int] | tuple[None, None]:
        """What an earlier trial with this graph found, and its number; a measurement before all."""
        for record in now.records:
            if (measured := record.measurement) and measured.engine.identity == (graph_hash, float_type):
                return measured, record.number
        for record in now.records if or_stopped else ():
            if record.stopped and record.stopped_graph == graph_hash:
                return record.stopped, record.number
        return None, None


def _measurements(now: Snapshot) -> Iterator[Measurement]:
    return (record.measurement for record in now.records if record.measurement is not None)
