"""An engine is built once, in a child process, and a failed build leaves its log and nothing else."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from contracts.engines import SHAPE, SmallDetector, random_images
from qpareto.errors import DiskError, EngineError
from qpareto.objectives.engines.build import (
    build_engine,
    engine_bytes,
    engine_from_onnx,
    find_engine,
)
from qpareto.objectives.engines.inspection import INSPECTION
from qpareto.objectives.engines.openvino.kind import OpenVinoOptions
from qpareto.objectives.engines.ref import EngineRef
from qpareto.objectives.engines.tensorrt.options import TensorRtOptions
from qpareto.objectives.store import SEAL, Store

OPTIONS = OpenVinoOptions(threads=1, build_timeout_s=60)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    return SmallDetector(quantized=True).save(tmp_path / "graph.onnx")


def test_an_engine_is_built_runs_and_leaves_no_log(store: Store, graph: Path) -> None:
    built = engine_from_onnx(graph, "a hash", OPTIONS, store)
    with built.load() as engine:
        assert engine.input_shape == SHAPE
        engine.infer(random_images(0))
    assert {file.name for file in built.folder.iterdir()} == {"engine.xml", "engine.bin", INSPECTION, SEAL}
    assert not any((store.root / "logs").iterdir())


def test_the_same_graph_and_options_are_built_once(store: Store, graph: Path) -> None:
    first = engine_from_onnx(graph, "a hash", OPTIONS, store)
    graph.unlink()
    patient = dataclasses.replace(OPTIONS, build_timeout_s=1)
    assert engine_from_onnx(graph, "a hash", patient, store).folder == first.folder


def test_another_graph_or_other_options_are_another_engine(store: Store, graph: Path) -> None:
    engine_from_onnx(graph, "a hash", OPTIONS, store)
    graph.unlink()
    for graph_hash, options in (("another", OPTIONS), ("a hash", dataclasses.replace(OPTIONS, batch=2))):
        with pytest.raises(EngineError):  # it does not take the first one, and has nothing to build from
            engine_from_onnx(graph, graph_hash, options, store)


def test_a_failed_build_leaves_its_log_and_no_entry(store: Store, graph: Path) -> None:
    graph.write_bytes(b"no graph")
    with pytest.raises(EngineError, match=r"OpenVINO cannot read graph\.onnx.* Its log: ") as error:
        engine_from_onnx(graph, "a hash", OPTIONS, store)
    assert error.value.log_path is not None
    assert error.value.log_path.parent == store.root / "logs"
    assert "Traceback" in error.value.log_path.read_text()
    assert not any((store.root / "engines").iterdir())


def test_a_build_that_outlasts_its_limit_fails_and_leaves_no_entry(store: Store, graph: Path) -> None:
    with pytest.raises(EngineError, match="The step 'build engine' did not end within"):
        engine_from_onnx(graph, "a hash", dataclasses.replace(OPTIONS, build_timeout_s=0.01), store)
    assert not any((store.root / "engines").iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_a_disk_error_not_a_bad_candidate(graph: Path, tmp_path: Path) -> None:
    for name in ("engine.xml", "engine.bin"):
        (tmp_path / name).symlink_to("/dev/full")
    with pytest.raises(DiskError, match="No space left"):
        build_engine(graph, tmp_path, OPTIONS)


def test_engine_bytes_counts_every_file(tmp_path: Path) -> None:
    (tmp_path / "engine.bin").write_bytes(bytes(1000))
    (tmp_path / "tactics").mkdir()
    (tmp_path / "tactics" / "cache").write_bytes(bytes(24))
    assert engine_bytes(tmp_path) == 1024


def test_an_engine_whose_files_are_not_what_was_built_is_refused(store: Store, graph: Path, tmp_path: Path) -> None:
    built = engine_from_onnx(graph, "a hash", OPTIONS, store)
    built.load().close()
    whole = built.folder
    for name in ("engine.xml", "engine.bin", SEAL):
        content = (whole / name).read_bytes()
        for damaged in (b"\xff" + content[1:], content[: len(content) // 2], b"", None):
            folder = shutil.copytree(whole, tmp_path / "damaged")
            (folder / name).unlink()
            if damaged is not None:
                (folder / name).write_bytes(damaged)
            with pytest.raises(EngineError, match=r"is not what was built there.* built again .* check the disk"):
                EngineRef(folder, OPTIONS).load()
            shutil.rmtree(folder)


def test_a_damaged_engine_is_removed_and_built_again(store: Store, graph: Path) -> None:
    built = engine_from_onnx(graph, "a hash", OPTIONS, store)
    assert find_engine("a hash", OPTIONS, store) == built
    (built.folder / "engine.bin").write_bytes(b"garbage")
    assert find_engine("a hash", OPTIONS, store) is None
    assert not built.folder.exists()
    assert engine_from_onnx(graph, "a hash", OPTIONS, store) == built
    built.load().close()


def test_what_decides_an_engine_is_the_same_once_a_storage_has_kept_it_as_json() -> None:
    options = TensorRtOptions(tactic_sources=("edge_mask_convolutions",), keep_fp32=("/sum",))
    assert json.loads(json.dumps(options.identity())) == options.identity()
