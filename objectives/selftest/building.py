"""What a kind promises of building, tried on the model's own graphs; the steps that need no device to run on."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

from ...errors import NoKernelError
from ...spaces.candidate import Candidate
from ...spaces.masks import LayerMask
from ..engines import EngineOptions
from ..engines.build import build_engine, engine_bytes, engine_from_onnx
from ..engines.child import run_in_child
from ..engines.inspection import Inspection
from ..store import disk_errors
from .check import expect, expect_refusal
from .subject import CALIBRATION, Built, Subject

_NO_TIME_S = 0.01  # in which no process even starts


def names_itself(subject: Subject) -> str:
    kind = subject.kind
    device, versions = kind.device_name().strip(), kind.versions()
    expect(bool(device), "the device has no name.")
    expect(bool(versions) and all(versions.values()), f"a version is missing: {versions}.")
    return ", ".join([device, *(f"{name} {version}" for name, version in versions.items())])


def quantizes(subject: Subject) -> str:
    """Calibrate on the made-up images and apply every mask that is built."""
    scorer = subject.scorer
    for mask in subject.masks.values():
        scorer.quantize(Candidate(CALIBRATION, mask))
    return f"{len(scorer.layers)} layers, calibrated by {CALIBRATION.method} on {CALIBRATION.size} made-up images"


def builds(subject: Subject, name: str) -> str:
    """Quantize for a mask and build in a child process; leaves the engine for later steps.

    As a trial does, but without comparing outputs: an engine that gives wrong ones is to be looked at further.
    """
    scorer = subject.scorer
    onnx_path = subject.store.root / "graphs" / f"{name}.onnx"
    mask, folder = _built(subject, name, onnx_path)
    subject.engines[name] = Built(
        name=name,
        folder=folder,
        options=scorer.build_options(),
        onnx_path=onnx_path,
        input_shape=scorer.model.input_shape,
        pixels=scorer.pixels,
        head=scorer.head,
    )
    size = f"{engine_bytes(folder) / 2**20:.1f} MiB, {len(mask)} of {len(scorer.layers)} layers set to INT8"
    if missing := ", ".join(subject.masks[name] - mask):
        size += f", no INT8 kernel for {missing}"
    inspection = Inspection.load(folder)
    if inspection is None:
        return size
    ran = inspection.ran_in_int8(tuple(mask))
    return f"{size}, {'untold' if ran is None else ran} run so, {len(inspection.reformats)} reformats"


def _built(subject: Subject, name: str, onnx_path: Path) -> tuple[LayerMask, Path]:
    """The engine of a mask, less the layers that turn out to have no INT8 kernel here: its mask, and its folder."""
    scorer = subject.scorer
    while True:
        quantized = scorer.quantize(Candidate(CALIBRATION, subject.masks[name]))
        with disk_errors(subject.store.root):
            onnx_path.parent.mkdir(exist_ok=True)
            onnx_path.write_bytes(quantized.model.SerializeToString())
        try:
            with scorer.device.building():
                folder = engine_from_onnx(onnx_path, quantized.graph_hash, scorer.build_options(), subject.store)
        except NoKernelError as error:
            if scorer.missing_kernels.learned(error, tuple(quantized.mask)) is None:
                raise
        else:
            return quantized.mask, folder


def stops_a_build_that_takes_too_long(subject: Subject) -> str:
    built, store = subject.built("float"), subject.store
    options = replace(built.options, build_timeout_s=_NO_TIME_S)
    expect_refusal(
        partial(engine_from_onnx, built.onnx_path, "stopped", options, store),
        f"A build of more than {_NO_TIME_S} s",
        saying="was stopped",
    )
    _expect_nothing_half_made(subject)
    return f"its limit was {_NO_TIME_S} s, and it left nothing"


def survives_a_build_that_is_killed(subject: Subject) -> str:
    built, store = subject.built("float"), subject.store

    def fill(folder: Path) -> None:
        log_path = store.root / "logs" / "self-test-killed.log"
        run_in_child(
            _build_and_die,
            *(built.onnx_path, folder, built.options),
            timeout_s=built.options.build_timeout_s,
            log_path=log_path,
        )

    expect_refusal(partial(store.make, "engines", "killed", fill), "A killed build", saying="SIGKILL")
    _expect_nothing_half_made(subject)
    engine = engine_from_onnx(built.onnx_path, "after the killed one", built.options, store)
    return f"it left nothing, and the next one built {engine_bytes(engine) / 2**20:.1f} MiB"


def leaves_only_its_folder(built: Built) -> str:
    """Run in a child process, whose working folder it changes."""
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
        files = sorted(path.name for path in engine.iterdir())
        expect(bool(files), "building left its own folder empty.")
        return f"in it: {', '.join(files)}"


def refuses_what_it_cannot_build(built: Built) -> str:
    """Run in a child process."""
    wrong = replace(built.options, float_type="fp13")
    with tempfile.TemporaryDirectory(prefix="qpareto-") as folder:
        garbage = Path(folder) / "garbage.onnx"
        garbage.write_bytes(b"this is no graph")
        for path, options, what in (
            (built.onnx_path, wrong, "fp13"),
            (garbage, built.options, "garbage.onnx"),
        ):
            expect_refusal(partial(built.kind.build, path, Path(folder), options), what, saying=what)
    return "an unknown float type, a file that is no graph"


def refuses_an_empty_folder(built: Built) -> str:
    """Run in a child process."""
    with tempfile.TemporaryDirectory(prefix="qpareto-") as folder:
        expect_refusal(partial(built.kind.load, Path(folder), built.options), "An empty folder", saying="holds no")
    return "says that it holds no engine"


def _build_and_die(onnx_path: Path, engine_dir: Path, options: EngineOptions) -> None:
    """Run in a child process: dies with all that a build made still in its hands."""
    build_engine(onnx_path, engine_dir, options)
    os.kill(os.getpid(), signal.SIGKILL)


def _expect_nothing_half_made(subject: Subject) -> None:
    """A store makes its entries in hidden folders and renames them when they are whole."""
    engines = subject.store.root / "engines"
    left = [path.name for path in engines.iterdir() if path.name.startswith(".")]
    expect(not left, f"it left {', '.join(left)} in {engines}.")
