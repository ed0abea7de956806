"""A study on a device without an INT8 kernel for some layer: one build fails, and none of that layer again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import yaml

from qpareto.errors import NoKernelError
from qpareto.objectives import builder
from qpareto.objectives.engines import engine_kind
from qpareto.objectives.engines.build import engine_from_onnx
from qpareto.objectives.engines.ref import EngineRef
from qpareto.objectives.quantization.graph import QdqGraph
from qpareto.search.api import layers_of_study_or_model, run_study
from qpareto.search.results.study_results import Results
from qpareto.search.study_file.loading import load_study_file

STEM, LEFT, DOWN = "/model.0/conv/Conv", "/model.1/cv1/conv/Conv", "/model.2/conv/Conv"

Lacks = Callable[[set[str]], str | None]  # INT8 layers of a graph -> the one that has no kernel beside the others


@pytest.fixture
def study(study_file: Path, calibrated_cache: Path) -> Path:
    """With recipes first and our own sampler, and a cache of its own: what is learned stays in it."""
    document = yaml.safe_load(study_file.read_text())
    document["search"] |= {"baselines": True, "trials": 9, "sampler": "auto"}
    document["cache"] = str(calibrated_cache)
    study_file.write_text(yaml.safe_dump(document))
    return study_file


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> Callable[[Lacks], list[str]]:
    """Makes OpenVINO a kind that chooses kernels as it builds, and lacks some; tells of each build that failed."""

    def make(lacks: Lacks) -> list[str]:
        failed: list[str] = []

        def build(onnx_path: Path, *arguments: Any, **options: Any) -> EngineRef:
            layer = lacks(set(QdqGraph(onnx.load(onnx_path)).quantized_layers()))
            if layer is not None:
                failed.append(layer)
                raise NoKernelError(f"It has no kernel here for w with {layer}.", nodes=("w", layer))
            return engine_from_onnx(onnx_path, *arguments, **options)

        monkeypatch.setattr(type(engine_kind("openvino")), "chooses_kernels", True)
        monkeypatch.setattr(builder, "engine_from_onnx", build)
        return failed

    return make


def int8_of(results: Results) -> list[set[str]]:
    return [set(record.measurement.engine.int8_layers) for record in results.records if record.measurement]


def test_a_layer_without_a_kernel_costs_one_build_and_no_trial(
    study: Path, lacking: Callable[[Lacks], list[str]]
) -> None:
    failed = lacking(lambda int8: STEM if STEM in int8 else None)
    results = run_study(load_study_file(study))
    assert failed == [STEM]
    assert [record.outcome for record in results.records if record.outcome == "failed"] == []
    assert not any(STEM in layers for layers in int8_of(results))
    recipes = {point.baseline: point.measurement.engine.no_int8_kernel for point in results.baselines}
    assert recipes["modelopt-max"] == recipes["modelopt-entropy"] == (STEM,)
    assert recipes["float"] == ()
    asked = [record.params for record in results.records if not record.baseline]
    assert asked
    assert all(value == "float" for params in asked for name, value in params.items() if name.startswith("000"))
    (remark,) = [remark for remark in results.remarks() if "No INT8 kernel" in remark]
    assert f"{STEM}. It runs in float in every candidate, in the baselines modelopt-max, modelopt-entropy" in remark


def test_a_layer_that_lacks_a_kernel_beside_some_others_only_fails_one_trial_with_its_reason(
    study: Path, lacking: Callable[[Lacks], list[str]]
) -> None:
    failed = lacking(lambda int8: DOWN if DOWN in int8 and LEFT not in int8 else None)
    results = run_study(load_study_file(study, ["search.trials=16"]))
    trials = [record for record in results.records if record.outcome == "failed"]
    assert len(failed) == len(trials) == 1
    assert f"No INT8 kernel for {DOWN} in openvino" in str(trials[0].reason)
    assert not any(
        DOWN in (record.measurement.engine.int8_layers)
        for record in results.records[trials[0].number :]
        if record.measurement
    )


@pytest.mark.parametrize("sampler", ["auto", "random"])
def test_another_run_and_the_layers_know_what_the_first_one_learned(
    study: Path, lacking: Callable[[Lacks], list[str]], sampler: str
) -> None:
    failed = lacking(lambda int8: STEM if STEM in int8 else None)
    for trials in (2, 4):
        results = run_study(load_study_file(study, [f"search.trials={trials}", f"search.sampler={sampler}"]))
        assert not any(record.outcome == "failed" for record in results.records)
    assert failed == [STEM]
    told = {row["name"]: row["no_kernel"] for row in layers_of_study_or_model(study)}
    assert [name for name, reason in told.items() if reason] == [STEM]
    assert "has no kernel here for w" in told[STEM]
