"""The proof that a model gives each image of a batch what it gives it alone: run by ONNX Runtime, kept in the store.

Kernels may add up in another order at another batch. At batches 2, 8 and 16 the outputs of YOLO11n, YOLOX-Nano and
YOLO26n are equal to the last bit; those of the quickstart's model and of PicoDet differ in scores by 2e-6 and in
logits by 1e-5 of their size, which of a score of 1e-9 is a large part. So a value is off from TOLERANCE of its size and
of what it varies by from image to image, and from FLOOR on: in these five models none is. With the images of a batch
mixed up, 7 to 99 % of an output are off, and 3 % or more where only boxes or only scores are mixed up. MOST_OFF may be,
since a sort by score may swap two that are equal but for rounding.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelError
from ...spaces.model import DetectorModel, load_onnx
from ...spaces.tensors import inputs_of_graph
from ..isolation.child import run_in_child
from ..libraries import onnxruntime_version
from ..store import Store, content_key
from ..tensors import tensor_from_pixels
from .batch import refusal, with_batch

TIMEOUT_S = 1800.0
TOLERANCE = 0.01
FLOOR = 1e-5  # of a score, 0..1, or of a pixel
MOST_OFF = 0.005  # of an output's values

_RECIPE = 2  # raised when another proof is made, or graphs are given a batch otherwise: earlier ones no more count
_SHIFT = 32  # pixels by which an image that is needed again is shifted

Outputs = list[NDArray[Any]]


@dataclass(frozen=True)
class BatchProof:
    """What was seen.

    Args:
        images: how many were compared.
        off: the largest share of an output's values that are off, 0..1.
        equal: whether all values are equal to the last bit.
    """

    images: int
    off: float
    equal: bool


def refuse_batch(model: DetectorModel, batch: int) -> None:
    """Tell, in hundredths of a second, of a model whose graph cannot be given a batch.

    Raises:
        ModelError: it cannot.
    """
    if batch != model.input_shape[0]:
        with_batch(load_onnx(model.path), batch)


def prove_batch(model: DetectorModel, pixels: Path, batch: int, store: Store) -> BatchProof:
    """Run a model at its own batch and at another on as many different images; once a model and batch.

    Args:
        pixels: a .npy file, uint8 [n, height, width, 3] RGB of real images; where they are too few, some are shifted.

    Raises:
        ModelError: the graph cannot be given that batch, or then gives an image something else.
        EngineError: ONNX Runtime crashed, or memory ran out.
        DiskError: the cache cannot be written.
    """
    key = content_key(model=model.content_hash, batch=batch, recipe=_RECIPE, onnxruntime=onnxruntime_version())
    log_path = store.root / "logs" / f"batch-{key}.log"

    def fill(folder: Path) -> None:
        proof = run_in_child(_prove_batch, model, pixels, batch, timeout_s=TIMEOUT_S, log_path=log_path)
        (folder / "proof.json").write_text(json.dumps(asdict(proof)), encoding="utf-8")

    found = store.make("batch-proofs", key, fill)
    return BatchProof(**json.loads((found / "proof.json").read_text(encoding="utf-8")))


def proof_of_outputs(alone: Outputs, together: Outputs) -> BatchProof:
    """Compare what images gave alone and together, output by output, [images, ...] each."""
    off = [_share_off(one, other) for one, other in zip(alone, together, strict=True)]
    equal = all(np.array_equal(one, other, equal_nan=True) for one, other in zip(alone, together, strict=True))
    return BatchProof(images=len(alone[0]), off=max(off), equal=equal)


def prove_single(single: Path, batched: Path) -> None:
    """Hold a graph that was given batch 1 against what it was made of, on noise; to be run in a child process.

    Raises:
        ModelError: it gives an image something else.
    """
    graph = load_onnx(batched)
    (image,) = inputs_of_graph(graph.graph)
    batch, *sizes = (dim.dim_value for dim in image.type.tensor_type.shape.dim)
    images = np.random.default_rng(0).random((batch, *sizes), dtype=np.float32)
    _compared(load_onnx(single), graph, images, partial(refusal, 1, batch))


def _prove_batch(model: DetectorModel, pixels: Path, batch: int) -> BatchProof:
    """Run in a child process, since ONNX Runtime may crash."""
    single = load_onnx(model.path)
    images = tensor_from_pixels(_different(np.load(pixels, mmap_mode="r"), batch), model.preprocessing)
    return _compared(single, with_batch(single, batch), images, partial(refusal, batch, model.input_shape[0]))


def _compared(
    single: Any, batched: Any, images: NDArray[np.float32], refused: Callable[[str], ModelError]
) -> BatchProof:
    alone = _runs(single, [image[None] for image in images])
    try:
        (together,) = _runs(batched, [images])
    except Exception as error:  # the border to ONNX Runtime, whose errors have no other class in common
        reason = " ".join(str(error).split())[:300].rstrip(".")
        if "alloc" in reason:
            raise MemoryError(reason) from error
        raise refused(f"ONNX Runtime cannot run it ({reason})") from error
    proof = proof_of_outputs([np.concatenate(outputs) for outputs in zip(*alone, strict=True)], together)
    if proof.off > MOST_OFF:
        raise refused(f"{proof.off:.1%} of what it gives for an image is other in a batch than alone")
    return proof


def _runs(graph: Any, feeds: list[NDArray[np.float32]]) -> list[Outputs]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (port,) = session.get_inputs()
    return [session.run(None, {port.name: images}) for images in feeds]


def _different(pixels: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """The first so many images; where they are too few, again and each time shifted further."""
    rows = range(count)
    return np.stack([np.roll(pixels[i % len(pixels)], _SHIFT * (i // len(pixels)), axis=1) for i in rows])


def _share_off(alone: NDArray[Any], together: NDArray[Any]) -> float:
    """How many of an output's values are off, 0..1; all if it has another shape."""
    if alone.shape != together.shape:
        return 1.0
    one, other = alone.astype(np.float64), together.astype(np.float64)
    bound = TOLERANCE * (np.abs(one) + np.ptp(one, axis=0)) + FLOOR
    near = (np.abs(one - other) <= bound) | (one == other) | (np.isnan(one) & np.isnan(other))
    return float(1 - near.mean()) if near.size else 0.0
