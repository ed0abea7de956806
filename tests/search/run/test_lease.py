from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial

from qpareto.search.run import lease
from qpareto.search.run.lease import Lookout
from qpareto.search.study.processes import this_process
from qpareto.search.study.record import DIED, VANISHED

LEASE_S = 60.0
ELSEWHERE = {"host": "elsewhere", "machine": "elsewhere", "pid": 1, "started": 0.0}


def running(number: int, *, count: int = 0, worker: dict[str, Any] | None = None) -> FrozenTrial:
    attrs: dict[str, Any] = {"beat": {"count": count, "at": 0.0}} if count else {}
    trial = optuna.trial.create_trial(
        state=optuna.trial.TrialState.RUNNING, user_attrs=attrs | ({"worker": worker} if worker else {})
    )
    trial.number = number
    return trial


class Clock:
    """A clock that stands still unless it is told to go on."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(lease, "time", found)
    return found


def test_a_worker_without_a_sign_of_life_for_a_lease_has_vanished(clock: Clock) -> None:
    lookout = Lookout(lease_s=LEASE_S)
    for _ in range(60):
        assert lookout.lapsed([running(0, worker=ELSEWHERE)]) == []
        clock.now_s += 1.0
    clock.now_s += 1.0
    (lapse,) = lookout.lapsed([running(0, worker=ELSEWHERE)])
    assert (lapse.trial.number, lapse.how) == (0, VANISHED)
    assert "elsewhere:1 has given no sign of life for 60 s" in lapse.why


def test_a_sign_of_life_renews_the_lease(clock: Clock) -> None:
    lookout = Lookout(lease_s=LEASE_S)
    for second in range(200):
        assert lookout.lapsed([running(0, count=second // 15, worker=ELSEWHERE)]) == []
        clock.now_s += 1.0


def test_time_in_which_nobody_looked_does_not_count(clock: Clock) -> None:
    """As when the storage was away, or this worker itself was stopped: the others could not write either."""
    lookout = Lookout(lease_s=LEASE_S)
    lookout.lapsed([running(0, worker=ELSEWHERE)])
    clock.now_s += 10_000.0
    assert lookout.lapsed([running(0, worker=ELSEWHERE)]) == []


def test_a_worker_whose_process_has_ended_has_died_and_nobody_waits(clock: Clock) -> None:
    gone = this_process() | {"started": 0.0}
    (lapse,) = Lookout(lease_s=LEASE_S).lapsed([running(3, worker=gone), running(4, worker=this_process())])
    assert (lapse.trial.number, lapse.how) == (3, DIED)


def test_a_trial_that_another_tool_began_has_no_lease(clock: Clock) -> None:
    lookout = Lookout(lease_s=LEASE_S)
    for _ in range(200):
        assert lookout.lapsed([running(0)]) == []
        clock.now_s += 1.0
