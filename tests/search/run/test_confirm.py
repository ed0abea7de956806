"""Finalists measured once more: fresh engines, other images, both figures kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, get_ident
from typing import Any

import pytest

from qpareto.errors import DatasetError, EngineError
from qpareto.objectives.engines.ref import EngineRef
from qpareto.objectives.finalist import measure_finalist
from qpareto.objectives.measurement import Measurement
from qpareto.objectives.quantization.apply_mask import QuantizedModel
from qpareto.objectives.score import Scorer
from qpareto.search.api import confirm_study, join_study, results, run_study
from qpareto.search.run import confirm
from qpareto.search.study_file.loading import load_study_file
from qpareto.spaces.candidate import Candidate


def test_a_run_ends_by_measuring_its_front_once_more_on_images_it_never_saw(
    study_file: Path, other_images: list[str]
) -> None:
    found = run_study(load_study_file(study_file, other_images), trials=3)
    assert found.front
    for point in found.front:
        assert isinstance(point.confirmed, Measurement)
        assert (point.measurement.accuracy.images, point.confirmed.accuracy.images) == (6, 3)
        assert point.confirmed.engine.graph_hash == point.measurement.engine.graph_hash
        assert point.as_json()["confirmed"]["images"] == 3


def test_recipes_the_reference_and_other_float_types_are_measured_once_more_too(
    study_file: Path, other_images: list[str]
) -> None:
    spec = load_study_file(study_file, [*other_images, "search.baselines=true"])
    found = run_study(spec, trials=6)
    assert {"float", "modelopt-max"} <= {point.baseline for point in found.baselines}
    for point in found.baselines:
        assert isinstance(point.confirmed, Measurement)
        assert point.confirmed.engine.float_type == point.measurement.engine.float_type
        assert point.figures.accuracy_from == "confirmed on 3 other images"
    assert found.reference is not None
    assert found.reference.decisive.accuracy.change.value == 0.0


def test_what_was_confirmed_is_not_measured_again(study_file: Path, other_images: list[str]) -> None:
    first = run_study(load_study_file(study_file, other_images), trials=2)
    again = confirm_study(load_study_file(study_file, other_images))
    assert [point.confirmed for point in again.front] == [point.confirmed for point in first.front]


def test_without_other_images_the_engines_are_built_anew_on_demand(study_file: Path, calibrated_cache: Path) -> None:
    spec = load_study_file(study_file, [f"cache={calibrated_cache}"])  # in which no other test has built any
    assert all(point.confirmed is None for point in run_study(spec, trials=2).front)
    engines = set((spec.cache / "engines").iterdir())
    found = confirm_study(spec)
    assert len(set((spec.cache / "engines").iterdir()) - engines) >= len(found.front)
    for point in results(spec).front:
        assert isinstance(point.confirmed, Measurement)
        assert (
            point.confirmed.accuracy.value == point.measurement.accuracy.value
        )  # the same images, and the CPU rounds alike


def test_workers_that_confirm_at_once_share_it_out_and_one_that_fails_holds_up_no_other(
    study_file: Path, other_images: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = load_study_file(study_file, [*other_images, "search.baselines=true"])
    bad = next(point for point in join_study(spec, trials=6).baselines if point.baseline == "modelopt-max")
    engine = Scorer.engine
    begun, measured = Barrier(2), list[tuple[int, str]]()

    def fails_of_one(self: Scorer, quantized: QuantizedModel, **named: Any) -> EngineRef:
        if self.build and quantized.graph_hash == bad.measurement.engine.graph_hash:
            raise EngineError("The step 'build engine' was killed.")
        return engine(self, quantized, **named)

    def seen_to_measure(scorer: Scorer, candidate: Candidate, **named: Any) -> Measurement:
        if get_ident() not in dict(measured):
            begun.wait(60)  # neither has ended before the other begins
        measured.append((get_ident(), f"{candidate} {named}"))
        return measure_finalist(scorer, candidate, **named)

    monkeypatch.setattr(Scorer, "engine", fails_of_one)
    monkeypatch.setattr(confirm, "measure_finalist", seen_to_measure)
    with ThreadPoolExecutor(2) as workers:
        one, other = workers.map(confirm_study, (spec, spec))
    assert [point.as_json() for point in one.points] == [point.as_json() for point in other.points]
    again = {point.trial: point.confirmed for point in one.points}
    assert str(again.pop(bad.trial)) == "The step 'build engine' was killed."
    assert all(isinstance(again[point.trial], Measurement) for point in one.front)
    assert sum(isinstance(found, Measurement) for found in again.values()) == len(measured) - 1
    assert len({worker for worker, _ in measured}) == 2
    assert len({candidate for _, candidate in measured}) == len(measured)


def test_confirming_on_images_that_the_search_saw_is_refused(study_file: Path, assets: Path) -> None:
    seen = f"data.confirm={{images: {assets / 'eval'}, annotations: {assets / 'instances.json'}}}"
    run_study(load_study_file(study_file), trials=1)
    with pytest.raises(DatasetError, match=r"6 confirmation images .* of 6 are also evaluation images"):
        confirm_study(load_study_file(study_file, [seen]))
