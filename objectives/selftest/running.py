"""What a loaded engine promises. Each function runs in a child process, and returns the figures that it saw."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelError
from .check import expect, expect_refusal
from .subject import Built

Outputs = Sequence[NDArray[np.float32]]

_RUNS = 5
_TURNS = 3
_SAME_WITHIN = 0.01  # mean difference as a part of the mean size: other kernels round otherwise


def loads(built: Built) -> str:
    with built.load() as engine:
        expect(engine.input_shape == built.input_shape, f"its input is {engine.input_shape}, not {built.input_shape}.")
        return f"input {' x '.join(map(str, engine.input_shape))}"


def refuses_damaged_files(built: Built) -> str:
    for damage in ("garbage", "half of it", "nothing"):
        with tempfile.TemporaryDirectory(prefix="qpareto-") as folder:
            for file in built.folder.iterdir():
                content = file.read_bytes()
                harm = {"garbage": b"\x00\xffgarbage" * 99, "half of it": content[: len(content) // 2], "nothing": b""}
                (Path(folder) / file.name).write_bytes(harm[damage])
            expect_refusal(partial(built.kind.load, Path(folder), built.options), f"A file that holds {damage}")
    return "garbage, truncated and empty ones"


def agrees_with_onnxruntime(built: Built) -> str:
    from ..accuracy.parity import parity_of_engine

    with built.load() as engine:
        found = parity_of_engine(engine, built.onnx_path, built.pixels, built.head)
    return (
        f"{found.boxes} boxes in {found.images} images, off by {found.box_error:.2%} of their size, "
        f"scores by {found.score_error:.4f}"
    )


def repeats_its_bits(built: Built) -> str:
    with built.load() as engine:
        first = engine.infer(built.images())
        engine.infer(built.images(1))
        expect(_equal(first, engine.infer(built.images())), "the same input gave other bits at the second run.")
    with built.load() as other:
        expect(_equal(first, other.infer(built.images())), "the same input gave other bits after loading anew.")
    return f"{sum(output.size for output in first)} values"


def leaves_inputs_and_outputs_alone(built: Built) -> str:
    """Outputs are copies that later runs leave alone; inputs are of any memory layout, and stay what they were."""
    images = built.images()
    with built.load() as engine:
        outputs = engine.infer(images)
        kept = [output.copy() for output in outputs]
        engine.load_input(built.images(1))
        engine.run_once_ms()
        engine.infer(built.images(1))
        expect(_equal(outputs, kept), "a later run changed the outputs of an earlier one.")
        turned = engine.infer(np.asfortranarray(images))
    expect(np.array_equal(images, built.images()), "a run changed its input.")
    expect(_equal(outputs, turned), "an input of another memory layout gave other outputs.")
    return f"{images.nbytes / 2**20:.2f} MiB in, {sum(output.nbytes for output in outputs) / 2**20:.2f} MiB out"


def refuses_another_shape(built: Built) -> str:
    batch, channels, height, width = built.input_shape
    shapes = [(batch + 1, channels, height, width), (batch, channels, height, width // 2), (channels, height, width)]
    with built.load() as engine:
        for shape in shapes:
            images = np.zeros(shape, np.float32)
            for feed in (engine.infer, engine.load_input):
                expect_refusal(partial(feed, images), f"An input of shape {shape}", saying="the engine takes")
    return f"{len(shapes)} shapes"


def refuses_a_run_without_input(built: Built) -> str:
    with built.load() as engine:
        expect_refusal(engine.run_once_ms, "A timed run without input", saying="load_input")
    return "says to call load_input first"


def refuses_to_run_closed(built: Built) -> str:
    engine = built.load()
    engine.load_input(built.images())
    engine.close()
    engine.close()
    expect_refusal(lambda: engine.infer(built.images()), "A run of a closed engine", saying="closed")
    expect_refusal(engine.run_once_ms, "A timed run of a closed engine", saying="closed")
    return "closed twice"


def takes_time(built: Built) -> str:
    with built.load() as engine:
        engine.load_input(built.images())
        runs_ms = [engine.run_once_ms() for _ in range(_RUNS)]
    expect(all(0 < run_ms < 10_000 for run_ms in runs_ms), f"runs took {runs_ms} ms.")
    return f"{_RUNS} runs, {min(runs_ms):.3f} to {max(runs_ms):.3f} ms"


def times_the_images_that_it_is_given(built: Built) -> str:
    """In turn, and again from the first; what a timed run computes is what `infer` does."""
    with built.load() as engine:
        expected = [engine.infer(built.images(turn)) for turn in range(_TURNS)]
        engine.load_inputs(built.images(turn) for turn in range(_TURNS))
        for turn in (*range(_TURNS), *range(2 * _TURNS)):
            found = engine.timed_outputs(turn)
            expect(_equal(found, expected[turn % _TURNS]), f"the timed run of turn {turn} gave other bits than infer.")
    return f"{_TURNS} inputs in turn"


def runs_a_larger_batch(built: Built) -> str:
    """Each image as if it were alone, from the graph as a study gives it that batch."""
    import onnx

    from ..quantization.batch import with_batch

    batch = built.input_shape[0] + 1
    options = replace(built.options, batch=batch)
    try:
        graph = with_batch(onnx.load(built.onnx_path), batch)
    except ModelError as refusal:
        return str(refusal)
    with tempfile.TemporaryDirectory(prefix="qpareto-") as folder, tempfile.TemporaryDirectory() as scratch:
        onnx_path = Path(scratch) / "batched.onnx"
        onnx_path.write_bytes(graph.SerializeToString())
        built.kind.build(onnx_path, Path(folder), options)
        with built.kind.load(Path(folder), options) as larger, built.load() as engine:
            images = built.images()
            outputs = larger.infer(np.concatenate((images, images[:1])))
            alone = engine.infer(images)
    off = max(_difference(output[:-1], expected) for output, expected in zip(outputs, alone, strict=True))
    expect(off < _SAME_WITHIN, f"a batch of {batch} gives outputs that are {off:.1%} off.")
    return f"batch {batch} is {off:.2g} of the mean value off"


def dies_while_it_is_loaded(built: Built) -> str:
    with built.load() as engine:
        engine.infer(built.images())
        os.kill(os.getpid(), signal.SIGKILL)
    return "it lives on"


def _equal(outputs: Outputs, expected: Outputs) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(outputs, expected, strict=True))


def _difference(output: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    return float(np.abs(output - expected).mean() / np.abs(expected).mean())
