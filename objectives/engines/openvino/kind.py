"""OpenVINO on the CPU: the engine kind that runs anywhere, without a GPU or a download.

An engine is OpenVINO's own format (IR): `engine.xml`, the graph, and `engine.bin`, the weights, INT8 ones as bytes;
with a summary of what really runs in it, `inspection.json`.

How the graph is read decides what it computes. `Core.read_model` of a Q/DQ graph, compiled as it is, ran Concats
of differently scaled inputs with a step of 1.0 instead of their own scale (OpenVINO 2026.4): YOLO11n's best score
fell from 0.95 to 0.22, silently. After OpenVINO's common transformations ("MOC", which `openvino.convert_model`
applies, and with it everybody who ships an IR) it agrees with ONNX Runtime to within rounding, is a little faster,
and its weights take a quarter of the space. `convert_model` itself sends usage data over the network, so `build`
calls the two transformations directly; the engine contract's Concat test guards the result. The package does so too as
it is imported: `library.py` loads it without.
"""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ....errors import EngineError
from ..base import Availability, Engine, EngineKind
from ..inspection import Inspection
from ..options import EngineOptions, option
from ..profile import LayerTime, profile_of_runs
from .layers import layers_of_compiled, mark_layers, mean_times_ms, name_layers
from .library import library
from .processor import FAST_BF16, cpu_info, instruction_sets, int8_verdict
from .splits import graph_that_splits_bytes

_PRECISION_HINTS = {"fp32": "f32", "bf16": "bf16"}
_PROFILED_ENGINES = 5  # compiled one after the other; a median over them leaves out what disturbed one or two


@dataclass(frozen=True, kw_only=True)
class OpenVinoOptions(EngineOptions):
    """What OpenVINO has beside what every kind has."""

    kind: str = "openvino"
    threads: int = option(2, "CPU threads of one inference", ge=1)

    @property
    def cpu_threads(self) -> int:
        return self.threads

    def with_cpu_threads(self, threads: int) -> Self:
        return replace(self, threads=threads)


class OpenVinoKind(EngineKind):
    """INT8 where the graph has Q/DQ, FP32 or BF16 elsewhere; one stream, for latency."""

    name: ClassVar[str] = "openvino"
    options: ClassVar[type[OpenVinoOptions]] = OpenVinoOptions
    float_types: ClassVar[tuple[str, ...]] = ("fp32", "bf16")
    runs_on_host_cpu: ClassVar[bool] = True
    takes_zero_points: ClassVar[bool] = True
    usual_methods: ClassVar[tuple[str, ...]] = ("asymmetric", "mse")
    recipe: ClassVar[int] = 2  # 2: splits bytes

    def availability(self) -> Availability:
        try:
            devices = library().Core().available_devices
        except (ImportError, RuntimeError) as error:
            reason = f"OpenVINO does not load ({error}): install it with 'pip install openvino'."
            return Availability(can_build=False, can_run=False, reason=reason)
        if "CPU" not in devices:
            reason = "OpenVINO finds no CPU plugin: reinstall it with 'pip install --force-reinstall openvino'."
            return Availability(can_build=False, can_run=False, reason=reason)
        found = instruction_sets()
        details = {"device": self.device_name(), **self.versions(), "instructions": ", ".join(sorted(found)) or "none"}
        return Availability(can_build=True, can_run=True, details=details | {"int8": int8_verdict(found)})

    def device_name(self) -> str:
        return cpu_info().get("model name") or platform.processor() or platform.machine()

    def versions(self) -> dict[str, str]:
        return {"openvino": metadata.version("openvino")}

    def faster_float_type(self, options: EngineOptions) -> str | None:
        return "bf16" if options.float_type == "fp32" and FAST_BF16 & instruction_sets() else None

    def build(self, onnx_path: Path, engine_dir: Path, options: EngineOptions) -> None:
        openvino = library()
        from openvino._offline_transformations import (
            apply_moc_transformations,
            compress_quantize_weights_transformation,
        )

        _check_float_type(options)
        with _one_sentence(f"OpenVINO cannot read {onnx_path.name}"):
            model = openvino.Core().read_model(graph_that_splits_bytes(onnx_path))
        mark_layers(model, onnx_path)
        _set_batch(model, options.batch, onnx_path.name)
        with _one_sentence(f"OpenVINO cannot convert {onnx_path.name}"):
            apply_moc_transformations(model, cf=False, smart_reshape=True)
            compress_quantize_weights_transformation(model)
        name_layers(model)
        _save(model, engine_dir, onnx_path.stat().st_size)
        model, compiled = self._compiled(engine_dir, options)
        OpenVinoEngine(compiled).close()  # proves the files themselves, not the graph in memory
        Inspection.of_layers(layers_of_compiled(compiled, model)).save(engine_dir)

    def load(self, engine_dir: Path, options: EngineOptions) -> Engine:
        return OpenVinoEngine(self._compiled(engine_dir, options)[1])

    def profile(
        self, engine_dir: Path, options: EngineOptions, images: NDArray[np.float32], *, runs: int = 20
    ) -> tuple[LayerTime, ...]:
        """OpenVINO tells means since compilation only: the median is over the means of engines compiled anew."""
        means = []
        for _ in range(min(runs, _PROFILED_ENGINES)):
            model, compiled = self._compiled(engine_dir, options, profiled=True)
            with OpenVinoEngine(compiled) as engine:
                engine.load_input(images)
                means.append(engine.layer_means_ms(math.ceil(runs / _PROFILED_ENGINES)))
        return profile_of_runs(layers_of_compiled(compiled, model), means)

    def _compiled(self, engine_dir: Path, options: EngineOptions, *, profiled: bool = False) -> tuple[Any, Any]:
        """The model that `build` left, and what OpenVINO compiles it to: openvino.Model, openvino.CompiledModel."""
        _check_float_type(options)
        path = engine_dir / "engine.xml"
        if not path.is_file():
            raise EngineError(f"{engine_dir} holds no OpenVINO engine (there is no engine.xml): build it again.")
        config = {
            "INFERENCE_PRECISION_HINT": _PRECISION_HINTS[options.float_type],
            "INFERENCE_NUM_THREADS": options.cpu_threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "PERF_COUNT": profiled,
        }
        core = library().Core()
        with _one_sentence(f"OpenVINO cannot load {path}"):
            model = core.read_model(path)
            compiled = core.compile_model(model, "CPU", config)
            threads = compiled.get_property("INFERENCE_NUM_THREADS")
        if threads != options.cpu_threads:
            raise EngineError(
                f"The study asks for {options.cpu_threads} threads, but OpenVINO runs this engine on {threads} here: "
                f"set engine.threads={threads}, so that the figures say what was measured."
            )
        return model, compiled


class OpenVinoEngine(Engine):
    """A compiled model with one request for results and one, with an input of its own, for timing.

    `infer` and `run_once_ms` release Python's lock while they run. An engine serves one thread at a time.
    """

    def __init__(self, compiled: Any) -> None:
        if len(compiled.inputs) != 1 or len(compiled.inputs[0].shape) != 4:
            found = [list(port.shape) for port in compiled.inputs]
            raise EngineError(f"This engine takes inputs of shapes {found}, but a detector takes one image batch.")
        batch, channels, height, width = (int(n) for n in compiled.inputs[0].shape)
        self.input_shape = (batch, channels, height, width)
        self._request: Any = compiled.create_infer_request()
        self._timed_request: Any = compiled.create_infer_request()
        self._loaded: list[tuple[NDArray[np.float32], Any]] = []  # the tensor borrows the array, which must live on

    def infer(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        self._refuse_if_closed()
        self.refuse_other_shape(images)
        with _one_sentence("OpenVINO cannot run the engine"):
            self._request.infer([np.ascontiguousarray(images, dtype=np.float32)], share_inputs=True)
        return tuple(np.array(tensor.data, dtype=np.float32) for tensor in self._request.output_tensors)

    def load_inputs(self, batches: Iterable[NDArray[np.float32]]) -> None:
        self._refuse_if_closed()
        self._loaded = []
        for images in batches:
            self.refuse_other_shape(images)
            kept = np.array(images, dtype=np.float32, order="C")
            self._loaded.append((kept, library().Tensor(kept, shared_memory=True)))

    def run_once_ms(self, turn: int = 0) -> float:
        self._refuse_if_closed()
        if not self._loaded:
            raise EngineError("There is no input to time the engine on: call load_input first.")
        with _one_sentence("OpenVINO cannot run the engine"):
            self._timed_request.set_input_tensor(self._loaded[turn % len(self._loaded)][1])
            start_ns = time.perf_counter_ns()
            self._timed_request.infer()
            return (time.perf_counter_ns() - start_ns) / 1e6

    def timed_outputs(self, turn: int = 0) -> tuple[NDArray[np.float32], ...]:
        self.run_once_ms(turn)
        return tuple(np.array(tensor.data, dtype=np.float32) for tensor in self._timed_request.output_tensors)

    def layer_means_ms(self, runs: int) -> dict[str, float]:
        """Mean milliseconds of each layer, on the loaded input and after a run to warm up, by the layer's name.

        For an engine that was compiled to be profiled and has not run yet.
        """
        self.run_once_ms()
        first = mean_times_ms(self._timed_request)
        for _ in range(runs):
            self.run_once_ms()
        means = mean_times_ms(self._timed_request)
        return {name: ((1 + runs) * ms - first.get(name, 0.0)) / runs for name, ms in means.items()}

    def close(self) -> None:
        self._request = self._timed_request = None
        self._loaded = []

    def _refuse_if_closed(self) -> None:
        if self._request is None:
            raise EngineError("This engine is closed: load it again.")


def _check_float_type(options: EngineOptions) -> None:
    if options.float_type not in _PRECISION_HINTS:
        known = " and ".join(_PRECISION_HINTS)
        raise EngineError(
            f"OpenVINO runs float layers in {known}, not in '{options.float_type}': set engine.float_type."
        )
    if options.float_type == "bf16":
        capabilities = library().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if "BF16" not in capabilities:
            raise EngineError("This CPU has no BF16 arithmetic: set engine.float_type=fp32.")


def _set_batch(model: Any, batch: int, name: str) -> None:
    """Give the graph another batch size, if nothing in it is fixed to the one that it was exported with.

    Raises:
        EngineError: some shape is fixed, whether it then fails or silently mixes the images of a batch.
    """
    before = [list(output.shape) for output in model.outputs]
    exported = model.inputs[0].shape[0]
    if exported == batch:
        return
    advice = f"{name} was exported for batch {exported} and cannot run batch {batch}: export it with batch={batch}."
    try:
        model.reshape([batch, *model.inputs[0].shape[1:]])
    except RuntimeError as error:
        raise EngineError(advice) from error
    if [list(output.shape) for output in model.outputs] != [[batch, *shape[1:]] for shape in before]:
        raise EngineError(advice)


def _save(model: Any, engine_dir: Path, size_bytes: int) -> None:
    """Write the IR, weights as they are.

    Raises:
        OSError: the folder cannot be written.
        EngineError: OpenVINO fails for another reason.
    """
    try:
        library().save_model(model, engine_dir / "engine.xml", compress_to_fp16=False)
    except RuntimeError as error:
        # OpenVINO does not say why a file cannot be written; a write of our own does.
        (engine_dir / "engine.bin").write_bytes(bytes(size_bytes))
        raise EngineError(f"OpenVINO cannot write the engine: {_last_line(error)}.") from error


@contextmanager
def _one_sentence(what: str) -> Iterator[None]:
    """OpenVINO's many lines as one sentence; the whole stays in the log by way of the cause."""
    try:
        yield
    except RuntimeError as error:
        raise EngineError(f"{what}: {_last_line(error)}.") from error


def _last_line(error: RuntimeError) -> str:
    """OpenVINO lists source locations first and says what is wrong last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".")[:300] if lines else type(error).__name__
