"""What a kind of engine must do whose library tells what really runs; derive from this instead of `EngineContract`."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from contracts.engines import EngineContract, random_images
from qpareto.objectives.engines import EngineKind, EngineOptions
from qpareto.objectives.engines.inspection import Inspection
from qpareto.objectives.engines.profile import LayerTime, reformat_share
from qpareto.objectives.promises.built import Built, Promise
from qpareto.objectives.promises.running import INSPECTED
from qpareto.spaces.masks import LayerMask
from qpareto.spaces.precision import INT8

CONVS = ("stem", "inner", "boxes", "scores")  # of the SmallDetector, in graph order


def read_floats(onnx_path: Path, conv: str) -> Path:
    """Let one Conv of a quantized detector read its tensors as they were before Q/DQ."""
    model = onnx.load(onnx_path)
    (node,) = (node for node in model.graph.node if node.name == conv)
    node.input[:] = [tensor.removesuffix(".dq") for tensor in node.input]
    onnx.save(model, onnx_path)
    return onnx_path


class InspectedEngineContract(EngineContract):
    """Each layer's precision after a build, and its time in a profile."""

    def test_all_layers_of_a_quantized_graph_ran_in_int8(self, engine_dir: Path) -> None:
        found = Inspection.load(engine_dir)
        assert found is not None
        assert found.ran_as(LayerMask.all(CONVS)) == len(CONVS)
        assert found.layers > len(found.reformats)

    def test_no_layer_of_a_float_graph_ran_in_int8(
        self, kind: EngineKind, options: EngineOptions, float_onnx: Path, tmp_path: Path
    ) -> None:
        kind.build(float_onnx, tmp_path, options)
        found = Inspection.load(tmp_path)
        assert found is not None
        assert found.ran_as(LayerMask.all(CONVS)) == 0

    @pytest.mark.parametrize("conv", CONVS)
    def test_the_one_float_layer_among_int8_layers_is_told(
        self, kind: EngineKind, options: EngineOptions, int8_onnx: Path, tmp_path: Path, conv: str
    ) -> None:
        kind.build(read_floats(int8_onnx, conv), tmp_path, options)
        found = Inspection.load(tmp_path)
        assert found is not None
        assert set(CONVS) - set(found.nodes[INT8]) == {conv}

    @pytest.fixture
    def profile(self, kind: EngineKind, options: EngineOptions, engine_dir: Path) -> tuple[LayerTime, ...]:
        return kind.profile(engine_dir, options, random_images(11))

    def test_a_profile_times_every_layer_once_in_the_order_of_the_graph(self, profile: tuple[LayerTime, ...]) -> None:
        assert all(0 < layer.ms < 10_000 for layer in profile)
        assert [node for layer in profile for node in layer.nodes if node in CONVS[:2]] == list(CONVS[:2])
        assert sorted(node for layer in profile for node in layer.nodes if node in CONVS) == sorted(CONVS)

    def test_a_profile_tells_the_same_of_its_layers_as_the_inspection(
        self, profile: tuple[LayerTime, ...], engine_dir: Path
    ) -> None:
        found = Inspection.load(engine_dir)
        assert found is not None
        assert {node for layer in profile if layer.precision == INT8 for node in layer.nodes} <= set(found.nodes[INT8])
        assert {layer.name for layer in profile if layer.reformat} <= set(found.reformats)
        assert all(layer.precision == INT8 for layer in profile if not set(CONVS).isdisjoint(layer.nodes))
        assert 0 <= reformat_share(profile) < 1

    @pytest.mark.parametrize("promise", INSPECTED.values(), ids=INSPECTED)
    def test_a_kind_that_tells_what_runs(self, promise: Promise, built: Built) -> None:
        assert promise(built)
