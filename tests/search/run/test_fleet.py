"""Many real worker processes, a stand-in objective, real storages: nothing is lost, nothing is counted twice."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from postgres import Postgres
from qpareto.search.study.attributes import TrialAttributes
from qpareto.search.study.outcome import Outcome
from qpareto.search.study.processes import Process
from qpareto.search.study.search_study import Snapshot
from stand_in import SHARED, StandIn, stand_in_space, stand_in_spec, stand_in_worker
from stand_in_fleet import Fleet, go_on, stop
from store_contents import flip_a_byte

FEW = ("--layers", "20")  # so that the workers race each other more than they wait for the storage


def refuse_lost_or_doubled(now: Snapshot, fleet: Fleet, *, trials: int) -> None:
    """Exactly the asked number of finished trials, every one of another candidate, in one unit; nothing still runs."""
    states = Counter(record.outcome for record in now.records)
    assert now.finished == trials, states
    assert now.running == []
    assert [record.number for record in now.records] == list(range(len(now.records)))
    counted = [record for record in now.records if record.outcome.counts]
    assert len({record.candidate for record in counted}) == trials
    assert {r.measurement.timing.reference_ms for r in counted if r.measurement} == {fleet.study().reference_ms}
    of_lost = {record.candidate for record in now.records if record.outcome.is_lost}
    twice = [candidate for candidate, count in Counter(m["candidate"] for m in fleet.measured()).items() if count > 1]
    assert set(twice) <= of_lost  # none but what a lost worker had begun


def stopped_while_it_measures(fleet: Fleet, rng: random.Random) -> subprocess.Popen[bytes]:
    """A worker that stands still in the midst of a trial."""
    while True:
        chosen = rng.choice(fleet.at_work())
        stop(chosen)
        measuring = [record.worker.pid for record in fleet.look().running if record.worker and record.graph]
        if chosen.pid in measuring:
            return chosen
        go_on(chosen)


@pytest.mark.parametrize(("kind", "workers", "trials"), [("postgresql", 8, 200), ("sqlite", 4, 200)])
def test_workers_that_start_at_once_finish_exactly_the_asked_trials_each_once(
    postgres: Postgres, tmp_path: Path, kind: str, workers: int, trials: int
) -> None:
    url = postgres.url("many") if kind == "postgresql" else f"sqlite:///{tmp_path}/study.db"
    with Fleet(storage=url, name="many", workers=workers, trials=trials, folder=tmp_path, options=FEW) as fleet:
        fleet.wait(timeout_s=400)
        assert fleet.exits == Counter(), fleet.said()
        now = fleet.look()
    refuse_lost_or_doubled(now, fleet, trials=trials)
    assert {record.outcome for record in now.records} <= {Outcome.COMPLETE, Outcome.WITHDRAWN}
    assert len(fleet.measured()) == trials


def test_a_study_ends_complete_whatever_befalls_its_workers_and_its_database(
    postgres: Postgres, tmp_path: Path
) -> None:
    rng, url = random.Random(0), postgres.url("befallen")
    options = ("--takes-s", "0.3", "--lease-s", "4", *FEW)
    with Fleet(storage=url, name="befallen", workers=4, trials=120, folder=tmp_path, options=options) as fleet:
        fleet.wait_for(8, timeout_s=90)
        for _ in range(5):
            rng.choice(fleet.at_work()).kill()
            fleet.wait_for(len(fleet.measured()) + 4, timeout_s=60)
        postgres.cut_connections("befallen", 5)
        fleet.wait_for(len(fleet.measured()) + 4, timeout_s=60)
        cut_off = stopped_while_it_measures(fleet, rng)
        postgres.restart()
        deadline = time.monotonic() + 90
        while "no sign of life" not in fleet.said() and time.monotonic() < deadline:
            time.sleep(0.2)
        go_on(cut_off)
        fleet.wait(timeout_s=400)
        now = fleet.look()
    refuse_lost_or_doubled(now, fleet, trials=120)
    lost = Counter(record.outcome for record in now.records)
    assert 1 <= lost[Outcome.DIED] <= 5
    assert lost[Outcome.VANISHED] >= 1
    said = fleet.said()
    assert "has ended" in said
    assert "gave no sign of life" in said or "given no sign of life" in said
    assert "its result is dropped" in said


def test_a_full_disk_and_a_damaged_entry_in_the_cache_cost_no_trial(
    nearly_full_disk: Callable[[int], Path], tmp_path: Path
) -> None:
    cache, url = nearly_full_disk(900), f"sqlite:///{tmp_path}/study.db"
    options = ("--cache", str(cache), "--layers", "30", "--takes-s", "0.2")
    with Fleet(storage=url, name="full", workers=3, trials=45, folder=tmp_path, options=options) as fleet:
        fleet.wait_for(8, timeout_s=60)
        flip_a_byte(cache / "stand-in" / "shared" / "kept", 3)
        fleet.wait_for(16, timeout_s=60)
        more = cache / "more"
        more.write_bytes(bytes(shutil.disk_usage(cache).free))
        deadline = time.monotonic() + 60
        while not fleet.exits and time.monotonic() < deadline:
            fleet.tend()
            time.sleep(0.05)
        more.unlink()
        fleet.wait(timeout_s=120)
        now = fleet.look()
    refuse_lost_or_doubled(now, fleet, trials=45)
    assert any(record.outcome == Outcome.INTERRUPTED for record in now.records)
    assert "No space left on device" in fleet.said()
    assert "The entry stand-in/shared of the cache" in fleet.said()
    assert (cache / "stand-in" / "shared" / "kept").read_text() == SHARED


def test_a_candidate_that_kills_its_workers_is_quarantined_and_not_tried_a_third_time(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    spec = stand_in_spec(url, "killing")
    worker = stand_in_worker(spec, StandIn(takes_s=0), layers=8)
    worker.run(trials=4)
    others = stand_in_worker(stand_in_spec(url, "other"), StandIn(takes_s=0), layers=8)
    others.run(trials=6)  # the same seed: the same candidates
    deadly = others.study.records()[4].candidate
    assert deadly is not None
    options = ("--kills", deadly, "--layers", "8")
    with Fleet(storage=url, name="killing", workers=1, trials=8, folder=tmp_path, options=options) as fleet:
        fleet.wait(timeout_s=120)
        now = fleet.look()
    assert fleet.exits == Counter({-9: 2})
    assert now.finished == 8
    states = [record.outcome for record in now.records if record.candidate == deadly]
    assert states == [Outcome.DIED, Outcome.QUARANTINED]
    assert Counter(m["candidate"] for m in fleet.measured())[deadly] == 2


def test_retries_have_a_limit_after_which_the_trial_fails_with_the_reason(tmp_path: Path) -> None:
    spec = stand_in_spec(f"sqlite:///{tmp_path}/study.db", "vanishing", lease_s=0.2, retries=1)
    worker = stand_in_worker(spec, StandIn(takes_s=0), layers=8)
    space = stand_in_space(8)
    candidate = space.candidate(space.params(next(iter(StandIn(recipes_too=True).recipes(space))).candidate))
    elsewhere = TrialAttributes(worker=Process(host="elsewhere", machine="elsewhere", pid=1, started=0.0))
    for retry_of in (None, 0):
        number = worker.study.begin(space=space, candidate=candidate, retry_of=retry_of)
        assert worker.study._remember(number, elsewhere)
        while worker._look().running:
            time.sleep(0.05)
    first, second = worker.study.records()
    assert (first.outcome, second.outcome) == (Outcome.VANISHED, Outcome.GIVEN_UP)
    assert "2 workers were lost with it, search.retries is 1. Its worker elsewhere:1" in str(second.reason)
    worker.run(trials=3)
    assert [record.outcome for record in worker.study.records()][2:] == ["complete", "complete"]
