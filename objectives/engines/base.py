"""The contract that every kind of engine keeps; `promises` beside this folder tries it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ...errors import EngineError

if TYPE_CHECKING:
    from .profile import LayerTime


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """How an engine is built and run: the study file's `engine:` section.

    Args:
        kind: a name from `engines.KINDS`.
        batch: images an inference takes, at least 1.
        float_type: what layers outside the mask run in; one of the kind's `float_types`.
        threads: CPU threads an inference may use, at least 1; kinds that run on a GPU ignore it.
        range_guard: whether `float_type` spares the tensors that it cannot hold well, which are then `keep_fp32`.
        keep_fp32: tensors that stay in FP32, whatever the float type; known to the kinds that cast the graph.
        capability: compute capability of the GPU that an engine is built for, such as `8.9`; the present GPU's if None.
        optimization_level: how long a GPU kind searches for kernels, 0 to 5; the library's default if None.
        workspace_mib: GPU memory that a kernel may use for itself; the library's default if None.
        tactic_sources: where a GPU kind takes kernels from, by its library's own names in small letters; its default
            if None.
        build_route: TensorRT's own name of a way to build (11.1 and later); its default if None.
        shared_dir: where a kind may keep what speeds up later builds and loads, shared by processes; none kept if None.
        build_timeout_s, run_timeout_s: a build, or a timing or evaluation, that takes longer is killed and its
            candidate fails.
    """

    kind: str = "openvino"
    batch: int = 1
    float_type: str = "fp32"
    threads: int = 2
    range_guard: bool = True
    keep_fp32: tuple[str, ...] = ()
    capability: str | None = None
    optimization_level: int | None = None
    workspace_mib: int | None = None
    tactic_sources: tuple[str, ...] | None = None
    build_route: str | None = None
    shared_dir: Path | None = None
    build_timeout_s: float = 600.0
    run_timeout_s: float = 3600.0

    def identity(self) -> dict[str, object]:
        """What decides what an engine is and how it runs, as JSON gives it back: all but paths and time limits."""
        left_out = {"shared_dir", "build_timeout_s", "run_timeout_s"}
        if self.tactic_sources is None:
            left_out.add("tactic_sources")  # engines and studies that are older than the option stay what they are
        kept = {name: value for name, value in asdict(self).items() if name not in left_out}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in kept.items()}


@dataclass(frozen=True, kw_only=True)
class Availability:
    """What a kind can do on this machine, and if it cannot, why, in a sentence a user can act on."""

    can_build: bool
    can_run: bool
    reason: str | None = None
    details: Mapping[str, str] = field(default_factory=dict)  # library version, device, instruction sets


class Engine(ABC):
    """A loaded engine, ready to run. Use as a context manager; closed engines refuse to run."""

    input_shape: tuple[int, int, int, int]  # batch, channels, height, width

    @abstractmethod
    def infer(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """Run once.

        Args:
            images: `input_shape`, RGB in 0..1.

        Returns:
            The model's outputs in graph order, float32 copies that later calls leave alone.

        Raises:
            EngineError: the engine failed.
            ValueError: images has another shape.
        """

    @abstractmethod
    def load_inputs(self, batches: Iterable[NDArray[np.float32]]) -> None:
        """Put inputs for `run_once_ms` where the device reads them, outside of any timing; earlier ones are let go.

        Args:
            batches: at least one, each as `infer` takes it. They are copied.

        Raises:
            EngineError: the device has no room for them.
            ValueError: one has another shape.
        """

    def load_input(self, images: NDArray[np.float32]) -> None:
        """As `load_inputs`, with one."""
        self.load_inputs([images])

    @abstractmethod
    def run_once_ms(self, turn: int = 0) -> float:
        """Milliseconds of one inference on a loaded input, by the best clock that the device has.

        Excludes preprocessing, transfers and postprocessing, and what it takes to pass on to another input.

        Args:
            turn: from 0; the inputs take turns, again and again.
        """

    @abstractmethod
    def timed_outputs(self, turn: int = 0) -> tuple[NDArray[np.float32], ...]:
        """What `run_once_ms` computes: the outputs, as `infer` gives them, of one more run just like it."""

    @abstractmethod
    def close(self) -> None:
        """Free what the engine holds. May be called twice."""

    def refuse_other_shape(self, images: NDArray[np.float32]) -> None:
        """Raises ValueError: images are not of `input_shape`."""
        if images.shape != self.input_shape:
            raise ValueError(f"the engine takes {list(self.input_shape)}, got {list(images.shape)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class EngineKind(ABC):
    """One way to build and run engines. Stateless: every call says all that it needs."""

    name: ClassVar[str]
    float_types: ClassVar[tuple[str, ...]]  # the default first
    runs_on_host_cpu: ClassVar[bool]  # then whatever uses the CPU disturbs timing
    chooses_kernels: ClassVar[bool] = False  # as it builds, by timing them; a layer may have none in INT8
    tells_energy: ClassVar[bool] = False  # whether its devices may count the energy that they use
    recipe: ClassVar[int] = 1  # raised when `build` makes another engine of the same graph than it did
    build_options: ClassVar[frozenset[str]] = frozenset()  # fields of EngineOptions that not every kind has

    @abstractmethod
    def availability(self) -> Availability:
        """Never raises: a missing library or device is a reason, not an error."""

    @abstractmethod
    def device_name(self) -> str:
        """The device that engines run on here, as its driver or the operating system names it."""

    def device_id(self) -> str:
        """What tells this very device from others of its name: one timing at a time holds it."""
        return self.device_name()

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Version of every library and driver that decides what an engine is."""

    @abstractmethod
    def faster_float_type(self, options: EngineOptions) -> str | None:
        """A float type that this device runs faster than the study's, and that the study should beat."""

    def quickest(self, options: EngineOptions) -> EngineOptions:
        """The same, but built as soon as the library can: for a test, to which it is no matter how fast engines are."""
        return options

    @abstractmethod
    def build(self, onnx_path: Path, engine_dir: Path, options: EngineOptions) -> None:
        """Build an engine from a Q/DQ graph into an existing, empty folder. Called in a child process.

        Raises:
            EngineError: the library refused the graph or the options.
        """

    @abstractmethod
    def load(self, engine_dir: Path, options: EngineOptions) -> Engine:
        """Load what `build` left in the folder.

        Raises:
            EngineError: the folder holds no engine of this kind, or one that this device cannot run.
        """

    def profile(
        self, engine_dir: Path, options: EngineOptions, images: NDArray[np.float32], *, runs: int = 20
    ) -> tuple[LayerTime, ...]:
        """What each layer of an engine that `build` left takes, in execution order. Called in a child process.

        Args:
            images: as `Engine.infer` takes them.
            runs: inferences that are timed, at least 1; a layer's time is a median over them, or over groups of them.

        Raises:
            EngineError: as `load`, or engines of this kind do not tell.
            ValueError: images has another shape.
        """
        raise EngineError(f"Engines of kind '{self.name}' do not tell what their layers take: use another engine.kind.")
