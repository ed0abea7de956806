"""A finalist: measured as any candidate is, but timed in several processes, of two builds where both are at hand."""

from __future__ import annotations

from ..spaces.candidate import Candidate
from .engines.build import find_engine
from .latency.paired import combined
from .measurement import Measurement
from .score import Scorer

TIMINGS = 3


def measure_finalist(scorer: Scorer, candidate: Candidate, *, float_type: str | None = None) -> Measurement:
    """Measure a candidate in full; its ratio is the geometric mean of `TIMINGS` processes.

    One of them times the build before the scorer's own, which a study's search has made, if it is still in the store.

    Args:
        float_type: what layers outside the mask run in, where that is not the reference's.

    Raises:
        QuantizationError, EngineError: as `Scorer.quantize` and `Scorer.measure`.
    """
    quantized = scorer.quantize(candidate)
    engine, build = scorer.engine(quantized, float_type=float_type), scorer.build
    earlier = find_engine(quantized.graph_hash, engine.options, scorer.store, build=build - 1) if build else None
    scorer.evaluator.accuracy(engine)  # by which it is known again
    each = (earlier or engine, *[engine] * (TIMINGS - 1))
    timed = [scorer.clock().latency(one, sample=scorer.evaluator.sample(one)) for one in each]
    return scorer.measure(candidate, quantized, float_type=float_type, latency=combined(timed))
