"""What a kind promises of itself and of building. No step needs a device to run on."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ...errors import EngineError, ModelError
from ..engines import EngineKind, EngineOptions
from ..engines.build import built_engines_run, engine_bytes
from ..isolation.child import run_in_child
from .built import Built, Promises
from .check import expect, expect_refusal

_NO_TIME_S = 0.01  # in which no process even starts


def names_itself(kind: EngineKind, _: EngineOptions) -> str:
    device, versions = kind.device_name().strip(), kind.versions()
    expect(bool(device), "the device has no name.")
    expect(bool(versions) and all(versions.values()), f"a version is missing: {versions}.")
    return ", ".join([device, *(f"{name} {version}" for name, version in versions.items())])


def says_what_it_cannot_do(kind: EngineKind, _: EngineOptions) -> str:
    """And why; a kind that can build and run has no reason not to."""
    found = kind.availability()
    expect((found.reason is None) == (found.can_build and found.can_run), f"its reason does not fit: {found}.")
    return found.reason or "builds and runs"


def knows_a_faster_float_type(kind: EngineKind, options: EngineOptions) -> str:
    """Another one of its own, and none beyond that; or none at all."""
    faster = kind.faster_float_type(options)
    if faster is None:
        return f"none is faster than {options.float_type}"
    expect(faster in kind.float_types and faster != options.float_type, f"{faster} is no other type of this kind.")
    beyond = kind.faster_float_type(replace(options, float_type=faster))
    expect(beyond is None, f"{beyond} is faster than {faster}, which it does not say at once.")
    return f"{faster} is faster than {options.float_type}"


def leaves_only_its_folder(built: Built) -> str:
    """For as long as it builds, the working folder is another one."""
    with tempfile.TemporaryDirectory(prefix="qpareto-") as folder:
        beside, work, engine = (Path(folder) / name for name in ("beside", "work", "engine"))
        for new in (beside, work, engine):
            new.mkdir()
        graph = beside / "graph.onnx"
        graph.write_bytes(built.onnx_path.read_bytes())
        with contextlib.chdir(work):
            built.kind.build(graph, engine, built.options)
        left = {path for path in Path(folder).rglob("*") if path.is_file() and engine not in path.parents}
        expect(left == {graph}, f"building left {', '.join(sorted(path.name for path in left))} outside its folder.")
        made = sorted(path.name for path in engine.iterdir())
        expect(bool(made), "building left nothing in its folder.")
        return ", ".join(made)


def refuses_what_it_cannot_build(built: Built) -> str:
    wrong = replace(built.options, float_type="fp13")
    with tempfile.TemporaryDirectory(prefix="qpareto-") as folder:
        garbage = Path(folder) / "garbage.onnx"
        garbage.write_bytes(b"this is no graph")
        for call, what in (
            (partial(built.kind.build, built.onnx_path, Path(folder), wrong), "fp13"),
            (partial(built.kind.load, built.folder, wrong), "fp13"),
            (partial(built.kind.build, garbage, Path(folder), built.options), "garbage.onnx"),
        ):
            expect_refusal(call, what, saying=what)
    return "an unknown float type, a file that is no graph"


def refuses_an_empty_folder(built: Built) -> str:
    with tempfile.TemporaryDirectory(prefix="qpareto-") as folder:
        expect_refusal(partial(built.kind.load, Path(folder), built.options), "An empty folder", saying="holds no")
    return "says that it holds no engine"


def refuses_damaged_files(built: Built) -> str:
    for damage in ("garbage", "half of it", "nothing"):
        with tempfile.TemporaryDirectory(prefix="qpareto-") as folder:
            for file in built.folder.iterdir():
                content = file.read_bytes()
                harm = {"garbage": b"\x00\xffgarbage" * 99, "half of it": content[: len(content) // 2], "nothing": b""}
                (Path(folder) / file.name).write_bytes(harm[damage])
            expect_refusal(partial(built.kind.load, Path(folder), built.options), f"A file that holds {damage}")
    return "garbage, truncated and empty ones"


def takes_a_larger_batch(built: Built) -> str:
    """Each image as if it were alone, from the graph as a study gives it that batch."""
    import onnx

    from ..quantization.batch import with_batch

    options = _of_twice_the_batch(built)
    try:
        graph = with_batch(onnx.load(built.onnx_path), options.batch)
    except ModelError as refusal:
        return str(refusal)
    with tempfile.TemporaryDirectory(prefix="qpareto-") as folder, tempfile.TemporaryDirectory() as scratch:
        onnx_path = Path(scratch) / "batched.onnx"
        onnx_path.write_bytes(graph.SerializeToString())
        built.kind.build(onnx_path, Path(folder), options)
        return _mixes_no_images(built, Path(folder), options)


def takes_a_batch_that_its_graph_lacks_or_says_so(built: Built) -> str:
    options = _of_twice_the_batch(built)
    with tempfile.TemporaryDirectory(prefix="qpareto-") as folder:
        try:
            built.kind.build(built.onnx_path, Path(folder), options)
        except EngineError as refusal:
            expect("batch" in str(refusal), f"A batch that the graph lacks is refused without saying so: {refusal}")
            return "says so"
        return _mixes_no_images(built, Path(folder), options)


def _of_twice_the_batch(built: Built) -> EngineOptions:
    return replace(built.options, batch=2 * built.input_shape[0])


def _mixes_no_images(built: Built, larger_dir: Path, options: EngineOptions) -> str:
    """An engine of twice the batch gives what the engine itself gives for either half; where neither runs, it is there.

    Single values may round the other way.
    """
    expect(any(larger_dir.iterdir()), f"building for batch {options.batch} left nothing in its folder.")
    if not built.kind.availability().can_run:
        return f"batch {options.batch} builds"
    with built_engines_run(built.kind), built.kind.load(larger_dir, options) as larger, built.load() as engine:
        halves = [built.images(), built.images(built.input_shape[0])]
        outputs = larger.infer(np.concatenate(halves))
        alone = [np.concatenate(parts) for parts in zip(*map(engine.infer, halves), strict=True)]
    off = max(float(np.abs(a - b).mean() / np.abs(b).mean()) for a, b in zip(outputs, alone, strict=True))
    expect(off < built.rounding, f"a batch of {options.batch} gives outputs that are {off:.1%} off.")
    return f"batch {options.batch} is {off:.2g} of the mean value off"


def stops_a_build_that_takes_too_long(built: Built) -> str:
    stopped = partial(_made_apart, _build, built, timeout_s=_NO_TIME_S)
    expect_refusal(stopped, f"A build of more than {_NO_TIME_S} s", saying="was stopped")
    _expect_nothing_half_made(built)
    return f"its limit was {_NO_TIME_S} s, and it left nothing"


def survives_a_build_that_is_killed(built: Built) -> str:
    expect_refusal(partial(_made_apart, _build_and_die, built), "A killed build", saying="SIGKILL")
    _expect_nothing_half_made(built)
    return f"it left nothing, and the next one built {engine_bytes(_made_apart(_build, built)) / 2**20:.1f} MiB"


def _made_apart(step: Callable[[Built, Path], None], built: Built, timeout_s: float | None = None) -> Path:
    """Build as a trial does: in a child process, into an entry of the store."""

    def fill(folder: Path) -> None:
        log_path = built.store.root / "logs" / f"{built.kind.name}{step.__name__}.log"
        run_in_child(step, built, folder, timeout_s=timeout_s or built.options.build_timeout_s, log_path=log_path)

    return built.store.make("engines", f"{built.kind.name}{step.__name__}", fill)


def _build(built: Built, engine_dir: Path) -> None:
    built.kind.build(built.onnx_path, engine_dir, built.options)


def _build_and_die(built: Built, engine_dir: Path) -> None:
    """With all that a build made still in its hands."""
    _build(built, engine_dir)
    os.kill(os.getpid(), signal.SIGKILL)


def _expect_nothing_half_made(built: Built) -> None:
    """A store makes its entries in hidden folders and renames them when they are whole."""
    engines = built.store.root / "engines"
    left = [path.name for path in engines.iterdir() if path.name.startswith(".")]
    expect(not left, f"it left {', '.join(left)} in {engines}.")


OF_KIND: Mapping[str, Callable[[EngineKind, EngineOptions], str]] = {
    "names its device and versions": names_itself,
    "says what it cannot do here": says_what_it_cannot_do,
    "knows a faster float type or none": knows_a_faster_float_type,
}
BUILDING: Promises = {
    "leaves nothing outside an engine's folder": leaves_only_its_folder,
    "refuses what it cannot build": refuses_what_it_cannot_build,
    "refuses an empty folder": refuses_an_empty_folder,
    "refuses damaged engine files": refuses_damaged_files,
    "takes a larger batch": takes_a_larger_batch,
    "takes a batch that its graph lacks or says so": takes_a_batch_that_its_graph_lacks_or_says_so,
    "stops a build that takes too long": stops_a_build_that_takes_too_long,
    "survives a build that is killed": survives_a_build_that_is_killed,
}
