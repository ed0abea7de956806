"""What copies of an engine take, in a process of their own."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from qpareto.objectives.accuracy.data.images import LetterboxedImages
from qpareto.objectives.accuracy.sample import turns
from qpareto.objectives.engines.ref import EngineRef
from qpareto.objectives.isolation.lock import device_lock

Floats = NDArray[np.float64]

_WARM_UP = 10  # rounds


def medians_ms(engine: EngineRef, pixels: LetterboxedImages, copies: int, rounds: int) -> Floats:
    """Of each copy, in the order of loading: [copies]. Called in a child process."""
    device = engine.kind.device_id()
    inputs = [pixels.tensor(rows) for rows in turns(len(pixels), engine.options.batch)]
    with device_lock(device, exclusive=True), ExitStack() as stack:
        loaded = [stack.enter_context(engine.load()) for _ in range(copies)]
        for each in loaded:
            each.load_inputs(inputs)
        runs = np.empty((rounds + _WARM_UP, copies))
        for turn in range(len(runs)):  # always this way round: who runs after itself finds its own in the caches
            for copy, each in enumerate(loaded):
                runs[turn, copy] = each.run_once_ms(turn)
    return np.asarray(np.median(runs[_WARM_UP:], axis=0))
