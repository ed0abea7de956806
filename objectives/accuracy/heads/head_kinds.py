"""The heads that are known, where in its outputs each has boxes and class scores, and which of them a model has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ....errors import ModelError
from ....spaces.model import DetectorModel, load_onnx
from ..tasks import CLASSIFY, DETECT, POSE, Task, task_named
from .class_head import ClassHead
from .head import Head, Shape, Size
from .own_heads import imported_head
from .plain_heads import DetrEndToEndHead, EndToEndHead, Yolov5Head, Yolov8Head
from .shaped_heads import EndToEndMaskHead, EndToEndPoseHead, MaskHead, PoseHead
from .undecoded_heads import DetrHead, NanoDetHead, NanoDetPlusHead, PicoDetHead, YoloxHead, is_decoded

_KINDS: tuple[type[Head], ...] = (
    *(Yolov8Head, Yolov5Head, EndToEndHead, DetrEndToEndHead),
    *(YoloxHead, NanoDetHead, NanoDetPlusHead, PicoDetHead, DetrHead),
    *(MaskHead, EndToEndMaskHead, PoseHead, EndToEndPoseHead, ClassHead),
)
_SAID = (POSE, CLASSIFY)  # tasks that shapes do not tell
HEADS: dict[str, type[Head]] = {head.kind: head for head in _KINDS}
WHOLE = ("picodet", "detr", "nanodet_plus", "yolov8-seg", "end2end-seg")  # their outputs' sizes belong together


def head_named(name: str) -> type[Head]:
    """The head of a name, or of one's own at an import path.

    Raises:
        ModelError: there is none of that name, or nothing such at that path.
    """
    if ":" in name:
        return imported_head(name)
    if name not in HEADS:
        raise ModelError(
            f"There is no head '{name}': set head to one of {', '.join(HEADS)}, or to the import path of one's own."
        )
    return HEADS[name]


def head_of(model: DetectorModel, override: str | None = None) -> Head:
    """Recognise a model's head, by its graph too where its shapes do not tell.

    Raises:
        ModelError: as `head_of_model`.
    """
    return head_of_model(
        model.output_shapes,
        model.class_names,
        model.metadata,
        override,
        size=model.input_shape[2:],
        decoded=lambda output: is_decoded(load_onnx(model.path), output),
    )


def heads_that_fit(model: DetectorModel) -> list[Head]:
    """Every head that a model's outputs can be by their shapes."""
    count = len(model.class_names) if model.class_names else None
    size = model.input_shape[2:]
    return [head for kind in HEADS.values() for head in kind.fit(model.output_shapes, count, size)]


def head_of_model(
    output_shapes: Sequence[Shape],
    class_names: Sequence[str] | None,
    metadata: Mapping[str, str],
    override: str | None = None,
    *,
    size: Size | None = None,
    decoded: Callable[[int], bool] = lambda _: True,
) -> Head:
    """Recognise a model's head.

    Args:
        output_shapes: in graph order.
        class_names: by class index, if the exporter wrote them.
        metadata: of the ONNX file; `task`, `kpt_shape` and `end2end` are read.
        override: the head's kind or import path, from the study file's `head:`.
        size: of the model's input; heads with grids are recognised by it.
        decoded: whether the graph decodes the boxes of the output of this index.

    Raises:
        ModelError: its task is none of ours; none or several of its outputs fit; the override is unknown or fits none.
    """
    named = head_named(override) if override is not None else None
    task = task_named(metadata["task"]) if "task" in metadata else None
    count = len(class_names) if class_names else None
    kinds = [named] if named else [kind for kind in HEADS.values() if task or kind.task not in _SAID]
    fits = [head for kind in kinds for head in kind.fit(output_shapes, count, size)]
    fits = [head for head in fits if task in (None, head.task) and head.suits(metadata)]
    if named is None:
        fits = _likeliest(fits, output_shapes, metadata, decoded)
    if len(fits) != 1 and named is not None and named.kind not in HEADS:
        outputs = ", ".join(str(list(shape)) for shape in output_shapes)
        raise ModelError(f"Outputs {outputs} are not those of {override}: its `fit` gives {len(fits)} heads, not one.")
    if len(fits) != 1:
        raise ModelError(_unclear(output_shapes, count, fits, task or DETECT))
    return fits[0]


def _likeliest(
    fits: list[Head], shapes: Sequence[Shape], metadata: Mapping[str, str], decoded: Callable[[int], bool]
) -> list[Head]:
    """What is left of the heads that fit, by what else is known of the model."""
    by_kind = {head.kind: head for head in fits}
    for kind in WHOLE:
        if kind in by_kind:
            return [head for head in fits if head.kind == kind]
    if {"yolov5", "end2end"} <= by_kind.keys() and metadata.get("end2end") == "True":
        return [by_kind["end2end"]]
    if "yolox" in by_kind:  # a row for each cell: of YOLOX, or decoded by the graph, as YOLOv6 has it
        kind = "yolov5" if decoded(by_kind["yolox"].output) else "yolox"
        return [head for head in fits if head.kind == kind]
    if by_kind.keys() == {"yolov5", "end2end"}:
        kind = "yolov5" if _is_grid(shapes[fits[0].output][1]) else "end2end"
        return [head for head in fits if head.kind == kind]
    return fits


def _unclear(shapes: Sequence[Shape], count: int | None, fits: Sequence[Head], task: Task) -> str:
    outputs = ", ".join(str(list(shape)) for shape in shapes)
    known = f" with {count} class names" if count else ""
    names = " and ".join(f"'{head.kind}' (output {head.output})" for head in fits) or "no known head"
    *others, last = (f"{kind} ({head.layout})" for kind, head in HEADS.items() if head.task is task)
    return (
        f"Outputs {outputs}{known} fit {names}: export a plain detection model, or set head in the study file to "
        f"{', '.join(others)} or {last}."
    )


def _is_grid(boxes: int) -> bool:
    """Whether a YOLOv5 can have so many boxes: 3 a cell of 3 or 4 grids, each half as fine as the one before."""
    return boxes % (3 * (16 + 4 + 1)) == 0 or boxes % (3 * (64 + 16 + 4 + 1)) == 0
