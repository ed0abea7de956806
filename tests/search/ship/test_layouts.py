"""How engines lie in a folder, and that they come out of it as they were built."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import onnx
import pytest

from qpareto.errors import StudyError
from qpareto.objectives.accuracy.heads.plain_heads import Yolov8Head
from qpareto.objectives.engines import engine_kind
from qpareto.objectives.engines.openvino.kind import OpenVinoOptions
from qpareto.objectives.engines.tensorrt.options import TensorRtOptions
from qpareto.search.ship.layouts import BuiltEngine, Layout, lay_out, layout_for, restore
from qpareto.search.ship.triton import triton_config
from qpareto.spaces.model import read_model

HEAD = Yolov8Head(0, 12)
FILES = {"openvino": ("engine.xml", "engine.bin"), "tensorrt": ("engine.plan",)}


def built(kind: str, shapes: Path, folder: Path) -> BuiltEngine:
    """An engine of made-up bytes, with what is told beside it."""
    folder.mkdir()
    for name in (*FILES[kind], "inspection.json", "seal.json"):
        (folder / name).write_bytes(name.encode() * 100)
    model = read_model(shapes / "model.onnx")
    return BuiltEngine(
        folder=folder,
        options=engine_kind(kind).options(kind=kind, batch=2).with_cpu_threads(3),
        model=model,
        head=HEAD,
        class_names=model.class_names or (),
        graph=onnx.load(model.path),
        graph_hash="abc",
    )


def parsed(text: str) -> Any:
    """By the schema that Triton's client carries, without the client, which needs a network library."""
    spec = importlib.util.find_spec("tritonclient")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("needs Triton's schema: pip install tritonclient")
    from google.protobuf import text_format

    path = Path(next(iter(spec.submodule_search_locations))) / "grpc" / "model_config_pb2.py"
    found = importlib.util.spec_from_file_location("model_config_pb2", path)
    assert found is not None
    assert found.loader is not None
    module: Any = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return text_format.Parse(text, module.ModelConfig())


@pytest.mark.parametrize(
    ("layout", "kind", "places"),
    [
        ("raw", "openvino", ["engine/engine.bin", "engine/engine.xml"]),
        (
            "ultralytics",
            "openvino",
            [f"best_openvino_model/{n}" for n in ("engine.bin", "engine.xml", "metadata.yaml")],
        ),
        ("triton", "openvino", ["triton/best/1/model.bin", "triton/best/1/model.xml", "triton/best/config.pbtxt"]),
        ("raw", "tensorrt", ["engine/engine.plan"]),
        ("ultralytics", "tensorrt", ["best.engine"]),
        ("triton", "tensorrt", ["triton/best/1/model.plan", "triton/best/config.pbtxt"]),
    ],
)
def test_an_engine_comes_out_of_every_layout_as_it_was_built(
    layout: Layout, kind: str, places: list[str], shapes: Path, tmp_path: Path
) -> None:
    engine = built(kind, shapes, tmp_path / "built")
    package, again = tmp_path / "package", tmp_path / "again"
    package.mkdir()
    again.mkdir()
    files = lay_out(layout, engine, package)
    assert sorted(path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()) == places
    restore(files, package, again)
    expected = {name: (engine.folder / name).read_bytes() for name in FILES[kind]}
    assert {path.name: path.read_bytes() for path in again.iterdir() if path.name != "seal.json"} == expected
    assert (again / "seal.json").is_file()


def test_ultralytics_layout_is_the_default_where_it_is_read(shapes: Path) -> None:
    model = read_model(shapes / "model.onnx")
    assert layout_for(None, "openvino", model, HEAD) == "ultralytics"
    assert layout_for(None, "tensorrt_rtx", model, HEAD) == "raw"
    assert layout_for("triton", "tensorrt", model, HEAD) == "triton"


@pytest.mark.parametrize("layout", ["ultralytics", "triton"])
def test_a_layout_that_nobody_could_read_is_refused(layout: Layout, shapes: Path) -> None:
    with pytest.raises(StudyError, match=f"no export as {layout} of this engine.*kind tensorrt_rtx.*--format raw"):
        layout_for(layout, "tensorrt_rtx", read_model(shapes / "model.onnx"), HEAD)


def test_tritons_configuration_is_one_by_its_own_schema() -> None:
    ports: dict[str, Any] = {"inputs": {"images": (2, 3, 640, 640)}, "outputs": {"output0": (2, 84, 8400)}}
    on_cpu = parsed(triton_config("best", OpenVinoOptions(batch=2, threads=3), **ports))
    assert (on_cpu.name, on_cpu.backend, on_cpu.platform, on_cpu.max_batch_size) == ("best", "openvino", "", 0)
    assert [(port.name, port.data_type, list(port.dims)) for port in on_cpu.input] == [("images", 11, [2, 3, 640, 640])]
    assert [(port.name, port.data_type, list(port.dims)) for port in on_cpu.output] == [("output0", 11, [2, 84, 8400])]
    assert on_cpu.parameters["INFERENCE_NUM_THREADS"].string_value == "3"
    assert on_cpu.instance_group[0].kind == on_cpu.instance_group[0].KIND_CPU
    on_gpu = parsed(triton_config("best", TensorRtOptions(float_type="fp16"), **ports))
    assert (on_gpu.backend, on_gpu.platform) == ("", "tensorrt_plan")
    assert on_gpu.instance_group[0].kind == on_gpu.instance_group[0].KIND_GPU
    assert not on_gpu.parameters
