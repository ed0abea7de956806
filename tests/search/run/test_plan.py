"""What workers do that propose at the same moment: who gives way, and what that one proposes next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from made_up_trials import measured, trial
from qpareto.search.run.plan import Plan, reason_to_withdraw
from qpareto.search.run.worker import Worker
from qpareto.search.study.outcome import Outcome
from qpareto.search.study.record import TrialRecord
from qpareto.search.study.search_study import Snapshot
from stand_in import StandIn, stand_in_space, stand_in_spec, stand_in_worker

SPACE = stand_in_space(4)
BASELINES = StandIn(recipes_too=True).recipes(SPACE)
FLOAT = Plan(candidate=BASELINES[0].candidate)
INT8 = Plan(candidate=BASELINES[1].candidate)
BASELINE = Plan(candidate=BASELINES[1].candidate, baseline=BASELINES[1])


def trial_of(plan: Plan, number: int, outcome: Outcome = Outcome.RUNNING) -> TrialRecord:
    found = measured(0.4, 0.6) if outcome == Outcome.COMPLETE else None
    baseline = plan.baseline.name if plan.baseline else None
    return trial(number, found, outcome=outcome, candidate=str(plan.candidate), baseline=baseline, reason=None)


def study_of(*records: TrialRecord) -> Snapshot:
    return Snapshot((), records)


def reason(plan: Plan, number: int, *, seen: int, now: Sequence[TrialRecord], trials: int = 10) -> str | None:
    return reason_to_withdraw(plan, number, seen=study_of(*now[:seen]), now=study_of(*now), trials=trials)


def test_of_two_that_begin_the_same_candidate_the_later_one_withdraws() -> None:
    now = [trial_of(FLOAT, 0, Outcome.COMPLETE), trial_of(INT8, 1), trial_of(INT8, 2)]
    assert reason(INT8, 1, seen=1, now=now) is None
    told = reason(INT8, 2, seen=1, now=now)
    assert told == "Trial 1 began a moment before with the same candidate."


def test_what_was_known_when_it_was_planned_is_repeated_on_purpose() -> None:
    now = [trial_of(INT8, 0, Outcome.COMPLETE), trial_of(INT8, 1)]
    assert reason(INT8, 1, seen=1, now=now) is None


@pytest.mark.parametrize("outcome", [Outcome.WITHDRAWN, Outcome.INTERRUPTED, Outcome.DIED])
def test_nobody_gives_way_to_a_trial_that_does_not_count(outcome: Outcome) -> None:
    assert reason(INT8, 1, seen=0, now=[trial_of(INT8, 0, outcome), trial_of(INT8, 1)]) is None


def test_a_baseline_gives_way_to_the_same_baseline_only() -> None:
    assert reason(BASELINE, 1, seen=0, now=[trial_of(INT8, 0), trial_of(BASELINE, 1)]) is None
    assert reason(INT8, 1, seen=0, now=[trial_of(BASELINE, 0), trial_of(INT8, 1)]) is None
    assert reason(BASELINE, 1, seen=0, now=[trial_of(BASELINE, 0), trial_of(BASELINE, 1)]) is not None


def test_who_began_when_the_asked_trials_were_taken_withdraws_and_those_behind_it_do_not_count() -> None:
    now = [trial_of(FLOAT, 0, Outcome.COMPLETE), trial_of(FLOAT, 1), trial_of(INT8, 2)]
    assert reason(INT8, 2, seen=1, now=now, trials=2) == "2 trials are finished or being measured."
    assert reason(INT8, 2, seen=1, now=now, trials=3) is None
    assert reason(FLOAT, 1, seen=1, now=now, trials=2) is None


# Real workers of one study, which look at it at the same moment


def workers_of(tmp_path: Path, count: int, *, recipes_too: bool) -> list[Worker]:
    spec, objective = (
        stand_in_spec(f"sqlite:///{tmp_path}/study.db", "turns"),
        StandIn(takes_s=0, recipes_too=recipes_too),
    )
    return [stand_in_worker(spec, objective, layers=8) for _ in range(count)]


def step(workers: Sequence[Worker]) -> list[str]:
    """All plan upon the same study, then begin in their order; returns what they planned."""
    seen = [worker._look() for worker in workers]
    plans = [worker._next(now) for worker, now in zip(workers, seen, strict=True)]
    for worker, plan, now in zip(workers, plans, seen, strict=True):
        worker._run_one(plan, now, trials=100)
    return [str(plan) for plan in plans]


@pytest.mark.parametrize("recipes_too", [True, False])
def test_workers_that_collide_take_turns_and_do_not_collide_again(tmp_path: Path, recipes_too: bool) -> None:
    workers = workers_of(tmp_path, 3, recipes_too=recipes_too)
    assert len(set(step(workers))) == 1
    assert [record.outcome for record in workers[0].study.records()] == ["complete", "withdrawn", "withdrawn"]
    _, *late = workers
    assert len(set(step(late))) == 2
    states = [record.outcome for record in workers[0].study.records()]
    assert states == ["complete", "withdrawn", "withdrawn", "complete", "complete"]


def test_a_worker_whose_turn_has_come_leaves_nothing_out(tmp_path: Path) -> None:
    first, second = workers_of(tmp_path, 2, recipes_too=True)
    step([first, second])
    for _ in range(len(first._baselines) - 1):
        step([first])
    step([second])
    told = [record.baseline for record in second.study.records() if record.outcome == "complete"]
    assert told == [*(baseline.name for baseline in second._baselines), None]
