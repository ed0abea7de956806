"""From a candidate to its measurement: the whole pipeline on one page."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import EngineError, NoKernelError, QuantizationError
from ..spaces.calibration import CalibrationChoice
from ..spaces.candidate import Candidate
from ..spaces.layers import Layer
from ..spaces.masks import LayerMask
from ..spaces.model import DetectorModel
from . import steps
from .accuracy.bootstrap import accuracy_difference
from .accuracy.data.evaluation_set import EvaluationSet
from .accuracy.heads import Head
from .accuracy.output_error import OutputError
from .accuracy.parity import Parity
from .accuracy.scored import scored_accuracy
from .clock import Clock
from .device import Device
from .engines import EngineKind, EngineOptions
from .engines.build import engine_bytes, engine_from_onnx, find_engine, is_being_built
from .engines.inspection import Inspection, names_in_engine
from .engines.missing_kernels import MissingKernels
from .engines.options import HalfOptions
from .engines.profile import reformat_share
from .engines.ref import EngineRef
from .evaluator import Evaluator
from .latency.paired import LatencyBudget, PairedLatency
from .latency.spread import Spread
from .latency.telemetry import HostLoad
from .latency.timing import Timing
from .measured_engine import MeasuredEngine
from .measurement import Measurement, Provenance
from .once import once
from .quantization.apply_mask import QuantizedModel
from .quantization.batch import with_batch
from .quantization.calibrate import CalibrationSet, calibrated_model, structure_of_model
from .quantization.float_range import tensors_beyond_half
from .quantization.graph import layer_digests
from .quantization.sensitivity import Sensitivity, sensitivity_of_layers
from .store import Store, disk_errors
from .store.share import Part, make_all

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """Scores candidates of one model on one data set and one device.

    Args:
        layers: those that can run in INT8, in graph order.
        images: those that engines are scored on.
        calibration: the calibration images in their seeded order.
        options: how engines are built and run; the reference has these too.
        budget: how long latency is measured.
        load: how other programs' use of the CPU is noticed and waited out; a GPU is watched as patiently.
        unit_ms: the reference's milliseconds that latencies are told in; found by timing if None.
        profile: whether every layer is timed too, for the share of the time that reformats take.
        build: engines of another number are built anew, though their graphs be the same.
        seconds: by step, what was spent since the last measurement, which tells them.
    """

    model: DetectorModel
    layers: tuple[Layer, ...]
    images: EvaluationSet
    head: Head
    calibration: CalibrationSet
    options: EngineOptions
    budget: LatencyBudget
    store: Store
    load: HostLoad = field(default_factory=HostLoad)
    unit_ms: float | None = None
    profile: bool = False
    build: int = 0
    seconds: dict[str, float] = field(default_factory=dict, compare=False, repr=False)

    @property
    def device(self) -> Device:
        return Device(self.options, self.store, self.seconds)

    @property
    def kind(self) -> EngineKind:
        return self.device.kind

    @property
    def versions(self) -> dict[str, str]:
        """Version of everything that decides what an engine is and scores."""
        return {**self.kind.versions(), "modelopt": version("nvidia-modelopt"), "qpareto": __version__}

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

    def sensitivity(self, choice: CalibrationChoice, *, images: int = 8) -> Sensitivity:
        """What turning each layer INT8 does to the outputs on the first calibration images; measured once.

        Raises:
            DatasetError: there are fewer calibration images.
            QuantizationError, EngineError: ModelOpt or ONNX Runtime failed.
        """
        error = OutputError(self.head)
        with self.device.beside_timing(on_host=True):
            return sensitivity_of_layers(self.model, self.calibration, choice, self.store, error=error, count=images)

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

    def is_being_built(self, graph_hash: str, *, float_type: str | None = None) -> bool:
        """Whether another process builds that graph's engine just now: `engine` would wait for it."""
        return is_being_built(graph_hash, self.build_options(float_type), self.store, build=self.build)

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

    def measure(
        self,
        candidate: Candidate,
        quantized: QuantizedModel,
        *,
        float_type: str | None = None,
        latency: PairedLatency | None = None,
    ) -> Measurement:
        """Build, evaluate and time one candidate against the reference.

        Args:
            float_type: what layers outside the mask run in, where that is not the reference's.
            latency: as timed in full before, if it was; what was timed was then held against what was scored.

        Raises:
            EngineError: an engine does not build, load or run, takes too long, or is not timed as it was scored.
        """
        engine = self.engine(quantized, float_type=float_type)
        accuracy, reference = (self.evaluator.accuracy(each) for each in (engine, self.reference()))
        latency = latency or self.clock().latency(engine, sample=accuracy.sample)
        return Measurement(
            accuracy=scored_accuracy(
                accuracy.score,
                change=accuracy_difference(accuracy.matches, reference.matches),
                images=len(self.images),
                dataset_hash=self.images.dataset.content_hash,
                key=self.evaluator.key(engine),
            ),
            timing=Timing.of(latency, self.spread(), reference_ms=self.reference_ms()),
            engine=self._measured(engine, quantized, candidate),
            provenance=Provenance(
                device=self.kind.device_name(),
                versions=self.versions,
                model_hash=self.model.content_hash,
                seconds=self._spent(),  # last: what stands above may be measured for it
            ),
        )

    def _measured(self, engine: EngineRef, quantized: QuantizedModel, candidate: Candidate) -> MeasuredEngine:
        inspection = Inspection.load(engine.folder)
        names = names_in_engine(engine.folder, layer_digests(quantized.model))
        return MeasuredEngine(
            kind=engine.options.kind,
            bytes=engine_bytes(engine.folder),
            mask=quantized.mask.word,
            int8_layers=tuple(quantized.mask),
            calibration=str(candidate.calibration) if quantized.mask else None,
            float_type=engine.options.float_type,
            batch=engine.options.batch,
            threads=engine.options.cpu_threads,
            graph_hash=quantized.graph_hash,
            key=engine.name,
            int8_ran=inspection.ran_as(quantized.mask, names) if inspection else None,
            no_int8_kernel=tuple(candidate.mask.without(quantized.mask)),
            reformats=len(inspection.reformats) if inspection else None,
            reformat_share=reformat_share(self.clock().layer_times(engine)) if self.profile else None,
            parity=Parity.load(engine.folder),
        )

    def reference(self) -> EngineRef:
        """The reference engine, the one with an empty mask, built unless somebody has."""
        return self.engine(self.reference_graph())

    @once
    def reference_graph(self) -> QuantizedModel:
        """The graph without INT8."""
        nothing = LayerMask.none([layer.name for layer in self.layers])
        return self.quantize(Candidate(CalibrationChoice("max", 1), nothing))

    @once
    def reference_ms(self) -> float:
        """The reference's milliseconds: the unit in which latencies are told; see `Clock.reference_ms`."""
        return self.clock().reference_ms() if self.unit_ms is None else self.unit_ms

    @once
    def spread(self) -> Spread:
        """How far timings of one engine lie apart here, timed unless it is known: see `latency/spread.py`."""
        first = replace(self, build=0)  # known once, whatever this one builds
        return first.clock().spread(first._pairs_to_time)

    def _pairs_to_time(self, count: int) -> list[tuple[Clock, EngineRef]]:
        """So many builds of the reference and of the engine least like it, which all workers of a machine share out."""
        graphs = self.reference_graph(), self.least_like_the_reference()
        builds = [replace(self, build=number) for number in range(count)]
        make_all(
            [
                Part(partial(build.engine, graph), partial(build.is_being_built, graph.graph_hash))
                for build in builds
                for graph in graphs
            ]
        )
        return [(build.clock(), build.engine(graphs[1])) for build in builds]

    def least_like_the_reference(self) -> QuantizedModel:
        """The graph with all layers in INT8, or the reference's if that is not built, which is logged."""
        try:
            return self.all_int8_graph(CalibrationChoice("max", len(self.calibration.hashes)))
        except (QuantizationError, EngineError) as error:
            _log.warning("The reference is timed against itself to see how far timings lie apart. %s", error)
            return self.reference_graph()

    def clock(self) -> Clock:
        """What times engines against the reference, which is built unless somebody has."""
        return Clock(
            device=self.device,
            reference=self.reference(),
            pixels=self.images.pixels,
            head=self.head,
            budget=self.budget,
            load=self.load,
        )

    @cached_property
    def evaluator(self) -> Evaluator:
        """What scores engines on the evaluation images."""
        return Evaluator(device=self.device, images=self.images, head=self.head)

    def _spent(self) -> dict[str, float]:
        """Seconds by step since this was last asked."""
        told = {step: round(seconds, 2) for step, seconds in self.seconds.items()}
        self.seconds.clear()
        return told

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
