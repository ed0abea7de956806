"""What a self-test works on: a model, made-up images, and the engines that were built of it so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ...errors import NoKernelError
from ...spaces.calibration import CalibrationChoice
from ...spaces.candidate import Candidate
from ...spaces.masks import LayerMask
from ...spaces.model import DetectorModel
from ..accuracy.heads.head_kinds import head_of
from ..engines import EngineKind, EngineOptions
from ..engines.build import engine_bytes, engine_from_onnx
from ..engines.inspection import Inspection
from ..engines.ref import EngineRef
from ..latency.paired import LatencyBudget, PairedLatency
from ..latency.telemetry import HostLoad
from ..quantization.calibrate import CalibrationSet, quantizable_layers
from ..score import Scorer
from ..store import Store, disk_errors
from .built import Built
from .check import Untried
from .pictures import IMAGES, made_up_images

ENGINES = ("float", "INT8", "half INT8")
CALIBRATION = CalibrationChoice("max", IMAGES)
STEP_TIMEOUT_S = 300.0
BUDGET = LatencyBudget(max_seconds=3.0, repeats=0)  # for a look: a study measures longer, and again if disturbed
PATIENCE_S = 2.0  # for other programs to leave the device alone


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One engine kind with one model, and what the steps so far have left for later ones."""

    model: DetectorModel
    kind: EngineKind
    store: Store
    engines: dict[str, Built] = field(default_factory=dict)  # by their names in ENGINES
    timings: dict[str, PairedLatency] = field(default_factory=dict)  # against the float engine, likewise

    @property
    def options(self) -> EngineOptions:
        options = self.kind.options(
            kind=self.kind.name,
            batch=self.model.input_shape[0],
            float_type=self.kind.float_types[0],
            shared_dir=self.store.root / "engine-caches",
            run_timeout_s=STEP_TIMEOUT_S,
        )
        return self.kind.quickest(options).with_cpu_threads(1)  # which every machine has

    @cached_property
    def scorer(self) -> Scorer:
        """Of the model on the made-up images: what a study has, but for real images.

        Raises:
            ModelError: the model's head is not recognised.
            QuantizationError: ModelOpt refuses the model.
            DiskError: the store cannot be written.
        """
        head = head_of(self.model)
        *_, height, width = self.model.input_shape
        images = made_up_images(self.store.root, height=height, width=width, classes=head.classes or 1)
        return Scorer(
            model=self.model,
            layers=quantizable_layers(self.model, self.store),
            images=images,
            head=head,
            calibration=CalibrationSet(pixels=images.pixels.path, hashes=tuple(f"made up {i}" for i in range(IMAGES))),
            options=self.options,
            budget=BUDGET,
            store=self.store,
            load=HostLoad(max_wait_s=PATIENCE_S),
        )

    @property
    def masks(self) -> dict[str, LayerMask]:
        """By `ENGINES`: no layer in INT8, all, every other one."""
        names = [layer.name for layer in self.scorer.layers]
        return dict(zip(ENGINES, (LayerMask.from_names(names, some) for some in ([], names, names[::2])), strict=True))

    def built(self, name: str) -> Built:
        """An engine of this name.

        Raises:
            Untried: it did not build.
        """
        if name not in self.engines:
            raise Untried(f"the {name} engine did not build")
        return self.engines[name]


def quantizes(subject: Subject) -> str:
    """Calibrate on the made-up images and apply every mask that is built."""
    scorer = subject.scorer
    for mask in subject.masks.values():
        scorer.quantize(Candidate(CALIBRATION, mask))
    return f"{len(scorer.layers)} layers, calibrated by {CALIBRATION.method} on {CALIBRATION.size} made-up images"


def builds(subject: Subject, name: str) -> str:
    """Quantize for a mask and build in a child process; leaves the engine for later steps.

    As a trial does, but without comparing outputs: an engine that gives wrong ones is to be looked at further.
    """
    scorer = subject.scorer
    onnx_path = subject.store.root / "graphs" / f"{name}.onnx"
    mask, engine = _built(subject, name, onnx_path)
    subject.engines[name] = Built(
        kind=subject.kind,
        options=engine.options,
        folder=engine.folder,
        onnx_path=onnx_path,
        input_shape=scorer.model.input_shape,
        pixels=scorer.images.pixels.path,
        store=subject.store,
    )
    size = f"{engine_bytes(engine.folder) / 2**20:.1f} MiB, {len(mask)} of {len(scorer.layers)} layers set to INT8"
    if missing := ", ".join(subject.masks[name].without(mask)):
        size += f", no INT8 kernel for {missing}"
    inspection = Inspection.load(engine.folder)
    if inspection is None:
        return size
    ran = inspection.ran_as(mask)
    return f"{size}, {'untold' if ran is None else ran} run so, {len(inspection.reformats)} reformats"


def _built(subject: Subject, name: str, onnx_path: Path) -> tuple[LayerMask, EngineRef]:
    """The engine of a mask, less the layers that turn out to have no INT8 kernel here: its mask, and the engine."""
    scorer = subject.scorer
    while True:
        quantized = scorer.quantize(Candidate(CALIBRATION, subject.masks[name]))
        with disk_errors(subject.store.root):
            onnx_path.parent.mkdir(exist_ok=True)
            onnx_path.write_bytes(quantized.model.SerializeToString())
        try:
            with scorer.device.building():
                engine = engine_from_onnx(onnx_path, quantized.graph_hash, scorer.build_options(), subject.store)
        except NoKernelError as error:
            if scorer.missing_kernels.learned(error, quantized.mask) is None:
                raise
        else:
            return quantized.mask, engine
