"""TensorRT 8.5, 8.6, 10 and 11 on NVIDIA GPUs.

An engine is TensorRT's plan, `engine.plan`, with a summary of what really runs in it, `inspection.json`. How a version
is told which precision each layer runs in is `typing.py`'s to know.
"""

from __future__ import annotations

import platform
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from ....errors import EngineError, NoKernelError
from ..base import Availability, Engine, EngineKind
from ..gpu import NO_GPU, Gpu, NoGpu, announce_gpu, present_gpu
from ..options import EngineOptions
from .gpu_turns import GpuTurns
from .graph import graph_of_onnx, parser_reason
from .libraries import advice_of_failure
from .log import TensorRtLog, library_log
from .options import BuilderOptions, TensorRtOptions
from .timing_cache import TimingCacheFile
from .typing import Typing, typing_of_version

if TYPE_CHECKING:
    import tensorrt

    from ..profile import LayerTime
    from .program import TensorRtProgram

PLAN = "engine.plan"


class TensorRtKind(EngineKind):
    """INT8 where the graph has Q/DQ, FP16 or FP32 elsewhere; static shapes.

    TensorRT for RTX has the same interface; its kind derives from this one and says what differs.
    """

    name: ClassVar[str] = "tensorrt"
    options: ClassVar[type[BuilderOptions]] = TensorRtOptions
    recipe: ClassVar[int] = 2  # 2: in version 8, factors behind products, and what is quantized next left free
    float_types: ClassVar[tuple[str, ...]] = ("fp16", "fp32")
    runs_on_host_cpu: ClassVar[bool] = False
    tells_energy: ClassVar[bool] = True
    chooses_kernels: ClassVar[bool] = True
    stays_loaded: ClassVar[bool] = True

    title: ClassVar[str] = "TensorRT"
    modules: ClassVar[tuple[str, ...]] = ("tensorrt", "tensorrt_bindings")
    install: ClassVar[str] = "pip install 'qpareto[tensorrt]', on a machine that reaches NVIDIA's package index"

    def availability(self) -> Availability:
        gpu = present_gpu()
        device = {} if isinstance(gpu, NoGpu) else {"device": gpu.name, "compute capability": gpu.capability_text}
        driver = {} if isinstance(gpu, NoGpu) else {"driver": gpu.driver}
        try:
            self._trt()
        except EngineError as error:
            return Availability(can_build=False, can_run=False, reason=str(error), details=device | driver)
        details = self.versions() | device
        if isinstance(gpu, NoGpu):
            return self._without_gpu(gpu, details)
        reason = self._unsupported(gpu)
        return Availability(
            can_build=reason is None or self._builds_anywhere(), can_run=reason is None, reason=reason, details=details
        )

    def device_name(self) -> str:
        gpu = present_gpu()
        return gpu.name if isinstance(gpu, Gpu) else f"{NO_GPU} ({platform.machine()})"

    def device_id(self) -> str:
        gpu = present_gpu()
        return gpu.uuid if isinstance(gpu, Gpu) else self.device_name()

    def versions(self) -> dict[str, str]:
        gpu = present_gpu()
        driver = {"driver": gpu.driver} if isinstance(gpu, Gpu) else {}
        return {self.name: str(self._trt().__version__), **driver}

    def faster_float_type(self, options: EngineOptions) -> str | None:
        return "fp16" if options.float_type == "fp32" else None

    def quickest(self, options: EngineOptions) -> EngineOptions:
        levels = hasattr(self._trt().IBuilderConfig, "builder_optimization_level")  # not so in 8.5
        return replace(self._own(options), optimization_level=0) if levels else options

    def times_kernels_alone(self) -> bool:
        return self._typing(self._trt()).tells_kernel_timing

    def timing_cache(self, options: EngineOptions) -> Path | None:
        cache = self._timing_cache(options)
        return None if cache is None else cache.path

    def build(self, onnx_path: Path, engine_dir: Path, options: EngineOptions) -> None:
        options = self._own(options)
        trt = self._trt()
        self._check_buildable()
        typing = self._typing(trt)
        model = graph_of_onnx(onnx_path, options, typing)
        log = library_log(trt).start()
        with GpuTurns(log, self.device_id() if typing.tells_kernel_timing else None) as turns:
            builder = _builder(trt)
            network: tensorrt.INetworkDefinition = builder.create_network(typing.network_flags(trt))
            parser: tensorrt.OnnxParser = trt.OnnxParser(network, log.logger)
            if not parser.parse(model.SerializeToString()):
                raise EngineError(f"{self.title} cannot read {onnx_path.name}: {parser_reason(parser, model)}.")
            config = self._config(trt, builder, options)
            typing.constrain(trt, network, config, options)
            cache = self._timing_cache(options)
            if cache is not None:
                cache.lend(config)
            with turns.taken():
                plan = builder.build_serialized_network(network, config)
            if plan is None:
                raise self._build_error(onnx_path, log)
            if cache is not None:
                cache.take_back(config)
            (engine_dir / PLAN).write_bytes(bytes(plan))
            self._inspect(trt, engine_dir)

    def load(self, engine_dir: Path, options: EngineOptions) -> Engine:
        from ..cuda import CudaEngine

        _, context, program = self._opened(engine_dir, options)
        ready = CudaEngine(program)  # has run once
        self._keep_kernels(context, options)
        return ready

    def profile(
        self, engine_dir: Path, options: EngineOptions, images: NDArray[np.float32], *, runs: int = 20
    ) -> tuple[LayerTime, ...]:
        from ..profile import profile_of_runs
        from .layers import layers_of_engine
        from .profile import layer_runs_ms

        engine, _, program = self._opened(engine_dir, options)
        layers = layers_of_engine(self._trt(), engine)
        return profile_of_runs(layers, layer_runs_ms(self._trt(), program, images, runs=runs))

    # What TensorRT for RTX does otherwise

    def _without_gpu(self, gpu: NoGpu, versions: dict[str, str]) -> Availability:
        return Availability(can_build=False, can_run=False, reason=gpu.reason, details=versions)

    def _builds_anywhere(self) -> bool:
        return False

    def _unsupported(self, gpu: Gpu) -> str | None:
        """Why a present GPU cannot run engines of this kind, or None."""
        return self._typing(self._trt()).unsupported(gpu, self.title)

    def _typing(self, trt: Any) -> Typing:
        return typing_of_version(str(trt.__version__))

    def _config(self, trt: Any, builder: tensorrt.Builder, options: BuilderOptions) -> tensorrt.IBuilderConfig:
        config = builder.create_builder_config()
        config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # for the inspector
        options.configure(trt, config, self.title)
        return config

    def _context(self, engine: tensorrt.ICudaEngine, options: EngineOptions) -> tensorrt.IExecutionContext | None:
        del options
        return engine.create_execution_context()

    def _keep_kernels(self, context: tensorrt.IExecutionContext | None, options: EngineOptions) -> None:
        """Keep what was compiled as an engine first ran."""

    # What both share

    def _trt(self) -> Any:
        """The library's Python module.

        Raises:
            EngineError: it is missing, does not load, or is of a version that is known to be wrong.
        """
        reasons = []
        for name in self.modules:
            try:
                module = import_module(name)
            except (ImportError, OSError, RuntimeError) as error:  # also a library that its bindings do not find
                reasons.append(str(error).strip().splitlines()[0])
                continue
            if hasattr(module, "Builder"):  # type stubs alone import as an empty package
                break
            reasons.append(f"{name} holds no Builder")
        else:
            raise EngineError(f"{self.title} does not load ({reasons[0]}): {advice_of_failure(reasons, self.install)}.")
        self._typing(module)
        return module

    def _own(self, options: EngineOptions) -> BuilderOptions:
        """The options, which must be of this kind.

        Raises:
            EngineError: they are another kind's, or of a float type that this one does not run.
        """
        if not isinstance(options, self.options):
            raise EngineError(f"{self.title} cannot be built or run by the options of '{options.kind}'.")
        if options.float_type not in self.float_types:
            raise EngineError(
                f"{self.title} runs float layers in {' and '.join(self.float_types)}, not in '{options.float_type}': "
                "set engine.float_type."
            )
        return options

    def _check_buildable(self) -> None:
        found = self.availability()
        if not found.can_build:
            raise EngineError(f"{self.title} cannot build here. {found.reason}")

    def _check_runnable(self) -> None:
        found = self.availability()
        if not found.can_run:
            raise EngineError(f"{self.title} cannot run here. {found.reason}")

    def _timing_cache(self, options: EngineOptions) -> TimingCacheFile | None:
        gpu = present_gpu()
        if options.shared_dir is None or isinstance(gpu, NoGpu):  # without a GPU nothing is timed
            return None
        return TimingCacheFile(
            options.shared_dir, gpu=f"{gpu.name}-{gpu.capability_text}", version=self.versions()[self.name]
        )

    def _opened(
        self, engine_dir: Path, options: EngineOptions
    ) -> tuple[tensorrt.ICudaEngine, tensorrt.IExecutionContext | None, TensorRtProgram]:
        """What `build` left in the folder, ready to be given memory and run.

        Raises:
            EngineError: there is no engine, or this device cannot run it.
        """
        from .program import TensorRtProgram

        options = self._own(options)
        path = engine_dir / PLAN
        if not path.is_file():
            raise EngineError(f"{engine_dir} holds no {self.title} engine (there is no {PLAN}): build it again.")
        trt = self._trt()
        self._check_runnable()
        log = library_log(trt).start()
        engine = self._deserialized(trt, log, path)
        context = self._context(engine, options)
        return engine, context, TensorRtProgram(context, engine, log)

    def _deserialized(self, trt: Any, log: TensorRtLog, path: Path) -> tensorrt.ICudaEngine:
        runtime: tensorrt.Runtime = trt.Runtime(log.logger)
        engine = runtime.deserialize_cuda_engine(path.read_bytes())
        if engine is None:
            raise EngineError(f"{self.title} cannot load {path} ({log.reason()}): build it again on this machine.")
        return engine

    def _build_error(self, onnx_path: Path, log: TensorRtLog) -> EngineError:
        """What a build without a plan said: often that it has no kernel for a layer in INT8 beside its neighbours."""
        if nodes := log.nodes_without_kernel():
            return NoKernelError(
                f"{self.title} built no engine for {onnx_path.name}: it has no kernel here for {' with '.join(nodes)}.",
                nodes=nodes,
            )
        return EngineError(f"{self.title} built no engine for {onnx_path.name}: {log.reason()}.")

    def _inspect(self, trt: Any, engine_dir: Path) -> None:
        """Leave what really runs beside the engine; a machine that cannot load the engine cannot tell."""
        from ..inspection import Inspection
        from .layers import layers_of_engine

        if not self.availability().can_run:
            return
        engine = self._deserialized(trt, library_log(trt).start(), engine_dir / PLAN)
        Inspection.of_layers(layers_of_engine(trt, engine)).save(engine_dir)


@cache
def _builder(trt: Any) -> tensorrt.Builder:
    """One a process: version 8.6 takes 10 s to load the kernels that it chooses from."""
    announce_gpu()
    return cast("tensorrt.Builder", trt.Builder(library_log(trt).logger))
