"""What can be known of TensorRT without it: the names that we call, and what its absence sounds like."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from qpareto.errors import EngineError
from qpareto.objectives.engines import engine_kind
from qpareto.objectives.engines.gpu import Gpu, NoGpu, present_gpu
from qpareto.objectives.engines.tensorrt import kind as tensorrt_kind
from qpareto.objectives.engines.tensorrt import profile, rtx

FILES = (
    "kind.py",
    "graph.py",
    "rtx.py",
    "layers.py",
    "log.py",
    "options.py",
    "profile.py",
    "program.py",
    "timing_cache.py",
)
SOURCES = {name: (Path(tensorrt_kind.__file__).parent / name).read_text(encoding="utf-8") for name in FILES}

NEEDS_RTX = "needs TensorRT for RTX: pip install 'qpareto[tensorrt-rtx]'"

# class -> what we use of it; RTX alone has what stands under RTX_ONLY
USED = {
    "Builder": ("create_network", "create_builder_config", "build_serialized_network"),
    "OnnxParser": ("parse", "num_errors", "get_error"),
    "ParserError": ("desc", "node"),
    "IBuilderConfig": (
        "profiling_verbosity",
        "set_memory_pool_limit",
        "builder_optimization_level",
        "set_tactic_sources",
        "create_timing_cache",
        "set_timing_cache",
        "get_timing_cache",
    ),
    "ITimingCache": ("combine", "serialize"),
    "Runtime": ("deserialize_cuda_engine",),
    "ICudaEngine": (
        "create_execution_context",
        "create_engine_inspector",
        "num_io_tensors",
        "get_tensor_name",
        "get_tensor_shape",
        "get_tensor_mode",
        "get_tensor_dtype",
    ),
    "EngineInspector": ("get_engine_information",),
    "IExecutionContext": ("set_tensor_address", "execute_async_v3", "profiler", "enqueue_emits_profile"),
    "IProfiler": ("report_layer_time",),
}
RTX_ONLY = {
    "IBuilderConfig": ("num_compute_capabilities", "set_compute_capability"),
    "ICudaEngine": ("create_runtime_config",),
    "IRuntimeConfig": ("create_runtime_cache", "set_runtime_cache", "get_runtime_cache"),
    "IRuntimeCache": ("serialize", "deserialize"),
    "IExecutionContext": ("get_runtime_config",),
}


@pytest.mark.parametrize("table", [USED, RTX_ONLY], ids=["shared", "RTX only"])
def test_the_names_that_we_call_exist_in_the_installed_rtx_bindings(table: dict[str, tuple[str, ...]]) -> None:
    trt = pytest.importorskip(
        "tensorrt_rtx_bindings", reason="needs TensorRT for RTX: pip install 'qpareto[tensorrt-rtx]'"
    )
    missing = [
        f"{kind}.{name}" for kind, names in table.items() for name in names if not hasattr(getattr(trt, kind), name)
    ]
    assert missing == []


def test_the_tables_hold_no_name_that_we_do_not_call() -> None:
    everything = "\n".join(SOURCES.values())
    names = {name for table in (USED, RTX_ONLY) for names in table.values() for name in names}
    assert sorted(name for name in names if f".{name}" not in everything and f"def {name}(" not in everything) == []


def test_whatever_we_take_from_the_module_exists_in_the_rtx_bindings() -> None:
    trt = pytest.importorskip(
        "tensorrt_rtx_bindings", reason="needs TensorRT for RTX: pip install 'qpareto[tensorrt-rtx]'"
    )
    for name, source in SOURCES.items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "trt":
                assert hasattr(trt, node.attr), f"{name} uses {node.attr}"


def test_without_tensorrt_the_reason_names_the_command_that_installs_it() -> None:
    pytest.importorskip("onnx")
    kind = engine_kind("tensorrt")
    found = kind.availability()
    if found.can_build:
        pytest.skip("TensorRT is installed here")
    assert found.reason is not None
    assert "pip install" in found.reason or isinstance(present_gpu(), NoGpu)


def test_a_gpu_that_rtx_does_not_support_builds_and_says_why_it_does_not_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("tensorrt_rtx_bindings", reason=NEEDS_RTX)
    h100 = Gpu(name="NVIDIA H100", capability=(9, 0), driver="580.1", uuid="GPU-0")
    for module in (tensorrt_kind, rtx):
        monkeypatch.setattr(module, "present_gpu", lambda: h100)
    kind = engine_kind("tensorrt_rtx")
    found = kind.availability()
    assert (found.can_build, found.can_run) == (True, False)
    (tmp_path / "engine.plan").write_bytes(b"whatever")
    with pytest.raises(
        EngineError, match=r"NVIDIA H100 has compute capability 9\.0, but .*: set engine\.kind=tensorrt"
    ):
        kind.load(tmp_path, kind.options(kind=kind.name, float_type="fp16"))


def test_a_profiler_adds_up_what_a_layer_took_in_a_run() -> None:
    trt = pytest.importorskip("tensorrt_rtx_bindings", reason=NEEDS_RTX)
    found: list[dict[str, float]] = [{}]
    profiler = profile._profiler(trt, found)
    for name, ms in (("stem", 0.5), ("boxes", 0.125), ("stem", 0.25)):
        profiler.report_layer_time(name, ms)
    found.append({})
    profiler.report_layer_time("stem", 2.0)
    assert found == [{"stem": 0.75, "boxes": 0.125}, {"stem": 2.0}]


def test_no_gpu_is_a_reason_and_no_error() -> None:
    found = present_gpu()
    assert isinstance(found, Gpu) or found.reason.endswith(".")
