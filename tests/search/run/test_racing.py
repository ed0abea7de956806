"""Racing in a study: who is stopped, what the study keeps of them, and that its front is the one of a study without."""

from __future__ import annotations

import logging
import math
from collections import Counter
from pathlib import Path

import pytest
from optuna.trial import TrialState, create_trial

from made_up_trials import REFERENCE_MS, stopped
from qpareto.objectives.accuracy.race import Stopped
from qpareto.objectives.measurement import Measurement
from qpareto.objectives.score import Scorer
from qpareto.objectives.staged import StagedScorer
from qpareto.search.api import results, run_study
from qpareto.search.run.prepare import scorer_of_spec, space_of_spec
from qpareto.search.run.racing import observer, staged_scorer
from qpareto.search.study.opening import open_study
from qpareto.search.study.outcome import Outcome
from qpareto.search.study.search_study import SearchStudy
from qpareto.search.study_file.loading import load_study_file
from qpareto.search.study_file.spec import StudySpec
from qpareto.spaces.calibration import CalibrationChoice
from qpareto.spaces.candidate import Candidate
from qpareto.spaces.masks import LayerMask

BOTH = ("map50_95", "latency_ms")


def racing(study_file: Path, *overrides: str) -> StudySpec:
    return load_study_file(study_file, ["search.race={confidence: 0.8}", *overrides])


def test_a_study_of_map_and_latency_races_by_default_with_the_confidence_of_its_file(study_file: Path) -> None:
    spec = racing(study_file, "search.seed=3")
    scorer = scorer_of_spec(spec)
    found = staged_scorer(spec.search, scorer, BOTH)
    assert found is not None
    assert (found.race.confidence, found.seed, found.scorer) == (0.8, 3, scorer)
    assert type(spec.search)().race is not None
    assert staged_scorer(load_study_file(study_file, ["search.race=null"]).search, scorer, BOTH) is None


@pytest.mark.parametrize("objectives", [("map50_95",), (*BOTH, "engine_bytes")])
def test_with_other_objectives_there_is_no_race_and_the_reason_is_told(
    study_file: Path, objectives: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    spec = racing(study_file)
    with caplog.at_level(logging.INFO):
        assert staged_scorer(spec.search, scorer_of_spec(spec), objectives) is None
    assert "search.race needs the objectives map50_95 and latency_ms and no other" in caplog.text


def test_a_pruned_trial_tells_a_sampler_what_was_foretold_and_how_unsure_that_is() -> None:
    told = create_trial(state=TrialState.PRUNED, user_attrs={"stopped": stopped(0.38, 0.6).as_json()})
    for objectives in (BOTH, BOTH[::-1]):
        found = observer(objectives)(told)
        assert found is not None
        of = dict(zip(objectives, zip(found.values, found.deviations, strict=True), strict=True))
        assert of["map50_95"] == pytest.approx((0.38, 0.01 * math.sqrt(1 - 41 / 328)))
        assert of["latency_ms"] == pytest.approx((0.6 * REFERENCE_MS, 0.01 * REFERENCE_MS / 1.96))
    for other in (create_trial(state=TrialState.PRUNED), create_trial(values=[0.4, 1.0])):
        assert observer(BOTH)(other) is None


class Stages:
    """Stands in for the stages: stops every candidate, and counts them."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        patch.setattr(StagedScorer, "measure", lambda _, *args: self.measure(*args))

    def measure(self, *_: object) -> Stopped:
        self.calls += 1
        return stopped(0.38, 0.6)


def test_a_candidate_that_was_stopped_is_a_pruned_trial_which_counts_as_finished(
    study_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = Stages(monkeypatch)
    found = run_study(racing(study_file), trials=4)
    assert [record.outcome for record in found.records] == ["pruned"] * 4
    assert stages.calls == len({record.stopped_graph for record in found.records})
    assert found.front == ()
    assert found.records[0].stopped == stopped(0.38, 0.6)


def begin(spec: StudySpec, candidate: Candidate) -> tuple[SearchStudy, int]:
    """A trial that another worker has begun."""
    study = open_study(spec)
    return study, study.begin(space=space_of_spec(spec, scorer_of_spec(spec).layers), candidate=candidate)


def everything(scorer: Scorer) -> LayerMask:
    return LayerMask.all([layer.name for layer in scorer.layers])


def test_a_graph_that_was_stopped_is_stopped_again_and_nothing_is_measured(
    study_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages, spec = Stages(monkeypatch), racing(study_file)
    run_study(spec, trials=1)
    scorer, seen = scorer_of_spec(spec), stopped(0.37, 0.6)
    one, other = (Candidate(CalibrationChoice("max", size), everything(scorer)) for size in (2, 4))
    study, before = begin(spec, one)
    study.prune(before, seen, graph_hash=scorer.quantize(other).graph_hash)
    _, number = begin(spec, other)
    study.fail(number, "It was told to end.", outcome=Outcome.INTERRUPTED)  # so that this candidate is the next
    again = run_study(spec, trials=3).records[-1]
    assert (again.retry_of, again.outcome, again.reused_from, again.stopped) == (number, "pruned", before, seen)
    assert stages.calls == 1  # the first trial's


def test_a_baseline_is_measured_in_full_even_if_its_graph_was_stopped(study_file: Path) -> None:
    run_study(racing(study_file), trials=1)
    spec = racing(study_file, "search.baselines=true")
    scorer = scorer_of_spec(spec)
    candidate = Candidate(CalibrationChoice("max", 4), everything(scorer))
    study, number = begin(spec, candidate)
    graph = scorer.quantize(candidate).graph_hash
    study.prune(number, stopped(0.38, 0.6), graph_hash=graph)
    found = run_study(spec, trials=4)
    (recipe,) = (record for record in found.records if record.baseline == "modelopt-max")
    assert recipe.measurement is not None
    assert (recipe.measurement.engine.graph_hash, recipe.reused_from) == (graph, None)


def test_ctrl_c_in_a_race_leaves_an_interrupted_trial_that_is_tried_again(
    study_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = racing(study_file)

    def interrupted(*_: object) -> Measurement:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(StagedScorer, "measure", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_study(spec, trials=2)
    assert [record.outcome for record in results(spec).records] == ["interrupted"]
    Stages(monkeypatch)
    found = run_study(spec, trials=2)
    assert [record.outcome for record in found.records] == ["interrupted", "pruned", "pruned"]
    assert found.records[1].params == found.records[0].params


def test_a_real_study_stops_only_what_its_rivals_match_within_the_intervals(shapes: Path, study_file: Path) -> None:
    overrides = [
        f"model={shapes / 'model.onnx'}",
        f"data.images={shapes / 'eval' / 'images'}",
        f"data.annotations={shapes / 'eval' / 'instances.json'}",
        f"data.calibration={shapes / 'calib' / 'images'}",
        f"cache={shapes / 'cache'}",
        "space={calibration: {methods: [max], sizes: [4]}, mask: {groups: block}}",
        "latency={ci_width: 0.1, max_seconds: 0.5, max_wait_s: 0}",
        "search={sampler: random, trials: 4, baselines: false, warm_start: 0}",
    ]
    raced = run_study(load_study_file(study_file, [*overrides, "search.race={confidence: 0.8}"]))
    states = Counter(record.outcome for record in raced.records)
    assert states[Outcome.PRUNED] + states[Outcome.COMPLETE] == 4
    unraced = run_study(load_study_file(study_file, [*overrides, "name=unraced", "search.race=null"]))
    assert [r.params for r in unraced.records] == [r.params for r in raced.records]
    assert {r.outcome for r in unraced.records} == {"complete"}
    for pruned in (record for record in raced.records if record.stopped):
        twin = unraced.records[pruned.number].measurement
        assert twin is not None
        assert pruned.stopped is not None
        rival = next(point for point in raced.points if point.trial == pruned.stopped.rival)
        assert rival.measurement.accuracy.change.high >= twin.accuracy.change.low
