"""The real pipeline on a small model: what a study keeps, whatever happens to its worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from qpareto.errors import EngineError
from qpareto.objectives.measurement import Measurement
from qpareto.objectives.score import Scorer
from qpareto.search.api import results, run_study
from qpareto.search.results.study_results import Results
from qpareto.search.run.baselines import baselines
from qpareto.search.run.known import graph_of_study, warm_start
from qpareto.search.run.prepare import scorer_of_spec, space_of_spec
from qpareto.search.run.worker import Silence
from qpareto.search.study.outcome import Outcome
from qpareto.search.study.record import TrialRecord
from qpareto.search.study_file.loading import load_study_file


class Log(Silence):
    """Keeps what a worker tells."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[TrialRecord] = []

    def begin(self, number: int, what: str, *, finished: int) -> None:
        self.begun.append(what)

    def end(self, record: TrialRecord) -> None:
        self.ended.append(record)


def distinct_graphs(found: Results) -> list[str]:
    return [r.measurement.engine.graph_hash for r in found.records if r.measurement and r.reused_from is None]


def test_a_study_runs_its_trials_and_has_a_front(study_file: Path) -> None:
    log = Log()
    found = run_study(load_study_file(study_file), listener=log)
    assert [record.outcome for record in found.records] == [Outcome.COMPLETE] * 6
    assert [record.number for record in log.ended] == list(range(6))
    assert found.front
    assert len(set(distinct_graphs(found))) == len(distinct_graphs(found))
    assert 0.0 <= found.hypervolume() < 2.0


def test_the_same_seed_tries_the_same_masks_however_often_it_is_interrupted(study_file: Path) -> None:
    spec = load_study_file(study_file)
    whole = run_study(spec, trials=4)
    other = load_study_file(study_file, ["name=again"])
    for trials in (1, 3, 4):
        pieces = run_study(other, trials=trials)
    assert [r.params for r in pieces.records] == [r.params for r in whole.records]


def test_baselines_come_first_and_each_once(study_file: Path) -> None:
    spec = load_study_file(study_file, ["search.baselines=true", "space.calibration.methods=[max, entropy]"])
    run_study(spec, trials=2)
    found = run_study(spec, trials=7)
    names = [record.baseline for record in found.records if record.baseline]
    assert names[:4] == ["float", "modelopt-max", "modelopt-entropy", "ultralytics"]
    assert len(set(names)) == len(names)
    assert all(record.baseline is None for record in found.records[len(names) :])
    assert found.records[0].measurement is not None
    assert found.records[0].measurement.accuracy.change.value == 0.0


def test_a_graph_that_was_measured_is_told_again_and_said_to_be(study_file: Path) -> None:
    # On this model Ultralytics' recipe keeps nothing float: its mask is the full one.
    spec = load_study_file(study_file, ["search.baselines=true", "space.calibration.methods=[max, entropy]"])
    found = run_study(spec, trials=4)
    again = next(record for record in found.records if record.baseline == "ultralytics")
    first = next(record for record in found.records if record.baseline == "modelopt-max")
    assert again.reused_from == first.number
    assert again.measurement == first.measurement


def test_a_candidate_that_cannot_be_measured_is_a_failed_trial_with_its_reason(
    study_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = Scorer.measure
    calls = Counter[str]()

    def sometimes(self: Scorer, *args: object, **kwargs: object) -> Measurement:
        calls["measure"] += 1
        if calls["measure"] == 2:
            raise EngineError("The engine crashed with SIGSEGV.")
        return measure(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Scorer, "measure", sometimes)
    found = run_study(load_study_file(study_file), trials=3)
    assert [record.outcome for record in found.records] == ["complete", "failed", "complete"]
    assert found.records[1].reason == "The engine crashed with SIGSEGV."
    assert found.records[1].measurement is None


def test_a_build_that_takes_too_long_fails_its_trial_and_the_study_goes_on(study_file: Path) -> None:
    new_masks = "search.seed=7"  # whose engines no other test has built
    run_study(load_study_file(study_file, [new_masks]), trials=1)
    hasty = load_study_file(study_file, [new_masks, "engine.build_timeout_s=0.01"])
    found = run_study(hasty, trials=3)
    assert [record.outcome for record in found.records] == ["complete", "failed", "failed"]
    assert "did not end within 0.01 s" in str(found.records[1].reason)


def wait_for_a_running_trial(study_file: Path, *, behind: int) -> None:
    """Until so many trials are complete and another one runs."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with suppress(Exception):  # while its storage is being made
            states = Counter(record.outcome for record in results(load_study_file(study_file)).records)
            if states[Outcome.COMPLETE] >= behind and states[Outcome.RUNNING]:
                return
        time.sleep(0.1)
    raise TimeoutError(f"no trial runs behind {behind} complete ones")


def test_ctrl_c_marks_the_running_trial_and_the_next_run_tries_it_again(
    study_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = load_study_file(study_file)
    run_study(spec, trials=1)

    def interrupted(self: Scorer, *args: object, **kwargs: object) -> Measurement:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Scorer, "measure", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_study(spec, trials=3)
    assert [record.outcome for record in results(spec).records] == ["complete", "interrupted"]
    found = run_study(spec, trials=3)
    assert [record.outcome for record in found.records] == ["complete", "interrupted", "complete", "complete"]
    assert found.records[2].params == found.records[1].params


def test_killed_again_and_again_a_run_still_ends_with_every_trial_once(study_file: Path) -> None:
    command = [sys.executable, "-c", "from qpareto.search.cli import main; main()", "run", str(study_file)]
    for finished in range(3):  # each time another trial is killed: one that kills two workers would be given up
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as worker:
            wait_for_a_running_trial(study_file, behind=finished)
            os.kill(worker.pid, signal.SIGKILL)
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    found = results(load_study_file(study_file))
    assert Counter(r.outcome for r in found.records)[Outcome.COMPLETE] == 6, done.stderr
    assert Counter(r.outcome for r in found.records)[Outcome.RUNNING] == 0
    assert len(set(distinct_graphs(found))) == len(distinct_graphs(found))


def test_a_search_starts_with_the_predicted_front_behind_the_baselines(study_file: Path) -> None:
    warm = ["search.baselines=true", "search.warm_start=3", "space.calibration.methods=[max, entropy]"]
    spec = load_study_file(study_file, warm)
    scorer = scorer_of_spec(spec)
    space = space_of_spec(spec, scorer.layers)
    graph = graph_of_study(scorer, space, spec.objectives)
    measured = [baseline.candidate for baseline in baselines(space, faster_float_type=None)]
    first = warm_start(scorer, space, graph, spec.objectives, count=3, measured=measured)
    expected = [space.params(each) for each in first]
    run_study(spec, trials=7)
    found = run_study(spec, trials=10)
    proposed = [record.params for record in found.records if not record.baseline]
    assert expected
    assert proposed[: len(expected)] == expected
    assert all(params not in expected for params in proposed[len(expected) :])
