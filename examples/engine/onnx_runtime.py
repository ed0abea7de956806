"""ONNX Runtime on the processor: a kind of engine in 150 lines, which lies in objectives/engines/."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ...errors import EngineError
from .base import Availability, Engine, EngineKind
from .options import EngineOptions, option

FILE = "engine.onnx"


@dataclass(frozen=True, kw_only=True)
class OnnxRuntimeOptions(EngineOptions):
    """What this kind alone knows of a study file's `engine:` section."""

    kind: str = "onnx_runtime"
    threads: int = option(2, "CPU threads of one inference", ge=1)
    fuses: bool = option(True, "whether operators are made one where that is faster")

    @property
    def cpu_threads(self) -> int:
        return self.threads

    def with_cpu_threads(self, threads: int) -> Self:
        return replace(self, threads=threads)


class OnnxRuntimeKind(EngineKind):
    """The graph as ONNX Runtime has optimized it: INT8 where it has Q/DQ, FP32 elsewhere."""

    name: ClassVar[str] = "onnx_runtime"
    options: ClassVar[type[OnnxRuntimeOptions]] = OnnxRuntimeOptions
    float_types: ClassVar[tuple[str, ...]] = ("fp32",)
    runs_on_host_cpu: ClassVar[bool] = True

    def availability(self) -> Availability:
        try:
            import onnxruntime  # noqa: F401 - whether it loads is the question
        except ImportError as error:
            reason = f"ONNX Runtime does not load ({error}): pip install onnxruntime."
            return Availability(can_build=False, can_run=False, reason=reason)
        return Availability(can_build=True, can_run=True, details={"device": self.device_name(), **self.versions()})

    def device_name(self) -> str:
        return platform.processor() or platform.machine()

    def versions(self) -> dict[str, str]:
        import onnxruntime

        return {"onnxruntime": onnxruntime.__version__}

    def faster_float_type(self, options: EngineOptions) -> str | None:
        return None

    def build(self, onnx_path: Path, engine_dir: Path, options: EngineOptions) -> None:
        with _one_sentence(f"ONNX Runtime cannot read {onnx_path.name}"):
            session = _session(onnx_path, options, keep=engine_dir / FILE)
        batch = session.get_inputs()[0].shape[0]
        if batch != options.batch:
            raise EngineError(f"{onnx_path.name} was exported for batch {batch}: export it with batch={options.batch}.")

    def load(self, engine_dir: Path, options: EngineOptions) -> Engine:
        path = engine_dir / FILE
        if not path.is_file():
            raise EngineError(f"{engine_dir} holds no engine of ONNX Runtime (no {FILE}): build it again.")
        with _one_sentence(f"ONNX Runtime cannot load {path}"):
            return OnnxRuntimeEngine(_session(path, options))


class OnnxRuntimeEngine(Engine):
    """A session; what is timed is a run without any copying that could be spared."""

    def __init__(self, session: Any) -> None:
        (image,) = session.get_inputs()
        batch, channels, height, width = image.shape
        self.input_shape = (batch, channels, height, width)
        self._name = image.name
        self._session: Any = session
        self._loaded: list[NDArray[np.float32]] = []
        self._timed: list[NDArray[np.float32]] = []

    def infer(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        return _copies(self._run(self._checked(images)))

    def load_inputs(self, batches: Iterable[NDArray[np.float32]]) -> None:
        self._loaded = [self._checked(images).copy() for images in batches]

    def run_once_ms(self, turn: int = 0) -> float:
        self._refuse_if_closed()
        if not self._loaded:
            raise EngineError("There is no input to time the engine on: call load_input first.")
        images = self._loaded[turn % len(self._loaded)]
        start_ns = time.perf_counter_ns()
        self._timed = self._run(images)
        return (time.perf_counter_ns() - start_ns) / 1e6

    def timed_outputs(self, turn: int = 0) -> tuple[NDArray[np.float32], ...]:
        self.run_once_ms(turn)
        return _copies(self._timed)

    def close(self) -> None:
        self._session = None
        self._loaded = []

    def _run(self, images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        self._refuse_if_closed()
        with _one_sentence("ONNX Runtime cannot run the engine"):
            outputs: list[NDArray[np.float32]] = self._session.run(None, {self._name: images})
        return outputs

    def _checked(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        self._refuse_if_closed()
        self.refuse_other_shape(images)
        return np.ascontiguousarray(images, dtype=np.float32)

    def _refuse_if_closed(self) -> None:
        if self._session is None:
            raise EngineError("This engine is closed: load it again.")


def _copies(outputs: list[NDArray[np.float32]]) -> tuple[NDArray[np.float32], ...]:
    return tuple(np.array(output, dtype=np.float32) for output in outputs)


def _session(path: Path, options: EngineOptions, *, keep: Path | None = None) -> Any:
    """A session on the processor; `keep` is where its optimized graph is written to."""
    import onnxruntime

    if not isinstance(options, OnnxRuntimeOptions) or options.float_type != "fp32":
        raise EngineError(f"ONNX Runtime runs float layers in fp32 here, not in '{options.float_type}'.")
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    levels = onnxruntime.GraphOptimizationLevel
    settings.graph_optimization_level = levels.ORT_ENABLE_EXTENDED if options.fuses else levels.ORT_ENABLE_BASIC
    settings.log_severity_level = 3  # errors
    if keep is not None:
        settings.optimized_model_filepath = str(keep)
    return onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])


@contextmanager
def _one_sentence(what: str) -> Iterator[None]:
    """ONNX Runtime's many classes of errors as one of ours."""
    try:
        yield
    except EngineError:
        raise
    except Exception as error:  # its classes share no other base
        raise EngineError(f"{what} ({' '.join(str(error).split())[:300]}).") from error
