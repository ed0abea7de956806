"""An engine made by NNCF from a study's float engine, as NNCF's public examples do it; in a process of its own.

NNCF starts from the IR of the reference engine, which is what `openvino.convert_model` makes of the ONNX, so that the
two differ in nothing but NNCF's work. What it returns is saved as an engine of the kind `openvino`.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from qpareto.objectives.accuracy.coco import score_matches
from qpareto.objectives.accuracy.data.dataset import Dataset
from qpareto.objectives.accuracy.data.images import LetterboxedImages
from qpareto.objectives.accuracy.heads import Detections, Head
from qpareto.objectives.accuracy.matcher import Matcher
from qpareto.objectives.engines import Engine
from qpareto.objectives.engines.openvino.kind import OpenVinoEngine
from qpareto.objectives.isolation.lock import device_lock
from qpareto.objectives.latency.telemetry import HostLoad
from qpareto.objectives.tensors import tensor_from_pixels

COST = "cost.json"  # in the engine's folder
_FLOAT_TYPES = ("Multiply", "Subtract", "Sigmoid")  # what NNCF's YOLOv8 example for OpenVINO keeps float anywhere


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How NNCF is asked; what is not told here has NNCF's default.

    Args:
        preset: `performance`, NNCF's default, symmetric; or `mixed`, with asymmetric activations; None leaves all
            float, to prove that the way through NNCF's environment changes nothing.
        float_decode: whether what NNCF's YOLOv8 example keeps float is kept: three types of operations anywhere, and
            all that decodes the head's convolutions. Ultralytics' INT8 export to OpenVINO keeps nearly the same.
        max_drop: mAP50-95 that `quantize_with_accuracy_control` may lose, 0..1; None is `quantize`.
    """

    preset: str | None
    float_decode: bool = False
    max_drop: float | None = None


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What making an engine took.

    Args:
        wall_s: without `waited_s`, which went by while others timed an engine.
        cpu_s: of all its threads.
        foreign_load: share of the machine's CPU time that others used, 0..1, the waiting included; None if unknown.
        images_scored: inferences for accuracy control.
    """

    wall_s: float
    waited_s: float
    cpu_s: float
    foreign_load: float | None
    images_scored: int


@dataclass(frozen=True, kw_only=True)
class Material:
    """What NNCF is given; batch 1.

    Args:
        ir: the float engine's `engine.xml`.
        calibration: a `.npy` file, uint8 [n, height, width, 3] RGB; the first `subset_size` are taken.
        pixels, dataset, head: what accuracy control scores on.
        head_block: the part of the network that detects, such as `model.23`.
        device: held, shared, while NNCF works.
    """

    ir: Path
    calibration: Path
    subset_size: int
    pixels: LetterboxedImages
    dataset: Dataset
    head: Head
    head_block: str
    device: str


class Turn:
    """A device held for work beside its like, let go for a moment whenever a timing may come in between."""

    def __init__(self, device: str) -> None:
        self._device, self._held, self.waited_s = device, ExitStack(), 0.0

    def __enter__(self) -> Self:
        start = time.monotonic()
        self._held.enter_context(device_lock(self._device, exclusive=False))
        self.waited_s += time.monotonic() - start
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def give_way(self) -> None:
        self._held.close()
        self.__enter__()


@dataclass
class Validation:
    """NNCF's validation function: mAP50-95 on images of the evaluation set, by our own scoring."""

    material: Material
    turn: Turn
    images_scored: int = field(default=0, init=False)

    def __call__(self, compiled: Any, images: Iterable[int]) -> float:
        """Score a part of the evaluation set, as NNCF asks of single images too.

        Args:
            compiled: openvino.CompiledModel.
            images: their indices.

        Returns:
            0..1; 0 where no image has a true box.
        """
        rows = list(images)
        part = part_of_dataset(self.material.dataset, rows)
        if part is None:
            return 0.0
        matcher = Matcher(part)
        with OpenVinoEngine(compiled) as engine:
            matches = [matcher.match(at, self._detections(engine, row)) for at, row in enumerate(rows)]
        self.images_scored += len(rows)
        return score_matches(part, matches).score.value

    def _detections(self, engine: Engine, row: int) -> Detections:
        self.turn.give_way()
        outputs = engine.infer(tensor_from_pixels(self.material.pixels.pixels[row : row + 1]))
        (found,) = self.material.head.detections(outputs)
        return found.on_image(self.material.pixels.geometry[row])


def part_of_dataset(dataset: Dataset, rows: Iterable[int]) -> Dataset | None:
    """Some of a data set's images, in this order, with their boxes; None if there is no box to find.

    Args:
        rows: indices of images.
    """
    images = tuple(dataset.images[row] for row in rows)
    ids = {image.image_id for image in images}
    annotations = tuple(a for a in dataset.annotations if a["image_id"] in ids)
    if all(a["iscrowd"] for a in annotations):
        return None
    return replace(dataset, images=images, annotations=annotations)


def make_engine(material: Material, recipe: Recipe, folder: Path) -> None:
    """Leave an engine and its cost in an empty folder. To be called in a child process."""
    import openvino

    with Turn(material.device) as turn:
        validation = Validation(material, turn)
        start, turn.waited_s = time.monotonic(), 0.0
        model, foreign_load = HostLoad().watched(lambda: _quantized(material, recipe, validation))
        openvino.save_model(model, folder / "engine.xml", compress_to_fp16=False)
        cost = Cost(
            wall_s=time.monotonic() - start - turn.waited_s,
            waited_s=turn.waited_s,
            cpu_s=time.process_time(),
            foreign_load=foreign_load,
            images_scored=validation.images_scored,
        )
    (folder / COST).write_text(json.dumps(asdict(cost)) + "\n", encoding="utf-8")


def _quantized(material: Material, recipe: Recipe, validation: Validation) -> Any:
    """The border to NNCF: openvino.Model."""
    os.environ["NNCF_CI"] = "1"  # or it sends usage data over the network
    import nncf
    import openvino

    model = openvino.Core().read_model(material.ir)
    if recipe.preset is None:
        return model

    def calibration_tensor(row: int) -> Any:
        validation.turn.give_way()
        return tensor_from_pixels(np.load(material.calibration, mmap_mode="r")[row : row + 1])

    calibration = nncf.Dataset(range(material.subset_size), calibration_tensor)
    asked: dict[str, Any] = {
        "preset": nncf.QuantizationPreset(recipe.preset),
        "subset_size": material.subset_size,
        "ignored_scope": nncf.IgnoredScope(**float_scope(model, material.head_block)) if recipe.float_decode else None,
    }
    if recipe.max_drop is None:
        return nncf.quantize(model, calibration, **asked)
    return nncf.quantize_with_accuracy_control(
        model,
        calibration,
        nncf.Dataset(range(len(material.pixels))),
        validation,
        max_drop=recipe.max_drop,
        # One ranks as many do, only not while this thread has given way.
        advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(num_ranking_workers=1),
        **asked,
    )


def float_scope(model: Any, head_block: str) -> dict[str, list[str]]:
    """What NNCF's YOLOv8 example keeps float, by any such head's names: arguments of `nncf.IgnoredScope`.

    The example names the operations of one model. They are those that lie in the head itself, not in a module of it,
    and those of its DFL. NNCF refuses a type that a model lacks.

    Args:
        model: openvino.Model.
        head_block: such as `model.23`.
    """
    found = {op.get_type_name() for op in model.get_ops()}
    return {
        "types": [name for name in _FLOAT_TYPES if name in found],
        "patterns": [rf"^/{re.escape(head_block)}/([^/]+|dfl/.+)$"],
    }
