"""From a candidate to its measurement: the whole pipeline on one page."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from .. import __version__
from ..spaces.calibration import CalibrationChoice
from ..spaces.candidate import Candidate
from ..spaces.layers import Layer
from ..spaces.masks import LayerMask
from ..spaces.model import DetectorModel
from .accuracy.bootstrap import map_difference
from .accuracy.dataset import Dataset
from .accuracy.evaluate import Accuracy, accuracy_of_engine
from .accuracy.heads import Head
from .accuracy.images import LetterboxedImages
from .engines import Engine, EngineKind, EngineOptions, engine_kind
from .engines.build import engine_bytes, engine_from_onnx
from .engines.child import run_in_child
from .engines.inspection import Inspection
from .latency.gpu_watch import watch_of_present_gpu
from .latency.lock import device_lock
from .latency.paired import LatencyBudget, PairedLatency, paired_latency
from .latency.telemetry import HostLoad
from .measurement import Measurement
from .quantization.apply_mask import QuantizedModel
from .quantization.calibrate import CalibrationSet, calibrated_model, structure_of_model
from .quantization.float_range import tensors_beyond_half
from .store import Store, content_key, disk_errors
from .tensors import tensor_from_pixels


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """Scores candidates of one model on one data set and one device.

    Args:
        layers: those that can run in INT8, in graph order.
        pixels: the evaluation images, letterboxed, in the data set's order.
        calibration: the calibration images in their seeded order.
        options: how engines are built and run; the reference has these too.
        budget: how long latency is measured.
        load: how other programs' use of the CPU is noticed and waited out; a GPU is watched as patiently.
        unit_ms: the reference's milliseconds that latencies are told in; found by timing if None.
    """

    model: DetectorModel
    layers: tuple[Layer, ...]
    dataset: Dataset
    pixels: LetterboxedImages
    head: Head
    calibration: CalibrationSet
    options: EngineOptions
    budget: LatencyBudget
    store: Store
    load: HostLoad = field(default_factory=HostLoad)
    unit_ms: float | None = None

    @property
    def kind(self) -> EngineKind:
        return engine_kind(self.options.kind)

    @property
    def versions(self) -> dict[str, str]:
        """Version of everything that decides what an engine is and scores."""
        return {**self.kind.versions(), "modelopt": version("nvidia-modelopt"), "qpareto": __version__}

    def quantize(self, candidate: Candidate) -> QuantizedModel:
        """Calibrate, unless somebody has, and apply the mask.

        Raises:
            DatasetError: there are fewer calibration images than the choice asks for.
            QuantizationError: ModelOpt failed, or the effective mask is not the requested one.
        """
        if not candidate.mask:
            return structure_of_model(self.model, self.store).with_mask(candidate.mask)
        with self._beside_timing(on_host=True):
            calibrated = calibrated_model(self.model, self.calibration, candidate.calibration, self.store)
        return calibrated.with_mask(candidate.mask)

    def engine(self, quantized: QuantizedModel, *, float_type: str | None = None) -> Path:
        """The engine's folder, built unless somebody has.

        Raises:
            EngineError: it does not build.
        """
        temporary = Path(tempfile.gettempdir())
        with disk_errors(temporary), tempfile.TemporaryDirectory(prefix="qpareto-") as folder, self._beside_timing():
            onnx_path = Path(folder) / "quantized.onnx"
            onnx_path.write_bytes(quantized.model.SerializeToString())
            return engine_from_onnx(onnx_path, quantized.graph_hash, self._build_options(float_type), self.store)

    def measure(self, candidate: Candidate, quantized: QuantizedModel, *, float_type: str | None = None) -> Measurement:
        """Build, evaluate and time one candidate against the reference.

        Args:
            float_type: what layers outside the mask run in, where that is not the reference's.

        Raises:
            EngineError: an engine does not build, load or run, or takes too long.
        """
        options = self._options(float_type)
        engine = self.engine(quantized, float_type=float_type)
        accuracy, reference = self.accuracy(engine, options), self.accuracy(self.reference, self.options)
        change, low, high = map_difference(accuracy.matches, reference.matches)
        latency, inspection = self.latency(engine, options), Inspection.load(engine)
        return Measurement(
            map50_95=accuracy.score.map50_95,
            map50=accuracy.score.map50,
            map50_95_change=change,
            map50_95_change_ci=(low, high),
            ap_small=accuracy.score.ap_small,
            ap_medium=accuracy.score.ap_medium,
            ap_large=accuracy.score.ap_large,
            ap_by_class=accuracy.score.per_class,
            latency_ms=latency.ratio * self.reference_ms,
            latency_median_ms=latency.candidate_ms,
            latency_p95_ms=latency.candidate_p95_ms,
            latency_cold_ms=latency.candidate_cold_ms,
            latency_ratio=latency.ratio,
            latency_ratio_ci=latency.ratio_ci,
            reference_ms=latency.reference_ms,
            pairs=latency.pairs,
            flags=latency.flags,
            foreign_load=latency.foreign_load,
            readings=latency.readings,
            energy_mj=latency.energy_mj,
            int8_ran=inspection.ran_in_int8(tuple(candidate.mask)) if inspection else None,
            reformats=len(inspection.reformats) if inspection else None,
            engine_bytes=engine_bytes(engine),
            mask=candidate.mask.word,
            int8_layers=tuple(candidate.mask),
            calibration=str(candidate.calibration) if candidate.mask else None,
            float_type=options.float_type,
            batch=options.batch,
            threads=options.threads,
            engine=options.kind,
            device=self.kind.device_name(),
            images=len(self.dataset.images),
            versions=self.versions,
            model_hash=self.model.content_hash,
            dataset_hash=self.dataset.content_hash,
            graph_hash=quantized.graph_hash,
        )

    @cached_property
    def reference(self) -> Path:
        """The folder of the reference engine: the one with an empty mask."""
        nothing = LayerMask.none([layer.name for layer in self.layers])
        return self.engine(self.quantize(Candidate(CalibrationChoice("max", 1), nothing)))

    @cached_property
    def reference_ms(self) -> float:
        """The reference's milliseconds: the unit in which latencies are told.

        Timed against itself, and kept in the store for later processes unless the timing was disturbed.
        """
        if self.unit_ms is not None:
            return self.unit_ms
        key = content_key(reference=self.reference.name)
        if found := self.store.find("reference-ms", key):
            return float((found / "ms.txt").read_text(encoding="ascii"))
        timed = self.latency(self.reference, self.options)
        if not timed.flags:
            self.store.make("reference-ms", key, lambda f: _write(f / "ms.txt", repr(timed.reference_ms)))
        return timed.reference_ms

    def accuracy(self, engine: Path, options: EngineOptions) -> Accuracy:
        """What the engine scores on the evaluation images; measured once, since it does not vary.

        Raises:
            EngineError: the engine does not load or run, or takes too long.
        """
        key = content_key(
            engine=engine.name,
            pixels=self.pixels.content_hash,
            dataset=self.dataset.content_hash,
            categories=self.dataset.category_ids,
            head=[self.head.kind, self.head.output],
        )

        def fill(folder: Path) -> None:
            with self._beside_timing():
                run_in_child(
                    _evaluate,
                    *(engine, options, self.pixels, self.dataset, self.head, folder),
                    timeout_s=options.run_timeout_s,
                    log_path=self._log("accuracy", key),
                )

        return Accuracy.load(self.store.make("accuracy", key, fill))

    def latency(self, engine: Path, options: EngineOptions) -> PairedLatency:
        """The engine timed against the reference, while nobody else of ours uses the device.

        Raises:
            EngineError: an engine does not load or run, or takes too long.
        """
        reference = self.reference
        with device_lock(self.kind.device_id(), exclusive=True), disk_errors(self.store.root):
            return run_in_child(
                _time,
                *((reference, self.options), (engine, options), self.pixels, self.budget, self.load),
                timeout_s=options.run_timeout_s,
                log_path=self._log("latency", engine.name),
            )

    def _options(self, float_type: str | None) -> EngineOptions:
        return replace(self.options, float_type=float_type) if float_type else self.options

    def _build_options(self, float_type: str | None) -> EngineOptions:
        """With what FP16 cannot hold well, which is decided once for all masks."""
        options = self._options(float_type)
        if options.float_type != "fp16" or not options.range_guard:
            return options
        with self._beside_timing(on_host=True):
            return replace(options, keep_fp32=tensors_beyond_half(self.model, self.calibration, self.store))

    def _log(self, step: str, key: str) -> Path:
        return self.store.root / "logs" / f"{step}-{key}.log"

    @contextmanager
    def _beside_timing(self, *, on_host: bool = False) -> Iterator[None]:
        """Work that may run beside its like, and not beside another process's timing on the same device.

        Args:
            on_host: it uses this machine's CPU only: a device beside it is not disturbed.
        """
        if on_host and not self.kind.runs_on_host_cpu:
            yield
            return
        with device_lock(self.kind.device_id(), exclusive=False):
            yield


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="ascii")


def _evaluate(
    engine: Path, options: EngineOptions, pixels: LetterboxedImages, dataset: Dataset, head: Head, folder: Path
) -> None:
    """Run in a child process: leaves the accuracy in the folder."""
    with engine_kind(options.kind).load(engine, options) as loaded:
        accuracy_of_engine(loaded, pixels, dataset, head).save(folder)


def _time(
    reference: tuple[Path, EngineOptions],
    candidate: tuple[Path, EngineOptions],
    pixels: LetterboxedImages,
    budget: LatencyBudget,
    load: HostLoad,
) -> PairedLatency:
    """Run in a child process: both engines on the same real images."""
    with _loaded(*reference, pixels) as one, _loaded(*candidate, pixels) as other:
        if engine_kind(candidate[1].kind).runs_on_host_cpu:
            return paired_latency(one, other, budget=budget, load=load)
        watch = watch_of_present_gpu(max_wait_s=load.max_wait_s)
        timed = paired_latency(one, other, budget=budget, load=watch)
        return replace(timed, energy_mj=watch.energy_mj(other))


@contextmanager
def _loaded(folder: Path, options: EngineOptions, pixels: LetterboxedImages) -> Iterator[Engine]:
    with engine_kind(options.kind).load(folder, options) as engine:
        rows = [i % len(pixels) for i in range(engine.input_shape[0])]
        engine.load_input(tensor_from_pixels(pixels.pixels[rows]))
        yield engine
