"""TensorRT for RTX builds what the search proposes, on a machine without a GPU; where one is, all of the contract.

A graph that its parser rejects fails here, long before a user's GPU sees it.
"""

from __future__ import annotations

import dataclasses
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnx
import pytest

from contracts.engines import BuildContract, SmallDetector
from contracts.inspected_engines import InspectedEngineContract
from networks import small_network
from qpareto.errors import EngineError
from qpareto.objectives.engines import EngineKind, EngineOptions, engine_kind
from qpareto.objectives.engines.build import engine_from_onnx
from qpareto.objectives.engines.inspection import INSPECTION
from qpareto.objectives.engines.tensorrt.rtx import RtxOptions
from qpareto.objectives.isolation import child
from qpareto.objectives.isolation.child import run_in_child
from qpareto.objectives.quantization.calibrate import structure_of_model
from qpareto.objectives.store import Store
from qpareto.spaces.masks import LayerMask
from qpareto.spaces.model import read_model
from rtx_builds import plan_sizes

pytest.importorskip("tensorrt_rtx_bindings", reason="needs TensorRT for RTX: pip install 'qpareto[tensorrt-rtx]'")

KIND = engine_kind("tensorrt_rtx")
CAPABILITIES = ("8.6", "8.9", "12.0")
OPTIONS = RtxOptions(float_type="fp16", capability="8.9")
ROOT = Path(__file__).resolve().parents[4]

runs_here = pytest.mark.skipif(not KIND.availability().can_run, reason="needs an RTX-class GPU")


class TestTensorRtRtxBuilds(BuildContract):
    @pytest.fixture
    def kind(self) -> EngineKind:
        return KIND


class TestTensorRtRtxBuildsInFp32(BuildContract):
    @pytest.fixture
    def kind(self) -> EngineKind:
        return KIND

    @pytest.fixture
    def options(self) -> EngineOptions:
        return dataclasses.replace(OPTIONS, float_type="fp32")


@pytest.mark.gpu
@runs_here
class TestTensorRtRtxKind(InspectedEngineContract):
    float_tolerance: ClassVar[float] = 5e-3  # FP16
    int8_tolerance: ClassVar[float] = 0.2  # FP16 itself turns one rounding in 16 the other way at a Q

    @pytest.fixture
    def kind(self) -> EngineKind:
        return KIND


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


def check_builds(model: Path, masks: dict[str, list[LayerMask]], store: Store, folder: Path) -> None:
    """Each capability's masks for that capability."""

    def build(capability: str) -> list[int]:
        arguments = (model, [mask.word for mask in masks[capability]], capability, store, folder / capability)
        return run_in_child(plan_sizes, *arguments, timeout_s=600, log_path=folder / f"{capability}.log")

    with ThreadPoolExecutor(2) as pool:
        for capability, sizes in zip(masks, pool.map(build, masks), strict=True):
            assert len(sizes) == len(masks[capability])
            assert min(sizes) > 0


def test_any_mask_of_the_quickstarts_model_builds_for_any_rtx_gpu(store: Store, tmp_path: Path) -> None:
    model = ROOT / "studies" / "quickstart" / "shapes-yolo11n.onnx"
    layers = structure_of_model(read_model(model), store).layers
    coin, masks = random.Random(0), {each: [LayerMask.none(layers), LayerMask.all(layers)] for each in CAPABILITIES}
    for share, capability in zip(np.linspace(0.1, 0.9, 15), CAPABILITIES * 5, strict=True):
        masks[capability].append(LayerMask.from_names(layers, [name for name in layers if coin.random() < share]))
    check_builds(model, masks, store, tmp_path)


def test_yolo11n_builds(shared: Path, store: Store, tmp_path: Path) -> None:
    model = shared / "models" / "yolo11n.onnx"
    layers = structure_of_model(read_model(model), store).layers
    masks = [LayerMask.all(layers), LayerMask.from_names(layers, layers[::2])]
    check_builds(model, dict.fromkeys(CAPABILITIES, masks), store, tmp_path)


def test_an_engine_without_a_target_is_built_for_every_supported_gpu(tmp_path: Path) -> None:
    KIND.build(SmallDetector(quantized=True).save(tmp_path / "g.onnx"), tmp_path, OPTIONS)
    KIND.build(tmp_path / "g.onnx", tmp_path, dataclasses.replace(OPTIONS, capability=None))
    assert (tmp_path / "engine.plan").stat().st_size > 0


@pytest.mark.parametrize("capability", ["9.0", "8.7", "ampere"])
def test_a_capability_that_rtx_does_not_know_is_refused_with_those_it_does(capability: str, tmp_path: Path) -> None:
    path = SmallDetector(quantized=True).save(tmp_path / "g.onnx")
    with pytest.raises(EngineError, match=rf"8\.6, 8\.9.*not for '{capability}': set engine\.capability"):
        KIND.build(path, tmp_path, dataclasses.replace(OPTIONS, capability=capability))


def test_a_graph_that_the_parser_rejects_is_one_sentence_with_the_node(tmp_path: Path) -> None:
    path = SmallDetector(quantized=False).save(tmp_path / "g.onnx")
    model = onnx.load(path)
    model.graph.node[0].op_type = "Conundrum"
    onnx.save(model, path)
    with pytest.raises(
        EngineError, match=r"TensorRT for RTX cannot read g\.onnx: .*at node stem \(Conundrum\)"
    ) as failure:
        KIND.build(path, tmp_path, dataclasses.replace(OPTIONS, float_type="fp32"))
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("options", [{"optimization_level": 1}, {"workspace_mib": 256}])
def test_builder_options_are_taken(options: dict[str, int], tmp_path: Path) -> None:
    path = SmallDetector(quantized=True).save(tmp_path / "g.onnx")
    KIND.build(path, tmp_path, dataclasses.replace(OPTIONS, **options))  # type: ignore[arg-type]
    assert (tmp_path / "engine.plan").is_file()


def test_fp16_weights_make_a_smaller_engine_than_fp32(tmp_path: Path) -> None:
    sizes = {}
    for float_type in ("fp16", "fp32"):
        path = small_network(tmp_path / "g.onnx", channels=64)
        KIND.build(path, tmp_path, dataclasses.replace(OPTIONS, float_type=float_type))
        sizes[float_type] = (tmp_path / "engine.plan").stat().st_size
    assert sizes["fp16"] < sizes["fp32"]


@pytest.mark.skipif(KIND.availability().can_run, reason="needs a machine that cannot run RTX engines")
def test_where_engines_cannot_run_loading_one_says_so_in_one_sentence(tmp_path: Path) -> None:
    KIND.build(SmallDetector(quantized=True).save(tmp_path / "g.onnx"), tmp_path, OPTIONS)
    assert not (tmp_path / INSPECTION).exists()  # only a machine that can load the engine can tell what runs in it
    with pytest.raises(EngineError, match=r"cannot run here\. ") as failure:
        KIND.load(tmp_path, OPTIONS)
    assert "\n" not in str(failure.value)


def test_builds_share_one_process_for_the_library_takes_seconds_to_load(tmp_path: Path) -> None:
    store, graph = Store(tmp_path / "store"), SmallDetector(quantized=True).save(tmp_path / "g.onnx")
    engine_from_onnx(graph, "one", OPTIONS, store)
    builder = vars(child._kept)[KIND.name]
    engine_from_onnx(graph, "another", OPTIONS, store)
    assert vars(child._kept)[KIND.name] is builder
    assert builder.is_alive
