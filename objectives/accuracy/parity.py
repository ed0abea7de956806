"""The parity guard: what a new engine finds in a few images, against its own quantized graph run by ONNX Runtime.

A library that miscompiles a graph gives an engine that loads, is fast, and is wrong. OpenVINO 2026.4 without its common
transformations loses every object of YOLO11n; a TensorRT has moved boxes while the scores stayed (its issue 4854). So
boxes and scores are compared separately, and an engine outside the tolerances is a failed build that says so.

The reference is ONNX Runtime's CPU provider on the FP32 graph with every Q and DQ as it stands, and no optimization, so
that nothing is fused, rightly or wrongly. That is also the quickest way to a few images: YOLO11n takes 0.1 s to load
and 0.1 s an image on two cores. (An FP16 graph would be no reference: ONNX Runtime's FP16 QuantizeLinear cuts off
instead of rounding, as of 1.24.)

An honest engine differs too. A sum that is added up in another order falls to the other side of a Q's rounding, and
such steps move an object's best score from one grid cell to the next: the scores of single cells differ by up to 0.96.
So objects are compared, after suppression, and by statistics that bear a few that come, go or move.

Tolerances come from 117 engines: YOLO11n, YOLOv5n and the quickstart's model, with masks none, all (`max` and
`entropy`) and ten random ones of 20 to 90 % INT8, each by OpenVINO in FP32 and in BF16, and in FP16 as ONNX Runtime
runs `half_precision` with its QuantizeLinear in FP32; each compared on 8 draws of 8 images. The worst figures of the
three float types are alike, so one tolerance serves all.

                  worst honest  tolerance  least of a fault, where the engine was right but for it
    box_error     0.056         0.15       images of a batch mixed up 1.0; OpenVINO's wrong Concats 1.0
    box_shift     0.009         0.025      boxes 3 % of their size aside 0.028, 3 % larger 0.027
    shape_error   0.021         0.15       masks inside out 1.0; key points aside by 15 % of the box 0.15
    score_error   0.13          0.25       channels of the two commonest classes swapped 0.54; images mixed up 0.53

That of masks is of 14 engines of a YOLO11n for segmentation trained on drawn shapes, masks as above.

What is not found: a fault that changes less than INT8's own rounding does, or only what the images do not show. Of 36
all-INT8 graphs with the weights or the scale of one random layer twice too large, 20 were found on 4 images, and the
others moved scores by 0.00 to 0.22; swapped channels of rarer classes were found in 619 of 648 comparisons.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import EngineError
from ..engines.base import Infers
from .data.images import LetterboxedImages
from .heads import Detections, Head
from .heads.boxes import iou
from .heads.nms import unsuppressed
from .tasks import Task

PARITY = "parity.json"  # in an engine's folder
IMAGES = 8  # or the next whole number of batches; of a graph of a smaller batch, still so few different ones

CONFIDENT = 0.1  # boxes of this score are compared: the more there are, the less rounding moves their median
CANDIDATE = 0.05  # with boxes of this score: one that is just below CONFIDENT on one side is not lost
SURE = 0.25  # scores of boxes with this score are compared: of weaker ones many are another's shadow
SHADOW = 0.45  # overlap with a better box of the class from which a box is no object of its own
SAME_OBJECT = 0.3  # overlap from which two boxes of one class show one object
FEW_BOXES = 20  # fewer may all be rounded in one direction by chance
FEW_OF_CLASS = 3  # fewer differences count only among those of all classes

BOX_TOLERANCE = 0.15
SHIFT_TOLERANCE = 0.025
SCORE_TOLERANCE = 0.25
SHAPE_TOLERANCE = 0.15

_ADVICE = "try another version of the engine's library or more layers in space.mask.keep_float, and report it"

Tensor = NDArray[np.float32]
Floats = NDArray[np.float64]
Run = Callable[[Tensor], Sequence[Tensor]]


@dataclass(frozen=True, kw_only=True)
class Parity:
    """How far an engine is from its graph. All errors are 0 where neither finds anything confident.

    Args:
        images: how many were compared.
        boxes: confident ones of the graph or of the engine, whichever are fewer.
        box_error: how far a typical box is off: the median over boxes of the largest of the offsets of its centre and
            the changes of its width and height, as parts of its size; 1 at most, and for a box that none overlaps.
        box_shift: how far all boxes are off in one direction: the median of each of those four with its sign, the
            largest of them.
        shape_error: how far masks or key points of such boxes are off: the median of `Shapes.apart`; None where
            the task has none.
        score_error: mean difference of scores, 0..1: of all objects, or of those of the worst class. An object that
            only one side finds differs by its score.
    """

    images: int
    boxes: int
    box_error: float
    box_shift: float
    score_error: float
    shape_error: float | None = None

    def save(self, folder: Path) -> None:
        (folder / PARITY).write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Parity | None:
        """What was kept beside an engine; None where it was never compared, as on a machine that cannot run it."""
        try:
            return cls(**json.loads((folder / PARITY).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    def words(self, task: Task) -> str:
        """Such as `boxes are off by 0.012 of their size, masks by 0.020, scores by 0.051`."""
        if task.iou_type is None:
            return f"scores are off by {self.score_error:.3f}"
        shapes = "" if self.shape_error is None else f"{task.finds} by {self.shape_error:.3f}, "
        return f"boxes are off by {self.box_error:.3f} of their size, {shapes}scores by {self.score_error:.3f}"

    def check(self) -> None:
        """Refuse an engine that does not compute its graph.

        Raises:
            EngineError: boxes or scores are outside their tolerances.
        """
        found = []
        if self.box_error > BOX_TOLERANCE:
            found.append(f"its boxes are off by {self.box_error:.3f} of their size (tolerance {BOX_TOLERANCE:g})")
        elif self.box_shift > SHIFT_TOLERANCE and self.boxes >= FEW_BOXES:
            found.append(
                f"its boxes are all shifted or scaled by {self.box_shift:.3f} of their size "
                f"(tolerance {SHIFT_TOLERANCE:g})"
            )
        if self.shape_error is not None and self.shape_error > SHAPE_TOLERANCE:
            found.append(f"its masks or key points are off by {self.shape_error:.3f} (tolerance {SHAPE_TOLERANCE:g})")
        if self.score_error > SCORE_TOLERANCE:
            found.append(f"its scores are off by {self.score_error:.3f} (tolerance {SCORE_TOLERANCE:g})")
        if found:
            raise EngineError(
                f"The engine does not compute its graph: against ONNX Runtime on {self.images} images, "
                f"{' and '.join(found)}; {_ADVICE}."
            )


def parity_of_engine(engine: Infers, onnx_path: Path, images: LetterboxedImages, head: Head) -> Parity:
    """Run an engine and its graph on the first images, and compare what they find.

    Args:
        onnx_path: the graph that the engine was built from: FP32 with Q/DQ; or the same of another batch.
        images: letterboxed to the engine's size; repeated where they are fewer than are compared.

    Raises:
        EngineError: the engine failed, or what it gives is outside the tolerances, of another shape or not finite.
    """
    run_graph, graph_batch = _graph(onnx_path)
    batch = engine.input_shape[0]
    inputs = images.tensor(np.arange(_whole(graph_batch)) % len(images))
    rows = _rows(_whole(batch), len(inputs))
    expected = _head_output(run_graph, inputs, graph_batch, head)
    parity = parity_of_outputs(_head_output(engine.infer, inputs[rows], batch, head), expected[rows], head)
    parity.check()
    return parity


def parity_of_outputs(found: Tensor, expected: Tensor, head: Head) -> Parity:
    """Compare the head's output of an engine with that of its graph. Swapping the two gives the same figures.

    Raises:
        EngineError: what the engine gives has another shape, or holds NaN or an infinite value.
    """
    if found.shape != expected.shape:
        raise EngineError(
            f"The engine gives boxes and scores of shape {list(found.shape)}, but its graph gives "
            f"{list(expected.shape)}: {_ADVICE}."
        )
    if bad := np.count_nonzero(~np.isfinite(found)):
        raise EngineError(
            f"Among the engine's boxes and scores {bad} values are NaN or infinite: leave more layers out of INT8 "
            "(space.mask.keep_float), give the others a wider range (engine.float_type), or report it."
        )
    return parity_of_detections(head.found_in(found), head.found_in(expected))


def parity_of_detections(found: Sequence[Detections], expected: Sequence[Detections]) -> Parity:
    """Compare what was found in the same images, at least one. Swapping the two gives the same figures."""
    pairs = [(_objects(a), _objects(b)) for a, b in zip(found, expected, strict=True)]
    both_ways = [pairs, [(b, a) for a, b in pairs]]
    box_errors = [_joined(_box_errors(*pair) for pair in way) for way in both_ways]
    score_differences = _joined(_score_differences(*pair) for way in both_ways for pair in way)
    return Parity(
        images=len(pairs),
        boxes=min(len(errors) for errors in box_errors),
        box_error=max(_largest_median(np.abs(errors).max(axis=1, keepdims=True)) for errors in box_errors),
        box_shift=max(_largest_median(errors) for errors in box_errors),
        score_error=_score_error(score_differences),
        shape_error=_shape_error(both_ways) if all(found.shapes for pair in pairs for found in pair) else None,
    )


def _graph(onnx_path: Path) -> tuple[Run, int]:
    """The graph as ONNX Runtime runs it, node by node, and the batch that it takes."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session: Any = onnxruntime.InferenceSession(str(onnx_path), options, providers=["CPUExecutionProvider"])
    port = session.get_inputs()[0]
    return lambda images: session.run(None, {port.name: images}), port.shape[0]


def _whole(batch: int) -> int:
    """As many images as are compared at least, in whole batches."""
    return math.ceil(IMAGES / batch) * batch


def _rows(count: int, different: int) -> NDArray[np.intp]:
    """[count] which of the different images to take: all in order, then in another order, so that a mix-up shows."""
    places = np.arange(count)
    rows: NDArray[np.intp] = (places + places // different) % different
    return rows


def _head_output(run: Run, inputs: Tensor, batch: int, head: Head) -> Tensor:
    """What the head says of all inputs, run a batch at a time."""
    runs = [run(inputs[start : start + batch]) for start in range(0, len(inputs), batch)]
    return np.concatenate([head.read(outputs) for outputs in runs])


def _objects(found: Detections) -> Detections:
    """One box an object."""
    return found.of_rows(unsuppressed(found.boxes, found.classes, SHADOW))


def _box_errors(theirs: Detections, ours: Detections) -> Floats:
    """[k, 4]: for each confident box of ours the best fitting one of theirs: its centre's offsets, its size's changes.

    As parts of our box's width and height, -1..1; all 1 where theirs has no box that overlaps. Classes do not count.
    """
    boxes = ours.boxes[ours.scores >= CONFIDENT].astype(np.float64)
    others = theirs.boxes[theirs.scores >= CANDIDATE].astype(np.float64)
    if not len(boxes) or not len(others):
        return np.ones((len(boxes), 4))
    overlaps = iou(boxes[:, None], others[None])
    best = others[overlaps.argmax(axis=1)]
    size = np.maximum(boxes[:, 2:] - boxes[:, :2], 1)  # pixels
    near, far = best[:, :2] - boxes[:, :2], best[:, 2:] - boxes[:, 2:]
    errors: Floats = np.concatenate(((near + far) / 2 / size, (far - near) / size), axis=1)
    errors[overlaps.max(axis=1) <= 0] = 1
    return errors.clip(-1, 1)


def _shape_error(both_ways: Sequence[Sequence[tuple[Detections, Detections]]]) -> float:
    return max(_largest_median(_joined(_shape_errors(*pair) for pair in way)) for way in both_ways)


def _shape_errors(theirs: Detections, ours: Detections) -> Floats:
    """[k, 1]: how far the mask or the key points of each confident box of ours are from the best fitting box's."""
    rows, places = np.flatnonzero(ours.scores >= CONFIDENT), np.flatnonzero(theirs.scores >= CANDIDATE)
    if ours.shapes is None or theirs.shapes is None or not len(rows) or not len(places):
        return np.zeros((0, 1))
    overlaps = iou(ours.boxes[rows][:, None], theirs.boxes[places][None])
    rows, best = rows[overlaps.max(axis=1) > 0], places[overlaps.argmax(axis=1)[overlaps.max(axis=1) > 0]]
    apart = ours.shapes.of_rows(rows).apart(theirs.shapes.of_rows(best), ours.boxes[rows], theirs.boxes[best])
    return apart[:, None]


def _score_differences(theirs: Detections, ours: Detections) -> Floats:
    """[k, 2]: for each sure box of ours its class, and its score's distance to that of the best fitting box of theirs.

    That one must be of the same class and overlap; otherwise theirs has not found the object, and its score is 0.
    """
    sure = ours.scores >= SURE
    labels, scores, found = ours.classes[sure], ours.scores[sure].astype(np.float64), np.zeros(sure.sum())
    if len(scores) and len(theirs.scores):
        overlaps = iou(ours.boxes[sure][:, None], theirs.boxes[None]) * (labels[:, None] == theirs.classes[None, :])
        fits = overlaps.max(axis=1) >= SAME_OBJECT
        found[fits] = theirs.scores[overlaps.argmax(axis=1)[fits]]
    return np.stack((labels.astype(np.float64), np.abs(scores - found)), axis=1)


def _score_error(differences: Floats) -> float:
    """The mean difference, or that of the class where it is largest."""
    classes, values = differences[:, 0], differences[:, 1]
    if not len(values):
        return 0.0
    by_class = (values[classes == label] for label in np.unique(classes))
    return float(max(values.mean(), *(group.mean() for group in by_class if len(group) >= FEW_OF_CLASS), 0.0))


def _joined(rows: Iterable[Floats]) -> Floats:
    return np.concatenate(list(rows))


def _largest_median(errors: Floats) -> float:
    """Of the medians of the columns the one furthest from 0; 0 without rows."""
    return float(np.abs(np.median(errors, axis=0)).max()) if len(errors) else 0.0
