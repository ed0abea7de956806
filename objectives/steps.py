"""The steps of a measurement that run an engine, each in a child process of its own, which a crash ends alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .accuracy.dataset import Dataset
from .accuracy.evaluate import accuracy_of_engine, threads_beside
from .accuracy.heads import Head
from .accuracy.images import LetterboxedImages
from .accuracy.parity import parity_of_engine
from .engines import Engine, EngineOptions, engine_kind
from .engines.build import load_engine
from .engines.profile import LayerTime
from .latency.gpu_watch import watch_of_present_gpu
from .latency.paired import LatencyBudget, PairedLatency, paired_latency
from .latency.telemetry import HostLoad
from .tensors import tensor_from_pixels


def prove(engine: Engine, onnx_path: Path, folder: Path, *, images: LetterboxedImages, head: Head) -> None:
    """Refuse an engine, just built into the folder, that does not compute its graph; leave there how near it was.

    Raises:
        EngineError: it does not.
    """
    parity_of_engine(engine, onnx_path, images, head).save(folder)


def evaluate(
    engine: Path, options: EngineOptions, pixels: LetterboxedImages, dataset: Dataset, head: Head, folder: Path
) -> None:
    """Leave an engine's accuracy in the folder."""
    with load_engine(engine, options) as loaded:
        threads = threads_beside(engine_kind(options.kind))
        accuracy_of_engine(loaded, pixels, dataset, head, threads=threads).save(folder)


def time(
    reference: tuple[Path, EngineOptions],
    candidate: tuple[Path, EngineOptions],
    pixels: LetterboxedImages,
    budget: LatencyBudget,
    load: HostLoad,
) -> PairedLatency:
    """Time both engines on the same real images; on a GPU the candidate's energy is measured after that."""
    with _loaded(*reference, pixels) as one, _loaded(*candidate, pixels) as other:
        if engine_kind(candidate[1].kind).runs_on_host_cpu:
            return paired_latency(one, other, budget=budget, load=load)
        watch = watch_of_present_gpu(max_wait_s=load.max_wait_s)
        timed = paired_latency(one, other, budget=budget, load=watch)
        return replace(timed, energy_mj=watch.energy_mj(other))


def profile(engine: Path, options: EngineOptions, pixels: LetterboxedImages) -> tuple[LayerTime, ...]:
    """Time every layer of an engine on real images."""
    return engine_kind(options.kind).profile(engine, options, _first(pixels, options.batch))


@contextmanager
def _loaded(folder: Path, options: EngineOptions, pixels: LetterboxedImages) -> Iterator[Engine]:
    with load_engine(folder, options) as engine:
        engine.load_input(_first(pixels, engine.input_shape[0]))
        yield engine


def _first(pixels: LetterboxedImages, count: int) -> NDArray[np.float32]:
    return tensor_from_pixels(pixels.pixels[[i % len(pixels) for i in range(count)]])
