"""An exported folder whose files are what was exported, loaded and measured again.

The reference is not in the folder, nor need it be: it is `quantized.onnx` without its Q/DQ pairs, proven by its graph's
hash, and is built here; by TensorRT from the timing cache that the folder has, so that it is of the same kernels.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ...errors import VerificationError
from ...objectives import steps
from ...objectives.accuracy.bootstrap import accuracy_difference
from ...objectives.accuracy.data.dataset import Dataset
from ...objectives.accuracy.data.evaluation_set import EvaluationSet
from ...objectives.accuracy.heads import Head
from ...objectives.accuracy.heads.head_kinds import head_named
from ...objectives.accuracy.parity import IMAGES, Parity
from ...objectives.accuracy.tasks import Task
from ...objectives.device import Device
from ...objectives.engines import EngineOptions, engine_kind
from ...objectives.engines.build import engine_from_onnx
from ...objectives.engines.ref import EngineRef
from ...objectives.evaluator import Evaluator
from ...objectives.interval import Interval
from ...objectives.latency.paired import DISTURBANCES, LatencyBudget
from ...objectives.latency.telemetry import HostLoad
from ...objectives.quantization.apply_mask import float_graph
from ...objectives.store import Store
from ...spaces.model import read_model
from ..wording import accuracy, change, ratio, with_interval
from .agreement import agree, difference
from .facts import DataFacts
from .layouts import restore
from .manifest import Manifest

MAP_MARGIN = 0.001  # kernels that add up in another order
HALF_WIDTHS = 1.0  # of the manifest's interval: a ratio has to be off by more on top, since one in 20 is outside of it
OLD_MARGIN = 0.03  # of the ratio: older manifests' intervals do not hold what processes and builds differ by

_QUANTIZED = "quantized.onnx"

# What to look at, the cache, a limit for a glance, and what is to be found.
FindImages = Callable[[DataFacts, Store, int | None, Task], Dataset]


@dataclass(frozen=True, kw_only=True)
class CheckedPackage:
    """A folder whose files are what was exported.

    Args:
        scratch: an empty folder for what is built here.
    """

    folder: Path
    manifest: Manifest
    scratch: Path
    find_images: FindImages

    def parity(self) -> str:
        """Whether the engine finds what its graph finds, on the first few images."""
        glance = self.find_images(self.manifest.data, self._store, IMAGES, self._head.task)  # whatever its classes
        pixels, onnx_path = self._images(glance).pixels, self.folder / _QUANTIZED
        out = self.scratch / "parity"
        out.mkdir()
        self._device.run("parity", steps.check_parity, self._engine, onnx_path, out, images=pixels, head=self._head)
        found = Parity.load(out)
        assert found is not None  # the step leaves it
        return f"on {found.images} images {found.words(self._head.task)}"

    def accuracy(self) -> str:
        """The figure on the same images, the change's interval as its own: the reference is evaluated too."""
        then = self.manifest.measurement.accuracy
        found, reference = map(self._evaluator.accuracy, (self._engine, self._reference))
        now = _around(found.score.value, accuracy_difference(found.matches, reference.matches))
        before = _around(then.value, then.change)
        told = f"{then.label} {accuracy(now.value)} on {then.images} images, {accuracy(before.value)} in the manifest"
        if not agree(before, now, margin=MAP_MARGIN, correlation=1.0):
            raise VerificationError(
                f"{told}: the difference of {change(difference(before, now, correlation=1.0).value)} is beyond "
                f"{MAP_MARGIN:g}, though images, engine and versions are the same: measure it anew with `qpareto "
                "measure`."
            )
        return told

    def latency(self) -> str:
        """The ratio to the reference, both timed here in the same breath."""
        then, timing = self.manifest.measurement.timing, self.manifest.timing
        budget = LatencyBudget(ci_width=timing.ci_width, max_seconds=timing.max_seconds)
        evaluator = self._evaluator
        timed = self._device.run_timing(
            "latency",
            steps.time,
            *(self._reference, self._engine),
            pixels=evaluator.images.pixels,
            head=self._head,
            sample=evaluator.sample(self._engine),
            budget=budget,
            load=HostLoad(max_wait_s=timing.max_wait_s),
        )
        # the study's figures that count hold the interval by all that it timed
        before, now = (self.manifest.figures or then).ratio, timed.ratio
        told = (
            f"{ratio(timed.median_ms)} ms, {_interval(now)} of the reference's {ratio(timed.reference_ms)} ms; "
            f"{_interval(before)} in the manifest"
        )
        margin = HALF_WIDTHS * (before.high - before.low) / 2
        if then.spread is None:
            margin = max(margin, OLD_MARGIN * before.value)
        if not agree(before, now, margin=margin):
            advice = "measure it anew with `qpareto measure`"
            if disturbed := DISTURBANCES.intersection((*timed.flags, *then.flags)):
                advice = f"a timing was disturbed ({', '.join(sorted(disturbed))}), so verify again on a quiet machine"
            apart = difference(before, now)
            raise VerificationError(f"{told}: the ratio differs by {_interval(apart)}, beyond doubt; {advice}.")
        return told

    @property
    def _options(self) -> EngineOptions:
        return self.manifest.engine.options

    @property
    def _device(self) -> Device:
        return Device(self._options, self._store)

    @property
    def _store(self) -> Store:
        return Store(self.scratch / "store")

    @property
    def _head(self) -> Head:
        model = self.manifest.model
        graph = read_model(self.folder / _QUANTIZED)
        fits = head_named(model.head).fit(graph.output_shapes, model.head_classes, model.input_shape[2:])
        return next(head for head in fits if head.output == model.head_output and head.suits(graph.metadata))

    @cached_property
    def _engine(self) -> EngineRef:
        """As it was built."""
        engine = self.scratch / "engine"
        engine.mkdir()
        restore(self.manifest.engine.files, self.folder, engine)
        return EngineRef(engine, self._options)

    @cached_property
    def _reference(self) -> EngineRef:
        """Built here, from the quantized graph without its Q/DQ pairs.

        Raises:
            VerificationError: that is not the reference that was measured against.
            EngineError: it does not build.
        """
        facts = self.manifest.engine
        graph = float_graph(self.folder / _QUANTIZED)
        if graph.graph_hash != facts.reference_graph_hash:
            raise VerificationError(
                f"{_QUANTIZED} without its Q/DQ pairs is not the reference's graph: verify with qpareto "
                f"{self.manifest.qpareto}, which wrote it."
            )
        onnx_path = self.scratch / "reference.onnx"
        onnx_path.write_bytes(graph.model.SerializeToString())
        with self._device.building():
            return engine_from_onnx(onnx_path, graph.graph_hash, self._reference_options(), self._store)

    def _reference_options(self) -> EngineOptions:
        """With the timing cache of the study's builds, so that the reference's kernels are those of then."""
        facts = self.manifest.engine
        if facts.timing_cache is None:
            return facts.reference_options
        options = replace(facts.reference_options, shared_dir=self.scratch / "engine-caches")
        if cache := engine_kind(options.kind).timing_cache(options):
            cache.parent.mkdir(exist_ok=True)  # asked for again where the reference did not build
            shutil.copyfile(self.folder / facts.timing_cache, cache)
        return options

    @cached_property
    def _evaluator(self) -> Evaluator:
        """On the images that were measured on.

        Raises:
            VerificationError: they are others.
        """
        facts, model = self.manifest.data, self.manifest.model
        found = self.find_images(facts, self._store, facts.limit, self._head.task)
        images = self._images(found.for_model(model.class_names, model.head_classes, facts.classes))
        if images.dataset.content_hash != facts.hash:
            raise VerificationError(
                f"These are not the {facts.images_seen} images of {facts.name}, with their boxes, that were measured "
                "on: name those with --images and --annotations, or with --data."
            )
        return Evaluator(device=self._device, images=images, head=self._head)

    def _images(self, dataset: Dataset) -> EvaluationSet:
        model = self.manifest.model
        _, _, height, width = model.input_shape
        prepared = model.preprocessing
        return EvaluationSet.of_dataset(dataset, height=height, width=width, store=self._store, preprocessing=prepared)


def _around(value: float, change: Interval) -> Interval:
    """A figure with the arms of its change against the reference."""
    return Interval(value, value + change.low - change.value, value + change.high - change.value)


def _interval(found: Interval) -> str:
    return with_interval(found, ratio)
