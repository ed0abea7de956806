"""From a candidate to its measurement: built, scored and timed against the reference."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from importlib.metadata import version

from .. import __version__
from ..errors import EngineError, QuantizationError
from ..spaces.calibration import CalibrationChoice
from ..spaces.candidate import Candidate
from .accuracy.bootstrap import accuracy_difference
from .accuracy.output_error import OutputError
from .accuracy.parity import Parity
from .accuracy.scored import scored_accuracy
from .builder import Builder
from .clock import Clock
from .engines.build import engine_bytes
from .engines.inspection import Inspection, names_in_engine
from .engines.profile import reformat_share
from .engines.ref import EngineRef
from .engines.timings import share_timings
from .evaluator import Evaluator
from .latency.paired import LatencyBudget, PairedLatency
from .latency.spread import Spread
from .latency.telemetry import HostLoad
from .latency.timing import Timing
from .measured_engine import MeasuredEngine
from .measurement import Measurement, Provenance
from .once import once
from .quantization.apply_mask import QuantizedModel
from .quantization.graph import layer_digests
from .quantization.sensitivity import Sensitivity, sensitivity_of_layers
from .store.share import do_all

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Scorer(Builder):
    """Scores candidates of one model on one data set and one device.

    Args:
        images: those that engines are scored on, and proven on.
        budget: how long latency is measured.
        load: how other programs' use of the CPU is noticed and waited out; a GPU is watched as patiently.
        unit_ms: the reference's milliseconds that latencies are told in; found by timing if None.
        profile: whether every layer is timed too, for the share of the time that reformats take.
    """

    budget: LatencyBudget
    load: HostLoad = field(default_factory=HostLoad)
    unit_ms: float | None = None
    profile: bool = False

    @property
    def versions(self) -> dict[str, str]:
        """Version of everything that decides what an engine is and scores."""
        return {**self.kind.versions(), "modelopt": version("nvidia-modelopt"), "qpareto": __version__}

    def sensitivity(self, choice: CalibrationChoice, *, images: int = 8) -> Sensitivity:
        """What turning each layer INT8 does to the outputs on the first calibration images; measured once.

        Raises:
            DatasetError: there are fewer calibration images.
            QuantizationError, EngineError: ModelOpt or ONNX Runtime failed.
        """
        error = OutputError(self.head)
        with self.device.beside_timing(on_host=True):
            return sensitivity_of_layers(self.model, self.calibration, choice, self.store, error=error, count=images)

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
        graphs = _, other = self.reference_graph(), self.least_like_the_reference()
        builds = [replace(self, build=number) for number in range(count)]
        do_all(
            {f"{graph.graph_hash}-{build.build}": partial(build.engine, graph) for build in builds for graph in graphs},
            folder=self.store.root / "engines",
        )
        if timings := self.kind.timing_cache(self.options):
            share_timings(timings, self.store)
        return [(build.clock(), build.engine(other)) for build in builds]

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
