"""What a loaded engine promises."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..engines.inspection import Inspection
from ..isolation.child import run_in_child
from .built import Built, Promises
from .check import Untried, expect, expect_refusal

Outputs = Sequence[NDArray[np.float32]]

_RUNS = 5
_INPUTS = 3
_TURNS = (0, 1, 2, 3, 5, 0, 7)
_OF_THE_ORDER = 100.0  # times as long: a profile takes longer than a run, or leaves out what the run waits for
_LOAD_TIMEOUT_S = 300.0


def loads(built: Built) -> str:
    with built.load() as engine:
        expect(engine.input_shape == built.input_shape, f"its input is {engine.input_shape}, not {built.input_shape}.")
        return f"input {' x '.join(map(str, engine.input_shape))}"


def repeats_its_bits(built: Built) -> str:
    with built.load() as engine, built.load() as other:
        first = engine.infer(built.images())
        engine.infer(built.images(1))
        expect(_equal(first, engine.infer(built.images())), "the same input gave other bits at the second run.")
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


def takes_time(built: Built) -> str:
    with built.load() as engine:
        engine.load_input(built.images())
        runs_ms = [engine.run_once_ms() for _ in range(_RUNS)]
    expect(all(0 < run_ms < 10_000 for run_ms in runs_ms), f"runs took {runs_ms} ms.")
    return f"{_RUNS} runs, {min(runs_ms):.3f} to {max(runs_ms):.3f} ms"


def times_the_images_that_it_is_given(built: Built) -> str:
    """In turn, and again from the first, whatever is inferred between; a timed run computes what `infer` does."""
    with built.load() as engine:
        expected = [engine.infer(built.images(i)) for i in range(_INPUTS)]
        engine.load_inputs(built.images(i) for i in range(_INPUTS))
        for turn in _TURNS:
            expect(engine.run_once_ms(turn) > 0, f"the timed run of turn {turn} took no time.")
            found = engine.timed_outputs(turn)
            engine.infer(built.images(_INPUTS))
            expect(_equal(found, expected[turn % _INPUTS]), f"the timed run of turn {turn} gave other bits than infer.")
    return f"{_INPUTS} inputs in turn"


def copies_the_images_that_it_is_given(built: Built) -> str:
    """Those that are given later take the place of all earlier ones, and may be overwritten by who gave them."""
    images = built.images()
    with built.load() as engine:
        engine.load_inputs([built.images(1), built.images(2)])
        engine.load_input(images)
        expected = engine.infer(images)
        images[...] = 0
        for turn in (0, 1):
            expect(_equal(engine.timed_outputs(turn), expected), f"turn {turn} was not timed on what was given last.")
    return "in place of earlier ones"


def refuses_another_shape(built: Built) -> str:
    batch, channels, height, width = built.input_shape
    shapes = [(2 * batch, channels, height, width), (batch, channels, height, width // 2), (channels, height, width)]
    shapes += [(batch, 1, height, width), (batch, channels, width, height)]
    others = [shape for shape in shapes if shape != built.input_shape]
    with built.load() as engine:
        for shape in others:
            for feed in (engine.infer, engine.load_input):
                call, saying = partial(feed, np.zeros(shape, np.float32)), f"takes {list(built.input_shape)}"
                expect_refusal(call, f"An input of shape {shape}", saying=saying, error=ValueError)
    return f"{len(others)} shapes"


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


def runs_again_after_a_kill(built: Built) -> str:
    log_path = built.store.root / "logs" / f"{built.kind.name}-killed.log"
    death = partial(run_in_child, _load_and_die, built, timeout_s=_LOAD_TIMEOUT_S, log_path=log_path)
    expect_refusal(death, "A killed process", saying="SIGKILL")
    return f"the next one: {takes_time(built)}"


def _load_and_die(built: Built) -> None:
    with built.load() as engine:
        engine.infer(built.images())
        os.kill(os.getpid(), signal.SIGKILL)


def times_its_layers(built: Built) -> str:
    """Where the kind tells what ran: their sum is of the order of a run, and nothing else is profiled than is run."""
    if Inspection.load(built.folder) is None:
        raise Untried("engines of this kind do not tell what runs in them")
    profile, images = partial(built.kind.profile, built.folder, built.options), built.images()
    other = np.zeros((*images.shape[:3], images.shape[3] // 2), np.float32)
    expect_refusal(partial(profile, other), "A profile of another shape", saying="takes", error=ValueError)
    with tempfile.TemporaryDirectory(prefix="qpareto-") as folder:
        empty = partial(built.kind.profile, Path(folder), built.options, images)
        expect_refusal(empty, "A profile of an empty folder", saying="holds no")
    layers = profile(images)
    with built.load() as engine:
        engine.load_input(images)
        run_ms = float(np.median([engine.run_once_ms() for _ in range(_RUNS)]))
    sum_ms = sum(layer.ms for layer in layers)
    told = f"{len(layers)} layers, {sum_ms:.3f} ms in all, and a run takes {run_ms:.3f} ms"
    expect(run_ms / _OF_THE_ORDER < sum_ms < run_ms * _OF_THE_ORDER, f"it tells of {told}.")
    return told


def _equal(outputs: Outputs, expected: Outputs) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(outputs, expected, strict=True))


RUNNING: Promises = {
    "loads an engine of the model's shape": loads,
    "gives the same bits again": repeats_its_bits,
    "leaves its inputs and earlier outputs alone": leaves_inputs_and_outputs_alone,
    "times a run": takes_time,
    "times the images that it is given": times_the_images_that_it_is_given,
    "copies the images that it is given": copies_the_images_that_it_is_given,
    "refuses to be timed without input": refuses_a_run_without_input,
    "refuses another shape": refuses_another_shape,
    "refuses to run when closed": refuses_to_run_closed,
    "runs again after a process was killed": runs_again_after_a_kill,
}
INSPECTED: Promises = {"times its layers": times_its_layers}
