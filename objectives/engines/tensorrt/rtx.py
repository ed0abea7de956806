"""TensorRT for RTX: builds on any machine, runs on RTX-class GPUs; kernels are compiled where the engine is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ....errors import EngineError
from ...store import replace_file
from ..base import Availability
from ..gpu import Gpu, NoGpu, present_gpu
from ..options import EngineOptions, option
from .kind import TensorRtKind
from .options import BuilderOptions
from .timing_cache import file_stem
from .typing import StronglyTyped

_CAPABILITIES = ("7.5", "8.0", "8.6", "8.9", "12.0", "12.1")


@dataclass(frozen=True, kw_only=True)
class RtxOptions(BuilderOptions):
    """What TensorRT for RTX alone has."""

    kind: str = "tensorrt_rtx"
    capability: str | None = option(None, "of the GPU to build for, such as '8.9'; null: the one here")

    def configure(self, trt: Any, config: Any, title: str) -> None:
        super().configure(trt, config, title)
        target = self.capability or _present_target()
        if target is None:
            return  # an engine for every GPU that RTX supports
        if target not in _CAPABILITIES:
            raise EngineError(
                f"{title} builds for compute capabilities {', '.join(_CAPABILITIES)}, not for '{target}': "
                "set engine.capability."
            )
        config.num_compute_capabilities = 1
        config.set_compute_capability(getattr(trt.ComputeCapability, f"SM{target.replace('.', '')}"), 0)


class TensorRtRtxKind(TensorRtKind):
    """As TensorRT, but that an engine is built for named GPUs, which need not be here."""

    name: ClassVar[str] = "tensorrt_rtx"
    options: ClassVar[type[RtxOptions]] = RtxOptions
    chooses_kernels: ClassVar[bool] = False  # they are chosen where the engine is loaded
    title: ClassVar[str] = "TensorRT for RTX"
    modules: ClassVar[tuple[str, ...]] = ("tensorrt_rtx_bindings", "tensorrt_rtx")
    install: ClassVar[str] = "pip install 'qpareto[tensorrt-rtx]'"

    def _without_gpu(self, gpu: NoGpu, versions: dict[str, str]) -> Availability:
        reason = f"Engines can be built here, but not run. {gpu.reason}"
        return Availability(can_build=True, can_run=False, reason=reason, details=versions)

    def _builds_anywhere(self) -> bool:
        return True

    def _unsupported(self, gpu: Gpu) -> str | None:
        if gpu.capability_text in _CAPABILITIES:
            return None
        return (
            f"{gpu.name} has compute capability {gpu.capability_text}, but {self.title} runs on "
            f"{', '.join(_CAPABILITIES)} only: set engine.kind=tensorrt, or use another GPU."
        )

    def _typing(self, trt: Any) -> StronglyTyped:
        return StronglyTyped()

    def _timing_cache(self, options: EngineOptions) -> None:
        """None: this library times no kernels where it builds, and its timing cache does nothing (since 1.2)."""

    def _context(self, engine: Any, options: EngineOptions) -> Any:
        """A context whose kernels are compiled as it is first run, before any capture, unless an earlier load did."""
        config = engine.create_runtime_config()
        cache = config.create_runtime_cache()
        path = self._kernels_path(options)
        if path is not None and path.is_file():
            cache.deserialize(path.read_bytes())  # False if it is damaged or of another version: then it stays empty
        config.set_runtime_cache(cache)
        return engine.create_execution_context(config)

    def _keep_kernels(self, context: Any, options: EngineOptions) -> None:
        path = self._kernels_path(options)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, bytes(context.get_runtime_config().get_runtime_cache().serialize()))

    def _kernels_path(self, options: EngineOptions) -> Path | None:
        if options.shared_dir is None:
            return None
        return options.shared_dir / f"kernels-{file_stem(self.device_name(), self.versions()[self.name])}.cache"


def _present_target() -> str | None:
    gpu = present_gpu()
    return gpu.capability_text if isinstance(gpu, Gpu) and gpu.capability_text in _CAPABILITIES else None
