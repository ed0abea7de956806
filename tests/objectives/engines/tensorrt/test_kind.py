"""TensorRT on a GPU: the whole contract, what must stay FP32, a layer without a kernel, and what it cannot load."""

from __future__ import annotations

import dataclasses
import threading
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from contracts.engines import SHAPE, SmallDetector, onnxruntime_outputs, random_images
from contracts.inspected_engines import InspectedEngineContract
from qpareto.errors import EngineError, NoKernelError
from qpareto.objectives.engines import EngineKind, EngineOptions, engine_kind
from qpareto.objectives.engines.gpu import Gpu, present_gpu
from qpareto.objectives.engines.tensorrt.kind import PLAN
from qpareto.objectives.engines.tensorrt.log import library_log
from qpareto.objectives.engines.tensorrt.options import TensorRtOptions
from qpareto.objectives.engines.tensorrt.timing_cache import TimingCacheFile
from qpareto.objectives.isolation.child import run_in_child
from qpareto.objectives.isolation.lock import device_lock, lock_file
from qpareto.objectives.quantization.calibrate import structure_of_model
from qpareto.objectives.store import Store
from qpareto.spaces.masks import LayerMask
from qpareto.spaces.model import read_model

KIND = engine_kind("tensorrt")
OPTIONS = TensorRtOptions(float_type="fp16", optimization_level=0)  # quick; which kernels is no matter

GPU = present_gpu()
IS_8_ON_HOPPER = (
    KIND.availability().can_run
    and KIND.versions()["tensorrt"].startswith("8.6")
    and isinstance(GPU, Gpu)
    and GPU.capability == (9, 0)
)
TELLS_KERNEL_TIMING = KIND.availability().can_run and KIND.times_kernels_alone()

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not KIND.availability().can_run, reason="needs TensorRT and an NVIDIA GPU that it supports"),
]


class TestTensorRtKindInFp16(InspectedEngineContract):
    float_tolerance: ClassVar[float] = 5e-3
    int8_tolerance: ClassVar[float] = 0.2  # FP16 itself turns one rounding in 16 the other way at a Q

    @pytest.fixture
    def kind(self) -> EngineKind:
        return KIND

    @pytest.fixture
    def options(self) -> EngineOptions:
        return OPTIONS


class TestTensorRtKindInFp32(InspectedEngineContract):
    float_tolerance: ClassVar[float] = 2e-3  # TF32, which TensorRT takes for FP32 where it is faster
    int8_tolerance: ClassVar[float] = 0.1

    @pytest.fixture
    def kind(self) -> EngineKind:
        return KIND

    @pytest.fixture
    def options(self) -> EngineOptions:
        return dataclasses.replace(OPTIONS, float_type="fp32")


def beyond_half(path: Path) -> Path:
    """A network whose inner tensor no FP16 holds: images times 1e6, taken back at once."""
    constants = {"up": 1e6, "down": 1e-6, "weight": np.ones((4, 3, 1, 1))}
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["images", "up"], ["large"], name="up"),
            helper.make_node("Conv", ["large", "weight"], ["sum"], name="conv"),
            helper.make_node("Mul", ["sum", "down"], ["boxes"], name="down"),
        ],
        "beyond half",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("boxes", TensorProto.FLOAT, (1, 4, *SHAPE[2:]))],
        [numpy_helper.from_array(np.array(value, np.float32), name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def test_what_must_stay_fp32_does(tmp_path: Path) -> None:
    path, images = beyond_half(tmp_path / "g.onnx"), random_images(1)
    KIND.build(path, tmp_path, dataclasses.replace(OPTIONS, keep_fp32=("large", "sum", "boxes")))
    with KIND.load(tmp_path, OPTIONS) as engine:
        (found,) = engine.infer(images)
    (expected,) = onnxruntime_outputs(path, images)
    assert np.allclose(found, expected, rtol=1e-2)


def test_a_reduction_of_opset_18_reduces_over_its_own_axes(tmp_path: Path) -> None:
    axes = numpy_helper.from_array(np.array([1], np.int64), "axes")
    graph = helper.make_graph(
        [helper.make_node("ReduceMax", ["images", "axes"], ["boxes"], name="reduce", keepdims=1)],
        "reduces",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("boxes", TensorProto.FLOAT, (1, 1, *SHAPE[2:]))],
        [axes],
    )
    path, images = tmp_path / "g.onnx", random_images(2)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path)
    KIND.build(path, tmp_path, OPTIONS)
    with KIND.load(tmp_path, OPTIONS) as engine:
        (found,) = engine.infer(images)
    assert np.allclose(found, images.max(axis=1, keepdims=True), atol=1e-3)


def build(onnx_path: Path, folder: Path, options: EngineOptions) -> None:
    KIND.build(onnx_path, folder, options)


@pytest.mark.skipif(not IS_8_ON_HOPPER, reason="seen with TensorRT 8.6 on an H100 and an H200")
def test_a_layer_without_an_int8_kernel_is_told_back_by_its_name(shared: Path, tmp_path: Path) -> None:
    """YOLO11n's depthwise convolution whose sum with an INT8 branch is fused: none on an H100 or H200 in 8.6.1."""
    structure = structure_of_model(read_model(shared / "models" / "yolo11n.onnx"), Store(tmp_path / "store"))
    everything = structure.with_mask(LayerMask.all(structure.layers)).model
    (tmp_path / "all.onnx").write_bytes(everything.SerializeToString())
    with pytest.raises(NoKernelError, match="has no kernel here for") as failure:
        run_in_child(build, tmp_path / "all.onnx", tmp_path, OPTIONS, timeout_s=300, log_path=tmp_path / "log")
    assert [name for name in failure.value.nodes if name in structure.layers] == ["/model.10/m/m.0/attn/pe/conv/Conv"]


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("build_route", "no-such-route", "does not know the build route"),
        ("tactic_sources", ("no_such_source",), "does not know the tactic source 'no_such_source'"),
    ],
)
def test_an_option_that_this_version_does_not_know_is_refused_in_a_sentence(
    option: str, value: object, reason: str, tmp_path: Path
) -> None:
    path = SmallDetector(quantized=True).save(tmp_path / "g.onnx")
    with pytest.raises(EngineError, match=reason):
        KIND.build(path, tmp_path, dataclasses.replace(OPTIONS, **{option: value}))  # type: ignore[arg-type]


@pytest.mark.parametrize("sources", [(), ("edge_mask_convolutions",)])
def test_kernels_of_fewer_sources_make_an_engine(sources: tuple[str, ...], tmp_path: Path) -> None:
    path = SmallDetector(quantized=True).save(tmp_path / "g.onnx")
    KIND.build(path, tmp_path, dataclasses.replace(OPTIONS, tactic_sources=sources))
    with KIND.load(tmp_path, OPTIONS) as engine:
        assert engine.infer(random_images(3))


def test_a_plan_that_was_cut_short_is_refused_in_one_sentence(tmp_path: Path) -> None:
    KIND.build(SmallDetector(quantized=True).save(tmp_path / "g.onnx"), tmp_path, OPTIONS)
    plan = tmp_path / "engine.plan"
    plan.write_bytes(plan.read_bytes()[:-1000])
    with pytest.raises(EngineError, match=r"cannot load .*: build it again on this machine") as failure:
        KIND.load(tmp_path, OPTIONS)
    assert "\n" not in str(failure.value)


@pytest.mark.skipif(not TELLS_KERNEL_TIMING, reason="this version does not tell when it times kernels")
def test_a_build_holds_the_gpu_while_it_times_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock's file is made by who first holds it."""
    monkeypatch.setenv("QPARETO_LOCK_DIR", str(tmp_path / "locks"))
    path = SmallDetector(quantized=True).save(tmp_path / "g.onnx")
    KIND.build(path, tmp_path, dataclasses.replace(OPTIONS, optimization_level=2))
    assert lock_file(f"{KIND.device_id()} kernels", "room").is_file()


@pytest.mark.skipif(not TELLS_KERNEL_TIMING, reason="this version does not tell when it times kernels")
def test_a_build_stops_while_an_engine_is_timed_and_goes_on_after_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QPARETO_LOCK_DIR", str(tmp_path / "locks"))
    path = SmallDetector(quantized=True).save(tmp_path / "g.onnx")
    options = dataclasses.replace(OPTIONS, optimization_level=2)
    build = threading.Thread(target=KIND.build, args=(path, tmp_path, options))
    build.start()
    while not lock_file(f"{KIND.device_id()} kernels", "room").is_file() and build.is_alive():
        time.sleep(0.001)
    with device_lock(KIND.device_id(), exclusive=True):
        build.join(5)
        assert build.is_alive()
        assert not (tmp_path / PLAN).exists()
    build.join()
    assert (tmp_path / PLAN).is_file()


def test_a_later_build_finds_the_timings_of_an_earlier_one(tmp_path: Path) -> None:
    path = SmallDetector(quantized=True).save(tmp_path / "g.onnx")
    options = dataclasses.replace(OPTIONS, shared_dir=tmp_path / "shared", optimization_level=2)
    sizes = []
    for _ in range(2):
        KIND.build(path, tmp_path, options)
        (cache,) = (tmp_path / "shared").glob("timing-*.cache")
        assert KIND.timing_cache(options) == cache
        sizes.append(cache.stat().st_size)
    assert sizes[0] > 1000  # an empty one of version 8.6 has 203 bytes
    assert sizes[1] == sizes[0]


def test_what_another_gpu_of_the_model_has_timed_meanwhile_is_kept(tmp_path: Path) -> None:
    """The other GPU's timings are this one's own under another UUID, with which TensorRT marks a cache."""
    contents = []
    for quantized in (False, True):
        options = dataclasses.replace(OPTIONS, shared_dir=tmp_path / f"{quantized}", optimization_level=2)
        KIND.build(SmallDetector(quantized=quantized).save(tmp_path / "g.onnx"), tmp_path, options)
        contents += [path.read_bytes() for path in (tmp_path / f"{quantized}").glob("timing-*.cache")]
    own, of_other = contents
    uuid = bytes.fromhex(KIND.device_id().removeprefix("GPU-").replace("-", ""))
    assert uuid in of_other
    trt = pytest.importorskip("tensorrt")
    config = trt.Builder(library_log(trt).logger).create_builder_config()
    assert config.set_timing_cache(config.create_timing_cache(own), ignore_mismatch=False)
    file = TimingCacheFile(tmp_path, gpu="any", version="any")
    file.path.write_bytes(of_other.replace(uuid, bytes(16)))
    file.take_back(config)
    assert len(file.path.read_bytes()) > max(len(own), len(of_other)) + 1000
