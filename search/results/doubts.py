"""What makes latencies doubtful, in sentences: what disturbed single timings, and how unsteady the machine is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...objectives.latency.spread import Spread
from ...objectives.measurement import Measurement
from .points import Point

DOUBTS = {  # a measurement's flag -> what it means
    "foreign_load": "other programs used the CPU meanwhile",
    "cpu_throttled": "this container's CPU quota stopped it (lower engine.threads, or raise the quota)",
    "load_unknown": "this system does not tell whether other programs used the CPU",
    "foreign_process": "another process computed on the GPU meanwhile",
    "throttled": "the GPU lowered its clocks meanwhile (`measure` shows why)",
    "not_steady": "the warm-up ended before latency was steady",
    "wide_interval": "the time was up before the interval was as narrow as latency.ci_width asks",
}

UNSTEADY = 0.03  # standard deviation between timings from which readers are warned: intervals are +-8 % wide and more


def doubts_of(found: Mapping[int, Measurement]) -> list[str]:
    """What disturbed these timings, by trial number: a sentence a flag, for the figures that bear a `*`."""
    trials: dict[str, list[int]] = {}
    for trial, measurement in found.items():
        for flag in measurement.timing.flags:
            trials.setdefault(flag, []).append(trial)
    return [
        f"* Doubtful timing of trial {', '.join(map(str, of))}: {DOUBTS.get(flag, flag)}."
        for flag, of in trials.items()
    ]


def unsteady(points: Sequence[Point], spread: Spread | None) -> list[str]:
    """One sentence if timings lie so far apart that the machine has to be blamed; else none.

    Args:
        spread: where the study knows it better than each measurement did; see `spread_of`.
    """
    if spread is None or spread.deviation < UNSTEADY:
        return []
    taken = [found.timing.reference_ms for point in points for found in point.measurements]
    return [
        f"This machine's speed is not steady: engines that were timed again lie {100 * spread.deviation:.1f} % apart "
        f"(standard deviation), and the reference took {min(taken):.3g} to {max(taken):.3g} ms. So the intervals of "
        "latencies are wide: fix the clocks, stop other programs, or take a machine without neighbours."
    ]
