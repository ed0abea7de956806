from __future__ import annotations

from made_up_trials import measured, trial
from qpareto.search.run.recovery import quarantine_of, reason_of_loss, unretried
from qpareto.search.study.record import TrialRecord
from qpareto.search.study.search_study import Snapshot


def lost(number: int, how: str, candidate: str = "A", **changes: object) -> TrialRecord:
    fields = {"state": "interrupted", "reason": f"{how}: gone", "candidate": candidate} | changes
    return trial(number, None, **fields)


def running(number: int, candidate: str = "A", **changes: object) -> TrialRecord:
    return trial(number, None, **({"state": "running", "reason": None, "candidate": candidate} | changes))


def study_of(*records: TrialRecord) -> Snapshot:
    return Snapshot((), records)


def test_a_lost_trial_is_tried_again_until_its_candidate_is_measured_or_being_measured() -> None:
    first, other = lost(0, "died"), lost(1, "vanished", "B")
    assert [one.number for one in unretried(study_of(first, other))] == [0, 1]
    assert [one.number for one in unretried(study_of(first, other, running(2, retry_of=0)))] == [1]
    done = trial(2, measured(0.4, 0.6), candidate="A")  # proposed by another worker at the same moment
    assert [one.number for one in unretried(study_of(first, other, done))] == [1]
    withdrawn = trial(2, None, state="withdrawn", reason="withdrawn: late", candidate="A", retry_of=0)
    assert [one.number for one in unretried(study_of(first, withdrawn))] == [0]


def test_a_candidate_is_quarantined_with_its_second_death_whichever_trial_it_was() -> None:
    now = study_of(lost(0, "died"), running(1))
    assert reason_of_loss(now.records[1], now, how="died", why="it ended", retries=2).startswith("quarantined: 2")
    assert reason_of_loss(now.records[1], now, how="vanished", why="silence", retries=2) == "vanished: silence"
    by_graph = study_of(lost(0, "died", graph="g"), running(1, "B", graph="g"))
    assert reason_of_loss(by_graph.records[1], by_graph, how="died", why="it ended", retries=2).startswith(
        "quarantined"
    )


def test_a_trial_is_given_up_when_more_workers_vanished_with_it_than_it_has_retries() -> None:
    now = study_of(lost(0, "vanished"), lost(1, "vanished"), running(2))
    assert reason_of_loss(now.records[2], now, how="vanished", why="silence", retries=2).startswith(
        "given up: 3 workers"
    )
    assert reason_of_loss(now.records[2], now, how="vanished", why="silence", retries=3) == "vanished: silence"


def test_what_is_in_quarantine_is_not_measured_under_another_mask_either() -> None:
    bad = trial(0, None, reason="quarantined: 2 workers died of it", candidate="A", graph="g")
    now = study_of(bad, running(1, "B", graph="g"), running(2, "C", graph="h"))
    assert "trial 0" in str(quarantine_of(now.records[1], now))
    assert quarantine_of(now.records[2], now) is None
