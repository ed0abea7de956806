"""Calibration: ModelOpt once per (model, images, method, size), streamed, in a child process, kept by content."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError, QuantizationError
from ...spaces.calibration import WITH_ZERO_POINTS, CalibrationChoice
from ...spaces.layers import Layer, layers_of_model
from ...spaces.model import DetectorModel
from ...spaces.precision import INT8
from ...spaces.preprocessing import USUAL, Preprocessing
from ..isolation.child import run_in_child
from ..isolation.child_main import is_bug
from ..libraries import onnxruntime_version
from ..store import Store, content_key
from ..tensors import tensor_from_pixels
from . import asymmetric
from .apply_mask import CalibratedModel
from .bias import IMAGES, SHIFTING, shifts_of_layers

CALIBRATING = 1  # its version, see `content_key`
TIMEOUT_S = 2 * 3600.0  # entropy takes up to 0.5 s an image on two cores


@dataclass(frozen=True, kw_only=True)
class CalibrationSet:
    """Calibration images in their seeded order; a choice of size n takes the first n.

    Args:
        pixels: a `.npy` file, uint8 [n, height, width, 3], laid into the model's rectangle as it takes them.
        hashes: content hash of each image's file, in the same order.
    """

    pixels: Path
    hashes: tuple[str, ...]


def calibrated_model(
    model: DetectorModel, images: CalibrationSet, choice: CalibrationChoice, store: Store
) -> CalibratedModel:
    """The model with every layer in INT8 that ModelOpt can quantize, its scales found by this choice.

    The graph is what `modelopt.onnx.quantization.quantize` writes with `passes=[]` and float32 outside of INT8; masks
    of it have the biases of their INT8 layers corrected where the choice says so (bias.py). Memory does not grow with
    the choice's size: images are read one batch at a time.

    Raises:
        DatasetError: the set has fewer images than the choice asks for.
        QuantizationError: ModelOpt refused the model.
        DiskError: the cache cannot be written.
    """
    if choice.size > len(images.hashes):
        raise DatasetError(
            f"A calibration of {choice.size} images was asked for, but the calibration set has {len(images.hashes)}: "
            "add images or lower space.calibration.sizes."
        )
    key = _key(model, images, choice)

    def fill(folder: Path) -> None:
        run_in_child(
            _calibrate,
            model,
            images.pixels,
            choice,
            folder,
            timeout_s=TIMEOUT_S,
            log_path=store.root / "logs" / f"calibrate-{key}.log",
        )

    path = store.make("calibrated", key, fill) / "calibrated.onnx"
    return _read(path, _shifts(model, images, choice, path, store=store) if choice.bias_correction else None)


def _key(model: DetectorModel, images: CalibrationSet, choice: CalibrationChoice) -> str:
    tools = {
        "nvidia-modelopt": version("nvidia-modelopt"),
        "onnxruntime-gpu": onnxruntime_version(),  # the key's name, whichever is installed
        "onnx": version("onnx"),
    }
    told = {"model": model.key, "images": images.hashes[: choice.size], "method": choice.method, "tools": tools}
    if choice.method in WITH_ZERO_POINTS:
        return content_key(**told, made_by=asymmetric.ROUNDING)
    return content_key(**told, made_by=CALIBRATING)


def _shifts(
    model: DetectorModel, images: CalibrationSet, choice: CalibrationChoice, calibrated: Path, *, store: Store
) -> Path:
    """The file of what is added to biases, measured once per calibrated model."""
    key = content_key(calibrated=calibrated.parent.name, onnxruntime=onnxruntime_version(), made_by=SHIFTING)

    def fill(folder: Path) -> None:
        log_path, named = store.root / "logs" / f"bias-{key}.log", {"folder": folder}
        arguments = (model, images.pixels, choice, calibrated)
        run_in_child(_shift, *arguments, named=named, timeout_s=TIMEOUT_S, log_path=log_path)

    return store.make("bias-correction", key, fill) / "shifts.json"


def structure_of_model(model: DetectorModel, store: Store) -> CalibratedModel:
    """The model with every layer in INT8 that ModelOpt quantizes when it is let, its scales without meaning.

    What ModelOpt refuses depends on the graph and its shapes, not on the data, so one grey image is enough to have it
    tell; that costs its fixed few seconds, once a model. With an empty mask this is the reference's graph.
    """
    _, _, height, width = model.input_shape
    key = content_key(height=height, width=width, value=114, made_by=CALIBRATING)

    def fill(folder: Path) -> None:
        np.save(folder / "pixels.npy", np.full((1, height, width, 3), 114, np.uint8))

    grey = CalibrationSet(pixels=store.make("grey", key, fill) / "pixels.npy", hashes=(key,))
    return calibrated_model(model, grey, CalibrationChoice("max", 1), store)


def quantizable_layers(model: DetectorModel, store: Store) -> tuple[Layer, ...]:
    """The layers that ModelOpt can put into INT8, in graph order; at least one.

    Raises:
        ModelError: the model has no such node.
        QuantizationError: ModelOpt refuses the model, or every layer of it.
    """
    layers = layers_of_model(model.path)
    able = set(structure_of_model(model, store).layers)
    return tuple(layer for layer in layers if layer.name in able)


@lru_cache(maxsize=8)
def _read(path: Path, shifts: Path | None) -> CalibratedModel:
    if shifts is None:
        return CalibratedModel(path)
    told = json.loads(shifts.read_text(encoding="utf-8"))
    return CalibratedModel(path, shifts={layer: np.array(shift, np.float32) for layer, shift in told.items()})


def _shift(model: DetectorModel, pixels: Path, choice: CalibrationChoice, calibrated: Path, *, folder: Path) -> None:
    """Run in a child process: leaves `shifts.json` in the folder."""
    feeds = CalibrationFeeds.of_model(model, pixels, count=min(choice.size, IMAGES))
    shifts = {layer: shift.tolist() for layer, shift in shifts_of_layers(calibrated, feeds).items()}
    (folder / "shifts.json").write_text(json.dumps(shifts), encoding="utf-8")


def _calibrate(model: DetectorModel, pixels: Path, choice: CalibrationChoice, folder: Path) -> None:
    """Run in a child process: leaves `calibrated.onnx` in the folder."""
    scratch = folder / "scratch"  # ModelOpt writes its intermediate files beside the model
    scratch.mkdir()
    tempfile.tempdir = str(scratch)  # its temporary files too, so that they go with the folder, whoever is killed
    shutil.copyfile(model.path, scratch / "model.onnx")
    target = folder / "calibrated.onnx"
    feeds = CalibrationFeeds.of_model(model, pixels, count=choice.size)
    try:
        if choice.method in ("max", "entropy"):
            _quantize(scratch / "model.onnx", target, feeds, method=choice.method)
        elif choice.method in WITH_ZERO_POINTS:
            _quantize_asymmetrically(scratch / "model.onnx", target, feeds)
        else:
            _quantize_with_own_ranges(scratch / "model.onnx", target, feeds, method=choice.method)
    except Exception as error:  # the border to ModelOpt and ONNX Runtime, which raise whatever they met
        if is_bug(error):
            raise
        raise QuantizationError(
            f"ModelOpt could not calibrate with {choice} ({type(error).__name__}: {error})."
        ) from error
    _carry_metadata(model.metadata, target)
    shutil.rmtree(scratch)


def _carry_metadata(metadata: Mapping[str, str], target: Path) -> None:
    """Write the exporter's metadata (class names, stride, ...) into the graph; ModelOpt drops it."""
    import onnx

    graph = onnx.load(target)
    onnx.helper.set_model_props(graph, dict(metadata))
    onnx.save(graph, target)


class CalibrationFeeds:
    """Images as ONNX Runtime's calibrators read them, a batch at a time, from disk where they lie there.

    Args:
        pixels: uint8 [n, height, width, 3]; a last batch that is not full is filled with its last image.
    """

    def __init__(
        self, pixels: NDArray[np.uint8], *, input_name: str, batch: int, preprocessing: Preprocessing = USUAL
    ) -> None:
        self._pixels, self._input_name, self._batch = pixels, input_name, batch
        self._preprocessing = preprocessing
        self.rewind()

    @classmethod
    def of_model(cls, model: DetectorModel, pixels: Path, *, count: int) -> CalibrationFeeds:
        """The first so many images of a calibration set's file, as the model takes them."""
        rows = np.load(pixels, mmap_mode="r")[:count]
        batch = model.input_shape[0]
        return cls(rows, input_name=model.input_name, batch=batch, preprocessing=model.preprocessing)

    def first(self, size: int) -> CalibrationFeeds:
        """The same, of the first `size` images, from the start."""
        return CalibrationFeeds(
            self._pixels[:size], input_name=self._input_name, batch=self._batch, preprocessing=self._preprocessing
        )

    def __iter__(self) -> Iterator[dict[str, NDArray[np.float32]]]:
        for start in range(0, len(self._pixels), self._batch):
            rows = np.minimum(np.arange(start, start + self._batch), len(self._pixels) - 1)
            yield {self._input_name: tensor_from_pixels(self._pixels[rows], self._preprocessing)}

    def get_first(self) -> dict[str, NDArray[np.float32]]:
        return next(iter(self))

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._rest, None)

    def rewind(self) -> None:
        self._rest = iter(self)


def _quantize(source: Path, target: Path, feeds: CalibrationFeeds, *, method: str, cache: Path | None = None) -> None:
    from modelopt.onnx import trt_utils
    from modelopt.onnx.quantization import quantize

    trt_utils.TRT_PYTHON_AVAILABLE = False  # else it has TensorRT parse the model, to find plugins: 8.x refuses
    quantize(
        str(source),
        quantize_mode=INT8.name,
        calibration_data_reader=_reader(feeds),
        calibration_method=method,
        calibration_cache_path=str(cache) if cache else None,
        calibration_eps=["cpu"],
        high_precision_dtype="fp32",
        nodes_to_quantize=[],  # ModelOpt's defaults are mutable: never share its lists
        nodes_to_exclude=[],
        op_types_to_quantize=[],
        op_types_to_exclude=[],
        passes=[],
        output_path=str(target),
    )


def _reader(feeds: CalibrationFeeds) -> Any:
    """ModelOpt wants an instance of ONNX Runtime's own class; any object with `get_next` counts as one."""
    from onnxruntime.quantization import CalibrationDataReader

    CalibrationDataReader.register(type(feeds))
    return feeds


def _quantize_with_own_ranges(source: Path, target: Path, feeds: CalibrationFeeds, *, method: str) -> None:
    """Have ModelOpt place Q/DQ, find the ranges from histograms, and have ModelOpt apply them through its cache."""
    from .ranges import activation_ranges

    placed, cache = source.with_name("placed.onnx"), source.with_name("calibration.cache")
    _quantize(source, placed, feeds.first(1), method="max")
    write_calibration_cache(cache, activation_ranges(placed, feeds, method=method))
    _quantize(source, target, feeds.first(1), method="max", cache=cache)


def _quantize_asymmetrically(source: Path, target: Path, feeds: CalibrationFeeds) -> None:
    """Have ModelOpt place Q/DQ, and give its activations ranges and zero points of our own."""
    import onnx

    placed = source.with_name("placed.onnx")
    _quantize(source, placed, feeds.first(1), method="max")
    model = onnx.load(placed)
    asymmetric.round_to_ranges(model, asymmetric.mean_ranges(placed, feeds))
    onnx.save(model, target)


def write_calibration_cache(path: Path, ranges: Mapping[str, float]) -> None:
    """Write symmetric INT8 ranges in TensorRT's text format: `tensor: scale`, a big-endian float32 in hexadecimal.

    Args:
        ranges: activation tensor -> largest magnitude that INT8 is to represent; its scale is that over INT8's limit.
    """
    lines = [f"{name}: {np.array(limit / INT8.limit, '>f4').tobytes().hex()}\n" for name, limit in ranges.items()]
    path.write_text("TRT-8501-EntropyCalibration2\n" + "".join(lines), encoding="utf-8")
