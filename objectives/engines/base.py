"""The contract that every kind of engine keeps; `promises` beside this folder tries it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ...errors import EngineError
from ...spaces.calibration import WITH_ZERO_POINTS
from .options import EngineOptions

if TYPE_CHECKING:
    from .profile import LayerTime


@dataclass(frozen=True, kw_only=True)
class Availability:
    """What a kind can do on this machine, and if it cannot, why, in a sentence a user can act on."""

    can_build: bool
    can_run: bool
    reason: str | None = None
    details: Mapping[str, str] = field(default_factory=dict)  # library version, device, instruction sets


class Infers(Protocol):
    """What scoring needs of an engine: see `Engine`."""

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """Batch, channels, height, width."""

    def infer(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """Run once."""


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
    options: ClassVar[type[EngineOptions]]  # how the kind is built and run: the class declares what it alone knows
    float_types: ClassVar[tuple[str, ...]]  # the default first
    runs_on_host_cpu: ClassVar[bool]  # then whatever uses the CPU disturbs timing
    chooses_kernels: ClassVar[bool] = False  # as it builds, by timing them; a layer may have none in INT8
    stays_loaded: ClassVar[bool] = False  # it takes seconds to load, so one process makes one build after the other
    takes_zero_points: ClassVar[bool] = False  # of activations, as the calibration method `asymmetric` has them
    usual_methods: ClassVar[tuple[str, ...]] = ("mse", "entropy")  # of calibration: what a drafted study searches
    tells_energy: ClassVar[bool] = False  # whether its devices may count the energy that they use
    recipe: ClassVar[int] = 1  # raised when `build` makes another engine of the same graph than it did

    def refusal_of_method(self, method: str) -> str | None:
        """Why engines of this kind cannot run what a calibration method makes; None if they can."""
        if self.takes_zero_points or method not in WITH_ZERO_POINTS:
            return None
        return f"{self.name} takes no zero points, which the calibration method {method} needs: use mse or entropy."

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

    def times_kernels_alone(self) -> bool:
        """Whether `build` holds the device by itself, keeping others off it while it times kernels, and only then.

        If not, a build that chooses kernels must have the device to itself from beginning to end.
        """
        return False

    def timing_cache(self, options: EngineOptions) -> Path | None:
        """The file in `options.shared_dir` by which builds choose the kernels that earlier ones chose.

        It need not be there, and may be empty. None of kinds that keep none, and without a `shared_dir`.
        """
        del options
        return None

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
