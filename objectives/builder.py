"""From a candidate to its engine: calibrated, quantized, built and proven, each unless somebody has."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from ..errors import NoKernelError, QuantizationError
from ..spaces.calibration import CalibrationChoice
from ..spaces.candidate import Candidate
from ..spaces.layers import Layer
from ..spaces.masks import LayerMask
from ..spaces.model import DetectorModel
from . import steps
from .accuracy.data.evaluation_set import EvaluationSet
from .accuracy.heads import Head
from .device import Device
from .engines import EngineKind, EngineOptions
from .engines.build import engine_from_onnx, find_engine
from .engines.missing_kernels import MissingKernels
from .engines.options import HalfOptions
from .engines.ref import EngineRef
from .once import once
from .quantization.apply_mask import QuantizedModel
from .quantization.batch import with_batch
from .quantization.calibrate import CalibrationSet, calibrated_model, structure_of_model
from .quantization.float_range import tensors_beyond_half
from .quantization.graph import layer_digests
from .store import Store, disk_errors

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Builder:
    """Builds engines of one model for one device.

    Args:
        layers: those that can run in INT8, in graph order.
        images: those that engines are proven on.
        calibration: the calibration images in their seeded order.
        options: how engines are built and run; the reference has these too.
        build: engines of another number are built anew, though their graphs be the same.
        seconds: by step, what was spent since the last measurement, which tells them.
    """

    model: DetectorModel
    layers: tuple[Layer, ...]
    images: EvaluationSet
    head: Head
    calibration: CalibrationSet
    options: EngineOptions
    store: Store
    build: int = 0
    seconds: dict[str, float] = field(default_factory=dict, compare=False, repr=False)

    @property
    def device(self) -> Device:
        return Device(self.options, self.store, self.seconds)

    @property
    def kind(self) -> EngineKind:
        return self.device.kind

    def quantize(self, candidate: Candidate) -> QuantizedModel:
        """Calibrate, unless somebody has, and apply the mask, less the layers that have no INT8 kernel here.

        Raises:
            DatasetError: there are fewer calibration images than the choice asks for.
            QuantizationError: ModelOpt failed, or the effective mask is not the requested one.
        """
        mask = candidate.mask.without(self.missing_kernels.known())
        if not mask:
            return structure_of_model(self.model, self.store).with_mask(mask)
        if refusal := self.kind.refusal_of_method(candidate.calibration.method):
            raise QuantizationError(refusal)
        with self.device.beside_timing(on_host=True):
            calibrated = calibrated_model(self.model, self.calibration, candidate.calibration, self.store)
        return calibrated.with_mask(mask)

    def engine(self, quantized: QuantizedModel, *, float_type: str | None = None) -> EngineRef:
        """The engine, built unless somebody has.

        Raises:
            NoKernelError: some of its INT8 layers have no INT8 kernel here; they are float from now on.
            EngineError: it does not build, or does not compute its graph.
        """
        options = self.build_options(float_type)
        if found := find_engine(quantized.graph_hash, options, self.store, build=self.build):
            return found
        temporary = Path(tempfile.gettempdir())
        with (
            disk_errors(temporary),
            tempfile.TemporaryDirectory(prefix="qpareto-") as folder,
            self.device.building(),
            self.device.counting("build"),
        ):
            onnx_path, graph = Path(folder) / "quantized.onnx", Path(folder) / "searched.onnx"
            onnx_path.write_bytes(self.built_graph(quantized).SerializeToString())
            graph.write_bytes(quantized.model.SerializeToString())
            proof = partial(steps.prove, images=self.images.pixels, head=self.head, graph=graph)
            try:
                return engine_from_onnx(
                    *(onnx_path, quantized.graph_hash, options, self.store),
                    proof=proof,
                    build=self.build,
                    layers=layer_digests(quantized.model),
                )
            except NoKernelError as error:
                raise self.missing_kernels.learned(error, quantized.mask) or error from error

    def all_int8(self, choice: CalibrationChoice) -> EngineRef:
        """The engine with every layer in INT8 that has an INT8 kernel here; see `all_int8_graph`."""
        return self.engine(self.all_int8_graph(choice))

    def all_int8_graph(self, choice: CalibrationChoice) -> QuantizedModel:
        """The graph of that engine, which is built; learns which layers have no INT8 kernel, a build each.

        Raises:
            QuantizationError, EngineError: as `quantize` and `engine`.
        """
        everything = Candidate(choice, LayerMask.all([layer.name for layer in self.layers]))
        while True:
            quantized = self.quantize(everything)
            try:
                self.engine(quantized)
                return quantized
            except NoKernelError as error:
                if self.quantize(everything).mask == quantized.mask:
                    raise
                _log.info("%s", error)

    @cached_property
    def missing_kernels(self) -> MissingKernels:
        """The layers that have no INT8 kernel here, as far as builds have told."""
        return MissingKernels(self.options, model=self.model.content_hash)

    def built_graph(self, quantized: QuantizedModel) -> Any:
        """The onnx.ModelProto that an engine is built from: with the engine's batch, where the model has another.

        Raises:
            ModelError: it cannot be given that batch.
        """
        return with_batch(quantized.model, self.options.batch)

    def reference(self) -> EngineRef:
        """The reference engine, the one with an empty mask, built unless somebody has."""
        return self.engine(self.reference_graph())

    @once
    def reference_graph(self) -> QuantizedModel:
        """The graph without INT8."""
        nothing = LayerMask.none([layer.name for layer in self.layers])
        return self.quantize(Candidate(CalibrationChoice("max", 1), nothing))

    def build_options(self, float_type: str | None = None) -> EngineOptions:
        """How engines are built: with what FP16 cannot hold well, which is decided once for all masks.

        Raises:
            QuantizationError: AutoCast failed.
        """
        options = replace(self.options, float_type=float_type) if float_type else self.options
        if not isinstance(options, HalfOptions) or options.float_type != "fp16" or not options.range_guard:
            return options
        with self.device.beside_timing(on_host=True):
            return replace(options, keep_fp32=tensors_beyond_half(self.model, self.calibration, self.store))
