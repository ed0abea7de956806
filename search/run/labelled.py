"""Sensitivity with labels: what turning each block INT8 does to mAP50-95, paired image by image with the reference."""

from __future__ import annotations

import logging

from ...objectives.accuracy.bootstrap import accuracy_difference
from ...objectives.interval import Interval
from ...objectives.score import Scorer
from ...spaces.calibration import CalibrationChoice
from ...spaces.candidate import Candidate
from ...spaces.masks import LayerMask
from ...spaces.precision import INT8

_log = logging.getLogger(__name__)


def labelled_changes(scorer: Scorer, choice: CalibrationChoice) -> dict[str, Interval]:
    """The change of map50_95 when one block alone runs in INT8, by block in network order; below 0 is worse.

    Real engines on the scorer's images, a build and an evaluation a block; nothing is timed. What was measured before
    is found in the store.

    Raises:
        QuantizationError, EngineError: a block cannot be quantized, built or run.
    """
    reference = scorer.evaluator.accuracy(scorer.reference()).matches
    blocks = tuple(dict.fromkeys(layer.block for layer in scorer.layers))
    changes = {}
    for i, block in enumerate(blocks, start=1):
        _log.info("measuring %s in INT8, %d of %d, on %d images", block, i, len(blocks), len(scorer.images))
        precisions = {layer.name: INT8 for layer in scorer.layers if layer.block == block}
        candidate = Candidate(choice, LayerMask.of([layer.name for layer in scorer.layers], precisions))
        engine = scorer.engine(scorer.quantize(candidate))
        changes[block] = accuracy_difference(scorer.evaluator.accuracy(engine).matches, reference)
    return changes
