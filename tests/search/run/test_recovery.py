from __future__ import annotations

from made_up_trials import measured, trial
from qpareto.search.run.recovery import ending_of_loss, quarantine_of, unretried
from qpareto.search.study.outcome import Outcome
from qpareto.search.study.record import TrialRecord
from qpareto.search.study.search_study import Snapshot

DIED, VANISHED = Outcome.DIED, Outcome.VANISHED


def lost(number: int, how: Outcome, candidate: str = "A", **changes: object) -> TrialRecord:
    return trial(number, None, **({"outcome": how, "reason": "Gone.", "candidate": candidate} | changes))


def running(number: int, candidate: str = "A", **changes: object) -> TrialRecord:
    fields = {"outcome": Outcome.RUNNING, "reason": None, "candidate": candidate}
    return trial(number, None, **(fields | changes))


def study_of(*records: TrialRecord) -> Snapshot:
    return Snapshot((), records)


def ending(now: Snapshot, how: Outcome, why: str, *, retries: int = 2) -> tuple[Outcome, str]:
    """Of the last trial."""
    return ending_of_loss(now.records[-1], now, how=how, why=why, retries=retries)


def test_a_lost_trial_is_tried_again_until_its_candidate_is_measured_or_being_measured() -> None:
    first, other = lost(0, DIED), lost(1, VANISHED, "B")
    assert [one.number for one in unretried(study_of(first, other))] == [0, 1]
    assert [one.number for one in unretried(study_of(first, other, running(2, retry_of=0)))] == [1]
    done = trial(2, measured(0.4, 0.6), candidate="A")  # proposed by another worker at the same moment
    assert [one.number for one in unretried(study_of(first, other, done))] == [1]
    withdrawn = trial(2, None, outcome=Outcome.WITHDRAWN, candidate="A", retry_of=0)
    assert [one.number for one in unretried(study_of(first, withdrawn))] == [0]


def test_a_candidate_is_quarantined_with_its_second_death_whichever_trial_it_was() -> None:
    now = study_of(lost(0, DIED), running(1))
    assert ending(now, DIED, "It ended.") == (Outcome.QUARANTINED, "2 workers died of it. It ended.")
    assert ending(now, VANISHED, "Silence.") == (VANISHED, "Silence.")
    by_graph = study_of(lost(0, DIED, graph="g"), running(1, "B", graph="g"))
    assert ending(by_graph, DIED, "It ended.")[0] == Outcome.QUARANTINED


def test_a_trial_is_given_up_when_more_workers_vanished_with_it_than_it_has_retries() -> None:
    now = study_of(lost(0, VANISHED), lost(1, VANISHED), running(2))
    told = "3 workers were lost with it, search.retries is 2. Silence."
    assert ending(now, VANISHED, "Silence.", retries=2) == (Outcome.GIVEN_UP, told)
    assert ending(now, VANISHED, "Silence.", retries=3) == (VANISHED, "Silence.")


def test_what_is_in_quarantine_is_not_measured_under_another_mask_either() -> None:
    bad = trial(0, None, outcome=Outcome.QUARANTINED, candidate="A", graph="g")
    now = study_of(bad, running(1, "B", graph="g"), running(2, "C", graph="h"))
    assert "trial 0" in str(quarantine_of(now.records[1], now))
    assert quarantine_of(now.records[2], now) is None
