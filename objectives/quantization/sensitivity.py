"""Sensitivity: what turning each layer INT8 does to the detections, from a few images and without labels."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError
from ...spaces.calibration import CalibrationChoice
from ...spaces.masks import LayerMask
from ...spaces.model import DetectorModel
from ..isolation.child import run_in_child
from ..libraries import onnxruntime_version
from ..store import Store, content_key
from .calibrate import CalibrationFeeds, CalibrationSet, calibrated_model
from .graph import graph_hash
from .variants import Outputs, judge_variants, outputs_of_graph

TIMEOUT_S = 4 * 3600.0  # YOLO11n takes a minute on two cores, the largest detectors a hundred times that
SCORE_WEIGHT = 1 / 10  # fitted to the mAP50-95 of 77 masks of YOLO11n, least squares: 1/11
_VERSION = 1  # of what is measured: to be raised when a stored result would come out otherwise

Floats = NDArray[np.float64]
_log = logging.getLogger(__name__)


class OutputError(Protocol):
    """How far a model's outputs are from those of the float model. Its `repr` says all that decides that."""

    def __call__(self, reference: Outputs, outputs: Outputs) -> Floats:
        """[batch, 3]: an image's sums of weight x box error, weight x score error, weight; errors in 0..1."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sensitivity:
    """What INT8 does to a detector's outputs, layer by layer, against the float model on the same images.

    The errors are sums over an image's boxes, weighted by the float model's confidence: box error (1 - IoU), then
    score error (change of a class score).

    Args:
        layers: n names, in graph order.
        weights: [images] sums of confidence.
        alone: [n, images, 2] errors with this layer in INT8 and all others float.
        without: [n, images, 2] errors with all layers in INT8 but this one.
        together: [images, 2] errors with all layers in INT8.
    """

    layers: tuple[str, ...]
    weights: Floats
    alone: Floats
    without: Floats
    together: Floats

    @property
    def images(self) -> int:
        return len(self.weights)

    @cached_property
    def one_at_a_time(self) -> Floats:
        """[n, 2] mean box and score error, 0..1, with only this layer in INT8."""
        return self._mean(self.alone)

    @cached_property
    def one_out(self) -> Floats:
        """[n, 2] mean box and score error, 0..1, with every layer in INT8 but this one."""
        return self._mean(self.without)

    @cached_property
    def all_int8(self) -> Floats:
        """[2] mean box and score error, 0..1, with every layer in INT8."""
        return self._mean(self.together)

    @cached_property
    def harm(self) -> Floats:
        """[n] what turning a layer INT8 does, by itself: box error² + score error² / 10. Bigger is worse, from 0.

        Squares, since rounding errors of different layers are nearly independent, so that their squares add up: on
        YOLO11n the layers' sum is 0.7 of what all of them do at once, while that of the errors themselves would be
        over 4 times it. mAP50-95 falls about in proportion to it.
        """
        return _harm(self.one_at_a_time)

    @cached_property
    def relief(self) -> Floats:
        """[n] what taking a layer back to float saves where all are INT8. Bigger means a worse layer.

        The median harm with one layer left out, less the harm with this one left out. Not the harm of all less that:
        which way the roundings of one graph happen to fall shifts its harm by more than most layers do, and that of
        the full graph would shift every layer's relief. For the same reason look at `relief_se`.
        """
        return self._relief()

    @cached_property
    def harm_se(self) -> Floats:
        """[n] standard error of `harm` over the images, by the jackknife."""
        return _jackknife_se(np.stack([_harm(self._mean(self.alone, i)) for i in range(self.images)]))

    @cached_property
    def relief_se(self) -> Floats:
        """[n] standard error of `relief` over the images, by the jackknife."""
        return _jackknife_se(np.stack([self._relief(omit=i) for i in range(self.images)]))

    def by_layer(self) -> dict[str, dict[str, float]]:
        """For each layer, in graph order: its errors and what follows from them, for tables and JSON."""
        columns = {
            "box_error": self.one_at_a_time[:, 0],
            "score_error": self.one_at_a_time[:, 1],
            "harm": self.harm,
            "harm_se": self.harm_se,
            "box_error_without": self.one_out[:, 0],
            "score_error_without": self.one_out[:, 1],
            "relief": self.relief,
            "relief_se": self.relief_se,
        }
        return {name: {key: float(of[i]) for key, of in columns.items()} for i, name in enumerate(self.layers)}

    def save(self, folder: Path) -> None:
        """Write sensitivity.npz into an existing folder."""
        np.savez(
            folder / "sensitivity.npz",
            layers=np.array(self.layers),
            weights=self.weights,
            alone=self.alone,
            without=self.without,
            together=self.together,
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        with np.load(folder / "sensitivity.npz", allow_pickle=False) as arrays:
            found = dict(arrays)
        return cls(layers=tuple(map(str, found.pop("layers"))), **found)

    def _relief(self, omit: int | None = None) -> Floats:
        harm = _harm(self._mean(self.without, omit))
        relief: Floats = np.median(harm) - harm
        return relief

    def _mean(self, errors: Floats, omit: int | None = None) -> Floats:
        """Weighted mean over the images; 0 where nothing is confident."""
        kept = np.arange(self.images) != omit
        weight = self.weights[kept].sum()
        total: Floats = errors[..., kept, :].sum(axis=-2)
        return total / weight if weight > 0 else np.zeros_like(total)


def sensitivity_of_layers(
    model: DetectorModel,
    images: CalibrationSet,
    choice: CalibrationChoice,
    store: Store,
    *,
    error: OutputError,
    count: int,
) -> Sensitivity:
    """Measure each layer by itself in INT8, and each by itself left out of INT8; kept by content.

    The graphs are those of real candidates: `CalibratedModel.with_mask` makes them. They run in a child process.

    Args:
        images: the calibration images; the first `count` are looked at.
        choice: how activation ranges are found.
        error: how outputs are compared.
        count: at least 2.

    Raises:
        DatasetError: there are fewer images than the count or the choice asks for.
        QuantizationError: ModelOpt failed.
        EngineError: ONNX Runtime failed on a graph.
        DiskError: the cache cannot be written.
    """
    if count < 2:
        raise ValueError(f"a spread needs at least 2 images, not {count}")
    if count > len(images.hashes):
        raise DatasetError(
            f"Sensitivity on {count} images was asked for, but the calibration set has {len(images.hashes)}: "
            "add images or ask for fewer."
        )
    calibrated = calibrated_model(model, images, choice, store)
    key = content_key(
        graph=graph_hash(calibrated.with_mask(LayerMask.all(calibrated.layers)).model),
        layers=calibrated.layers,
        images=images.hashes[:count],
        error=repr(error),
        version=_VERSION,
        onnxruntime=onnxruntime_version(),
    )
    log_path = store.root / "logs" / f"sensitivity-{key}.log"

    def fill(folder: Path) -> None:
        _log.info("measuring %d layers on %d images, each alone and each left out", len(calibrated.layers), count)
        arguments, named = (model, images, choice, store), {"error": error, "count": count}
        run_in_child(_measure, *arguments, named=named, timeout_s=TIMEOUT_S, log_path=log_path).save(folder)

    return Sensitivity.load(store.make("sensitivity", key, fill))


def _measure(
    model: DetectorModel,
    images: CalibrationSet,
    choice: CalibrationChoice,
    store: Store,
    *,
    error: OutputError,
    count: int,
) -> Sensitivity:
    """Run in a child process: a crash of ONNX Runtime is not ours."""
    calibrated = calibrated_model(model, images, choice, store)
    feeds = CalibrationFeeds.of_model(model, images.pixels, count=count)
    nothing, everything = LayerMask.none(calibrated.layers), LayerMask.all(calibrated.layers)
    single = [LayerMask.from_names(calibrated.layers, [name]) for name in calibrated.layers]
    reference = outputs_of_graph(calibrated.with_mask(nothing).model, feeds)

    def judge(feed: int, outputs: Outputs) -> Floats:
        return error(reference[feed], outputs)

    def judged(base: LayerMask, masks: Iterable[LayerMask]) -> Floats:
        """[masks, count, 3]; a last batch that is not full was filled with its last image."""
        graphs = (calibrated.with_mask(mask).model for mask in masks)
        found = judge_variants(calibrated.with_mask(base).model, graphs, feeds, judge)
        return np.stack([np.concatenate(said)[:count] for said in found])

    full = outputs_of_graph(calibrated.with_mask(everything).model, feeds)
    together = np.concatenate([judge(i, outputs) for i, outputs in enumerate(full)])[:count]
    return Sensitivity(
        layers=calibrated.layers,
        weights=together[:, 2],
        alone=judged(nothing, single)[..., :2],
        without=judged(everything, [everything.without(one) for one in single])[..., :2],
        together=together[:, :2],
    )


def _harm(errors: Floats) -> Floats:
    """[..., 2] box and score error to [...]: box error² + score error² / 10."""
    harm: Floats = errors[..., 0] ** 2 + SCORE_WEIGHT * errors[..., 1] ** 2
    return harm


def _jackknife_se(left: Floats) -> Floats:
    """Standard error of a figure from what it is with each image left out: [images, n] to [n]."""
    images = len(left)
    error: Floats = np.sqrt((images - 1) / images * ((left - left.mean(axis=0)) ** 2).sum(axis=0))
    return error
