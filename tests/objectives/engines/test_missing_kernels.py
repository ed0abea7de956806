"""A layer without an INT8 kernel is learned once, by all who share a folder, and for what it was seen of only."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import pytest

from qpareto.errors import EngineError, NoKernelError
from qpareto.objectives.engines import EngineKind, engine_kind
from qpareto.objectives.engines.base import Availability
from qpareto.objectives.engines.missing_kernels import MissingKernels
from qpareto.objectives.engines.tensorrt.options import TensorRtOptions
from qpareto.objectives.isolation.child import run_in_child
from qpareto.spaces.masks import LayerMask

ERROR = NoKernelError("It has no kernel here for w with conv with add.", nodes=("w", "conv", "add"))


def mask(*int8: str) -> LayerMask:
    return LayerMask.from_names(["conv", "other", "add"], int8)


@pytest.fixture
def options(tmp_path: Path) -> TensorRtOptions:
    return TensorRtOptions(float_type="fp16", shared_dir=tmp_path)


@pytest.fixture(autouse=True)
def _kind_that_builds(monkeypatch: pytest.MonkeyPatch) -> EngineKind:
    """TensorRT as on a machine that has it, which this one may not be."""
    kind = type(engine_kind("tensorrt"))
    monkeypatch.setattr(kind, "availability", lambda self: Availability(can_build=True, can_run=True))
    monkeypatch.setattr(kind, "versions", lambda self: {"tensorrt": "8.6.1"})
    monkeypatch.setattr(kind, "device_name", lambda self: "NVIDIA H200")
    return engine_kind("tensorrt")


def test_only_the_nodes_that_were_int8_layers_are_learned(options: TensorRtOptions) -> None:
    missing = MissingKernels(options, model="m")
    told = missing.learned(ERROR, mask("conv", "other"))
    assert told is not None
    assert str(told).startswith("No INT8 kernel for conv in tensorrt on NVIDIA H200: float from now on")
    assert missing.known() == {"conv": str(ERROR)}


def test_a_failure_of_no_int8_layer_teaches_nothing(options: TensorRtOptions) -> None:
    missing = MissingKernels(options, model="m")
    assert missing.learned(ERROR, mask("other")) is None
    assert missing.known() == {}


def test_what_one_process_learned_others_know_who_began_before(options: TensorRtOptions) -> None:
    one, other = MissingKernels(options, model="m"), MissingKernels(options, model="m")
    one.learned(ERROR, mask("conv"))
    other.learned(ERROR, mask("add"))
    assert set(one.known()) == set(other.known()) == {"conv", "add"}
    assert set(MissingKernels(options, model="m").known()) == {"conv", "add"}


@pytest.mark.parametrize("change", [{"batch": 8}, {"float_type": "fp32"}, {"optimization_level": 5}])
def test_another_way_to_build_may_have_a_kernel(options: TensorRtOptions, change: dict[str, object]) -> None:
    MissingKernels(options, model="m").learned(ERROR, mask("conv"))
    assert MissingKernels(dataclasses.replace(options, **change), model="m").known() == {}  # type: ignore[arg-type]


def test_another_model_may_have_a_kernel_and_what_stays_fp32_changes_nothing(options: TensorRtOptions) -> None:
    MissingKernels(options, model="m").learned(ERROR, mask("conv"))
    assert MissingKernels(options, model="n").known() == {}
    assert MissingKernels(dataclasses.replace(options, keep_fp32=("t",)), model="m").known()


def test_without_a_folder_it_is_known_in_this_process_alone(options: TensorRtOptions) -> None:
    nowhere = dataclasses.replace(options, shared_dir=None)
    missing = MissingKernels(nowhere, model="m")
    missing.learned(ERROR, mask("conv"))
    assert missing.known()
    assert not MissingKernels(nowhere, model="m").known()


def fail() -> None:
    raise ERROR


def test_the_nodes_come_out_of_a_child_process_with_its_log(tmp_path: Path) -> None:
    with pytest.raises(NoKernelError) as failure:
        run_in_child(fail, timeout_s=60, log_path=tmp_path / "log")
    assert failure.value.nodes == ERROR.nodes
    assert failure.value.log_path == tmp_path / "log"
    assert isinstance(failure.value, EngineError)
    assert pickle.loads(pickle.dumps(ERROR)).nodes == ERROR.nodes
