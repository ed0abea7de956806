"""The real pipeline on the quickstart's detector: who is stopped, and what is kept of those who are not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from made_up_trials import changed
from qpareto.errors import EngineError
from qpareto.objectives.accuracy.coco import Accuracy
from qpareto.objectives.accuracy.data.evaluation_set import EvaluationSet
from qpareto.objectives.accuracy.data.images import letterboxed_images
from qpareto.objectives.accuracy.data.reading import dataset_from_coco
from qpareto.objectives.accuracy.heads.head_kinds import head_of_model
from qpareto.objectives.accuracy.race import Race, Stopped
from qpareto.objectives.accuracy.sample import Sample
from qpareto.objectives.engines.openvino.kind import OpenVinoOptions
from qpareto.objectives.interval import Interval
from qpareto.objectives.latency.paired import LatencyBudget
from qpareto.objectives.latency.telemetry import HostLoad
from qpareto.objectives.measurement import Measurement
from qpareto.objectives.quantization.calibrate import CalibrationSet, quantizable_layers
from qpareto.objectives.score import Scorer
from qpareto.objectives.staged import COARSE, StagedScorer
from qpareto.objectives.store import Store, file_hash
from qpareto.spaces.calibration import CalibrationChoice
from qpareto.spaces.candidate import Candidate
from qpareto.spaces.masks import LayerMask
from qpareto.spaces.model import read_model

IMAGES = 40  # of `shapes`; looked at after 20
QUICK = LatencyBudget(ci_width=0.5, min_pairs=20, max_seconds=0.3, warmup_seconds=0.2, repeats=0)
UNCONCERNED, NEVER_QUIET = HostLoad(limit=1.0, max_wait_s=0), HostLoad(limit=-1.0, max_wait_s=0)


@pytest.fixture(scope="module")
def scorer(shapes: Path) -> Scorer:
    store = Store(shapes / "cache")
    model = read_model(shapes / "model.onnx")
    _, _, height, width = model.input_shape
    head = head_of_model(model.output_shapes, model.class_names, model.metadata)
    dataset = dataset_from_coco(shapes / "eval" / "images", shapes / "eval" / "instances.json")
    dataset = dataset.for_model(model.class_names, head.classes)
    paths = sorted((shapes / "calib" / "images").iterdir())
    calibration = letterboxed_images(paths, height=height, width=width, store=store)
    return Scorer(
        model=model,
        layers=quantizable_layers(model, store),
        images=EvaluationSet.of_dataset(dataset, height=height, width=width, store=store),
        head=head,
        calibration=CalibrationSet(pixels=calibration.path, hashes=tuple(map(file_hash, paths))),
        options=OpenVinoOptions(threads=1),
        budget=QUICK,
        store=store,
        load=UNCONCERNED,
        unit_ms=10.0,
    )


def in_float(scorer: Scorer) -> Candidate:
    return Candidate(CalibrationChoice("max", 4), LayerMask.none([layer.name for layer in scorer.layers]))


def in_int8(scorer: Scorer) -> Candidate:
    return Candidate(CalibrationChoice("max", 4), LayerMask.all([layer.name for layer in scorer.layers]))


@pytest.fixture(scope="module")
def measured(scorer: Scorer) -> dict[str, Measurement]:
    candidates = {"float": in_float(scorer), "INT8": in_int8(scorer)}
    found = {name: scorer.measure(each, scorer.quantize(each)) for name, each in candidates.items()}
    assert found["INT8"].accuracy.value < found["float"].accuracy.value - 0.005
    return found


def test_a_measurement_tells_the_seconds_of_what_was_done_since_the_one_before(scorer: Scorer) -> None:
    anew, candidate = replace(scorer, build=91, seconds={}), in_int8(scorer)
    first = anew.measure(candidate, anew.quantize(candidate)).provenance.seconds
    assert first.keys() == {"build", "evaluate", "time"}
    assert all(0.1 < seconds < 600 for seconds in first.values())
    assert anew.measure(candidate, anew.quantize(candidate)).provenance.seconds.keys() == {"time"}
    forget(anew, candidate)
    slow = anew.measure(in_float(scorer), anew.reference_graph())
    raced = StagedScorer(scorer=anew, race=Race(), seed=0)
    found = raced.measure(candidate, anew.quantize(candidate), {7: timed_at(slow, 5.0)})
    assert isinstance(found, Measurement)
    assert "race" in found.provenance.seconds


def timed_at(found: Measurement, ratio: float) -> Measurement:
    """The same engine, had it been so fast."""
    exact = Interval(ratio, ratio, ratio)
    return replace(found, timing=replace(found.timing, ratio=exact, own=exact))


def forget(scorer: Scorer, candidate: Candidate) -> Accuracy | None:
    """Take a candidate's accuracy out of the store."""
    engine = scorer.engine(scorer.quantize(candidate))
    key = scorer.evaluator.key(engine)
    folder = scorer.store.find("accuracy", key)
    kept = None if folder is None else Accuracy.load(folder)
    if folder is not None:
        scorer.store.discard("accuracy", key)
    return kept


def staged(scorer: Scorer, candidate: Candidate, front: dict[int, Measurement]) -> Measurement | Stopped:
    race = StagedScorer(scorer=scorer, race=Race(), seed=0)
    return race.measure(candidate, scorer.quantize(candidate), front)


def logs_of_full_timings(scorer: Scorer) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (scorer.store.root / "logs").glob("latency-*")}


def test_who_is_dominated_by_a_faster_one_is_stopped_and_nothing_is_kept_of_its_accuracy(
    scorer: Scorer, measured: dict[str, Measurement]
) -> None:
    forget(scorer, in_int8(scorer))
    before = logs_of_full_timings(scorer)
    found = staged(scorer, in_int8(scorer), {7: timed_at(measured["float"], 0.01)})
    assert isinstance(found, Stopped)
    assert (found.rival, found.rival_value) == (7, measured["float"].accuracy.value)
    assert (found.standing.images, found.standing.of_images) == (20, IMAGES)
    assert found.value.low < measured["INT8"].accuracy.value < found.value.high
    assert found.latency_ms == pytest.approx(found.latency_ratio * 10.0)
    assert found.latency_ratio_ci[0] <= found.latency_ratio <= found.latency_ratio_ci[1]
    assert forget(scorer, in_int8(scorer)) is None
    assert logs_of_full_timings(scorer) == before


@pytest.mark.parametrize(
    ("own", "rivals", "ratio"), [("INT8", "float", 5.0), ("float", "INT8", 0.01)], ids=["faster", "more accurate"]
)
def test_who_is_not_dominated_is_measured_in_full_as_without_a_race_to_the_last_bit(
    scorer: Scorer, measured: dict[str, Measurement], own: str, rivals: str, ratio: float
) -> None:
    candidate = in_int8(scorer) if own == "INT8" else in_float(scorer)
    unraced = scorer.evaluator.accuracy(scorer.engine(scorer.quantize(candidate)))
    forget(scorer, candidate)
    found = staged(scorer, candidate, {7: timed_at(measured[rivals], ratio)})
    assert isinstance(found, Measurement)
    raced = forget(scorer, candidate)
    assert raced is not None
    assert raced.score == unraced.score
    for name, values in vars(unraced.matches).items():
        np.testing.assert_array_equal(getattr(raced.matches, name), values, strict=True)
    assert (found.accuracy, found.engine) == (measured[own].accuracy, measured[own].engine)


def test_whose_accuracy_is_known_is_not_raced_and_needs_no_timing_if_it_is_dominated(
    scorer: Scorer, measured: dict[str, Measurement]
) -> None:
    scorer.evaluator.accuracy(scorer.engine(scorer.quantize(in_int8(scorer))))
    before = logs_of_full_timings(scorer)
    found = staged(scorer, in_int8(scorer), {7: timed_at(measured["float"], 0.01)})
    assert isinstance(found, Stopped)
    assert found.standing.images == IMAGES
    assert found.value == pytest.approx((measured["INT8"].accuracy.value,) * 3)
    assert logs_of_full_timings(scorer) == before


def test_a_rivals_accuracy_is_found_by_its_key_and_measured_again_where_it_was_evicted(
    scorer: Scorer, measured: dict[str, Measurement]
) -> None:
    rival, older = measured["INT8"], changed(measured["INT8"], accuracy_key=None, engine_key=None)
    race = StagedScorer(scorer=scorer, race=Race(), seed=0)
    for found in (rival, older):
        forget(scorer, in_int8(scorer))
        assert Accuracy.load(race._accuracy_of(found)).score.value == rival.accuracy.value
    cannot_quantize = replace(race, scorer=replace(scorer, layers=()))
    assert cannot_quantize._accuracy_of(rival) == race._accuracy_of(older)
    assert rival.engine.key == scorer.engine(scorer.quantize(in_int8(scorer))).name


def known_as(scorer: Scorer, candidate: Candidate, sample: Sample | None) -> None:
    """Keep a candidate's accuracy with this sample in the place of its own."""
    engine = scorer.engine(scorer.quantize(candidate))
    accuracy = replace(scorer.evaluator.accuracy(engine), sample=sample)
    scorer.store.discard("accuracy", scorer.evaluator.key(engine))
    scorer.store.make("accuracy", scorer.evaluator.key(engine), accuracy.save)


def test_who_is_timed_otherwise_than_it_was_scored_fails_in_full_and_in_a_race(
    scorer: Scorer, measured: dict[str, Measurement]
) -> None:
    candidate = in_int8(scorer)
    forget(scorer, candidate)
    sample = scorer.evaluator.accuracy(scorer.engine(scorer.quantize(candidate))).sample
    assert sample is not None
    assert len(sample.found) == 8
    assert any(len(found.scores) for found in sample.found.values())
    images = list(sample.found)
    mixed_up = {image: sample.found[other] for image, other in zip(images, images[1:] + images[:1], strict=True)}
    known_as(scorer, candidate, Sample(mixed_up))
    try:
        for front in ({}, {7: timed_at(measured["float"], 5.0)}):
            with pytest.raises(EngineError, match="What was timed is not what was scored: in evaluation image"):
                staged(scorer, candidate, front)
    finally:
        forget(scorer, candidate)


def test_an_accuracy_that_an_older_program_kept_without_a_sample_is_used_as_it_is(
    scorer: Scorer, measured: dict[str, Measurement]
) -> None:
    candidate = in_int8(scorer)
    known_as(scorer, candidate, None)
    assert scorer.evaluator.sample(scorer.engine(scorer.quantize(candidate))) is None
    for front in ({}, {7: timed_at(measured["float"], 5.0)}):
        found = staged(scorer, candidate, front)
        assert isinstance(found, Measurement)
        assert found.accuracy.value == measured["INT8"].accuracy.value
    forget(scorer, candidate)


def test_without_a_front_a_candidate_is_measured_in_full(scorer: Scorer) -> None:
    assert isinstance(staged(scorer, in_int8(scorer), {}), Measurement)


def test_a_timing_that_was_disturbed_stops_nobody(scorer: Scorer, measured: dict[str, Measurement]) -> None:
    found = staged(replace(scorer, load=NEVER_QUIET), in_int8(scorer), {7: timed_at(measured["float"], 0.01)})
    assert isinstance(found, Measurement)
    assert "foreign_load" in found.timing.flags


def test_a_full_timing_starts_anew_unless_it_is_no_finer_than_the_coarse_one(
    scorer: Scorer, measured: dict[str, Measurement]
) -> None:
    slower = {7: timed_at(measured["float"], 5.0)}
    fine = LatencyBudget(
        ci_width=1e-6, min_pairs=20, max_seconds=COARSE.max_seconds + 0.1, warmup_seconds=0.2, repeats=0
    )
    for budget, anew in ((QUICK, False), (fine, True)):
        before = logs_of_full_timings(scorer)
        assert isinstance(staged(replace(scorer, budget=budget), in_int8(scorer), slower), Measurement)
        assert (logs_of_full_timings(scorer) != before) == anew
