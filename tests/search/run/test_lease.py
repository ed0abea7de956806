from __future__ import annotations

from dataclasses import replace

import pytest

from made_up_trials import trial
from qpareto.search.run import lease
from qpareto.search.run.lease import Lookout
from qpareto.search.study.attributes import Beat
from qpareto.search.study.outcome import Outcome
from qpareto.search.study.processes import Process, this_process
from qpareto.search.study.record import TrialRecord

LEASE_S = 60.0
ELSEWHERE = Process(host="elsewhere", machine="elsewhere", pid=1, started=0.0)


def running(number: int, *, count: int = 0, worker: Process | None = None) -> TrialRecord:
    beat = Beat(count=count, at=0.0) if count else None
    return trial(number, None, outcome=Outcome.RUNNING, reason=None, worker=worker, beat=beat)


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
    assert (lapse.trial.number, lapse.how) == (0, Outcome.VANISHED)
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
    gone = replace(this_process(), started=0.0)
    (lapse,) = Lookout(lease_s=LEASE_S).lapsed([running(3, worker=gone), running(4, worker=this_process())])
    assert (lapse.trial.number, lapse.how) == (3, Outcome.DIED)


def test_a_trial_that_another_tool_began_has_no_lease(clock: Clock) -> None:
    lookout = Lookout(lease_s=LEASE_S)
    for _ in range(200):
        assert lookout.lapsed([running(0)]) == []
        clock.now_s += 1.0
