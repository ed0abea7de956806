"""What a self-test works on: a model, made-up images, and the engines that were built of it so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...spaces.calibration import CalibrationChoice
from ...spaces.masks import LayerMask
from ...spaces.model import DetectorModel
from ..accuracy.heads import Head, head_of_model
from ..accuracy.images import LetterboxedImages, letterboxed_images
from ..engines import Engine, EngineKind, EngineOptions, engine_kind
from ..latency.paired import LatencyBudget, PairedLatency
from ..latency.telemetry import HostLoad
from ..quantization.calibrate import CalibrationSet, quantizable_layers
from ..score import Scorer
from ..store import Store, file_hash
from ..tensors import tensor_from_pixels
from .check import Untried
from .pictures import IMAGES, made_up_dataset

CALIBRATION = CalibrationChoice("max", IMAGES)
STEP_TIMEOUT_S = 300.0
BUDGET = LatencyBudget(max_seconds=3.0, repeats=0)  # for a look: a study measures longer, and again if disturbed
PATIENCE_S = 2.0  # for other programs to leave the device alone


@dataclass(frozen=True, kw_only=True)
class Built:
    """A built engine with what it is compared with; small to hand to a child process."""

    name: str  # of its mask
    folder: Path
    options: EngineOptions
    onnx_path: Path  # the graph that it was built from
    input_shape: tuple[int, int, int, int]  # the model's
    pixels: LetterboxedImages
    head: Head

    @property
    def kind(self) -> EngineKind:
        return engine_kind(self.options.kind)

    def load(self) -> Engine:
        return self.kind.load(self.folder, self.options)

    def images(self, first: int = 0) -> NDArray[np.float32]:
        """A batch of the made-up images, from this one on, as the engine takes them."""
        rows = (first + np.arange(self.input_shape[0])) % len(self.pixels)
        return tensor_from_pixels(self.pixels.pixels[rows])


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One engine kind with one model, and what the steps so far have left for later ones."""

    model: DetectorModel
    kind: EngineKind
    store: Store
    engines: dict[str, Built] = field(default_factory=dict)  # by the name of their mask
    timings: dict[str, PairedLatency] = field(default_factory=dict)  # against the float engine, likewise

    @cached_property
    def scorer(self) -> Scorer:
        """Of the model on the made-up images: what a study has, but for real images.

        Raises:
            ModelError: the model's head is not recognised.
            QuantizationError: ModelOpt refuses the model.
            DiskError: the store cannot be written.
        """
        batch, _, height, width = self.model.input_shape
        head = head_of_model(self.model.output_shapes, self.model.class_names, self.model.metadata)
        dataset = made_up_dataset(self.store.root / "images", classes=head.classes or 1)
        paths = [image.path for image in dataset.images]
        pixels = letterboxed_images(paths, height=height, width=width, store=self.store)
        return Scorer(
            model=self.model,
            layers=quantizable_layers(self.model, self.store),
            dataset=dataset,
            pixels=pixels,
            head=head,
            calibration=CalibrationSet(pixels=pixels.path, hashes=tuple(map(file_hash, paths))),
            options=self._options(batch),
            budget=BUDGET,
            store=self.store,
            load=HostLoad(max_wait_s=PATIENCE_S),
        )

    @property
    def masks(self) -> dict[str, LayerMask]:
        names = [layer.name for layer in self.scorer.layers]
        return {
            "float": LayerMask.none(names),
            "INT8": LayerMask.all(names),
            "half-INT8": LayerMask.from_names(names, names[::2]),
        }

    def built(self, name: str) -> Built:
        """The engine of this mask.

        Raises:
            Untried: it did not build.
        """
        if name not in self.engines:
            raise Untried(f"the {name} engine did not build")
        return self.engines[name]

    def _options(self, batch: int) -> EngineOptions:
        options = self.kind.options(
            kind=self.kind.name,
            batch=batch,
            float_type=self.kind.float_types[0],
            shared_dir=self.store.root / "engine-caches",
            run_timeout_s=STEP_TIMEOUT_S,
        )
        return self.kind.quickest(options).with_cpu_threads(1)  # which every machine has
