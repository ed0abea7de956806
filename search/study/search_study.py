"""The study: an ordinary Optuna study that many workers share, its trials begun, kept alive and ended once."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ...errors import StudyError
from ...objectives.accuracy.race import Stopped
from ...objectives.latency.spread import Spread
from ...objectives.measurement import Measurement
from ...objectives.objective import values_of
from ...spaces.candidate import Candidate
from ...spaces.space import Space
from .attributes import Beat, StudyAttributes, TrialAttributes, reference_ms_of_format_1
from .identity import Identity
from .outcome import Outcome
from .processes import this_process
from .record import TrialRecord, record_of_trial

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage
    from optuna.study import StudyDirection
    from optuna.trial import FrozenTrial

# Of the ratio, beyond doubt: builds from one timing cache on four H200s were up to 0.4 % apart, those from two caches
# 2 to 4 % (YOLO11n at batch 8 and 32).
OTHER_KERNELS = 0.01


@dataclass(frozen=True)
class Snapshot:
    """All trials of a study at one moment, in the order in which they were begun."""

    trials: Sequence[FrozenTrial]
    records: Sequence[TrialRecord]

    @cached_property
    def finished(self) -> int:
        """How many trials count."""
        return sum(record.outcome.counts for record in self.records)

    @cached_property
    def running(self) -> list[TrialRecord]:
        """Trials that have begun and not ended."""
        return [record for record in self.records if record.outcome == Outcome.RUNNING]

    @property
    def taken(self) -> int:
        """How many trials count or may yet."""
        return self.finished + len(self.running)


class SearchStudy:
    """A study in its storage. `open_study` makes one.

    A trial ends once: the storage takes the first who ends it, in one atomic step, and tells all others that they
    came too late. What they wrote before that step belongs to nobody and is not read.
    """

    def __init__(self, study: Study, storage: BaseStorage) -> None:
        self.study, self.storage = study, storage
        self.id = storage.get_study_id_from_name(study.study_name)
        self._ended: dict[int, TrialRecord] = {}  # which do not change any more, so they are read once

    @cached_property
    def objectives(self) -> tuple[str, ...]:
        return self.identity.objectives

    @cached_property
    def directions(self) -> list[StudyDirection]:
        return list(self.study.directions)

    @property
    def stored(self) -> StudyAttributes:
        """What stands in the storage of the study itself."""
        return StudyAttributes.from_stored(self.study.user_attrs)

    @property
    def identity(self) -> Identity:
        """What it was made with."""
        found = self.stored.identity
        assert found is not None  # `open_study` opens no other
        return found

    @property
    def reference_ms(self) -> float | None:
        """The reference's milliseconds, in which latencies are told; None if whoever made the study timed none."""
        found = self.stored.reference_ms
        return reference_ms_of_format_1(t.user_attrs for t in self.look().trials) if found is None else found

    def hold_to(self, identity: Identity) -> None:
        """Refuse to go on with other facts than those that the study was made with.

        Args:
            identity: its objectives are the study's own if it names none.

        Raises:
            StudyError: the facts that differ.
        """
        now = replace(identity, objectives=identity.objectives or self.objectives)
        if found := self.identity.differences(now):
            raise StudyError(
                f"The study '{self.study.study_name}' was made otherwise ({'; '.join(found)}): its figures would not "
                "compare, so undo the change, or give the changed study another `name`."
            )

    def hold_to_builds(self, here: Spread) -> None:
        """Refuse to go on where builds choose other kernels than where the study was begun; the first one tells those.

        Args:
            here: how the engine with all layers in INT8 was timed, each time of a new build of it and the reference.

        Raises:
            StudyError: its ratio to the reference is another beyond doubt, by more than `OTHER_KERNELS`.
        """
        begun = self.stored.builds
        if begun is None:
            self.keep(StudyAttributes(builds=here))
        elif here.surely_apart(begun) > OTHER_KERNELS:
            raise StudyError(
                f"The study '{self.study.study_name}' was begun where the engine with all layers in INT8 takes "
                f"{begun.ratio:.3f} of the reference, and here it takes {here.ratio:.3f}: builds choose other kernels "
                "here, so figures would not compare; copy `engine-caches` out of the cache folder there into the one "
                "here, or give the study another `name`, with this one's file in `search.start_from`."
            )

    def look(self) -> Snapshot:
        """Read all trials: those that have ended only once."""
        trials = self.storage.get_all_trials(self.id, deepcopy=False)
        return Snapshot(trials, [self._ended.get(trial.number) or self._read(trial) for trial in trials])

    def records(self) -> Sequence[TrialRecord]:
        """All trials, in the order in which they were begun."""
        return self.look().records

    def _read(self, trial: FrozenTrial) -> TrialRecord:
        record = record_of_trial(trial)
        if trial.state.is_finished():
            self._ended[trial.number] = record
        return record

    def begin(
        self,
        *,
        space: Space,
        candidate: Candidate,
        baseline: str | None = None,
        retry_of: int | None = None,
        system_attrs: Mapping[str, Any] | None = None,
    ) -> int:
        """Write a running trial in one transaction, signed by this process; returns its number.

        A candidate outside the space (some baselines) is written without parameters, so that no sampler learns of it.
        """
        from optuna.trial import TrialState, create_trial

        inside = space.accepts(candidate)
        told = TrialAttributes(
            candidate=str(candidate),
            baseline=baseline,
            retry_of=retry_of,
            worker=this_process(),
            token=secrets.token_hex(8),
        )
        template = create_trial(
            state=TrialState.RUNNING,
            params=space.params(candidate) if inside else {},
            distributions=space.distributions() if inside else {},
            user_attrs=told.as_stored(),
            system_attrs=dict(system_attrs or {}),
        )
        trial_id = self.storage.create_new_trial(self.id, template_trial=template)
        return self.storage.get_trial_number_from_id(trial_id)

    def beat(self, number: int, count: int) -> bool:
        """Give a sign of life for a running trial; False if somebody has ended it meanwhile."""
        return self._remember(number, TrialAttributes(beat=Beat(count=count, at=time.time())))

    def know_graph(self, number: int, graph_hash: str) -> bool:
        """Tell others which graph a running trial is about; False if somebody has ended it meanwhile."""
        return self._remember(number, TrialAttributes(graph=graph_hash))

    def finish(self, number: int, measurement: Measurement, *, reused_from: int | None = None) -> bool:
        """Tell a trial's values; the measurement is kept with it.

        Returns:
            Whether they count: False if somebody has ended the trial meanwhile.

        Raises:
            CandidateError: the measurement lacks one of the objectives; the trial is still running.
        """
        values = values_of(measurement, self.objectives)
        told = TrialAttributes(reused_from=reused_from, measurement=measurement)
        return self._end(number, "COMPLETE", told, values=values)

    def prune(self, number: int, stopped: Stopped, *, graph_hash: str, reused_from: int | None = None) -> bool:
        """Record a trial as pruned, with what was seen of it; never with values. Returns as `finish` does."""
        told = TrialAttributes(reused_from=reused_from, stopped_graph=graph_hash, stopped=stopped)
        return self._end(number, "PRUNED", told)

    def fail(self, number: int, reason: str, *, outcome: Outcome = Outcome.FAILED) -> bool:
        """Record a trial as ended without values, with its reason in a sentence. Returns as `finish` does."""
        return self._end(number, "FAIL", TrialAttributes(outcome=outcome, reason=reason))

    def keep(self, told: StudyAttributes) -> None:
        """Write what is told of the study itself."""
        for key, value in told.as_stored().items():
            self.study.set_user_attr(key, value)

    def _end(self, number: int, state: str, told: TrialAttributes, *, values: Sequence[float] | None = None) -> bool:
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        if not self._remember(number, told):
            return False
        try:
            return self.storage.set_trial_state_values(self._trial_id(number), TrialState[state], values)
        except UpdateFinishedTrialError:
            return False

    def _remember(self, number: int, told: TrialAttributes) -> bool:
        """Write attributes of a running trial; False if it has ended."""
        from optuna.exceptions import UpdateFinishedTrialError

        try:
            for key, value in told.as_stored().items():
                self.storage.set_trial_user_attr(self._trial_id(number), key, value)
        except UpdateFinishedTrialError:
            return False
        return True

    def _trial_id(self, number: int) -> int:
        return self.storage.get_trial_id_from_study_id_trial_number(self.id, number)
