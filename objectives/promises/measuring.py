"""What is promised of comparing, scoring and timing, through a trial's own steps; and what the GPU tells meanwhile."""

from __future__ import annotations

import math

from ...errors import EngineError
from .. import steps
from ..accuracy.parity import Parity
from ..latency.paired import PairedLatency
from ..store import disk_errors
from .check import Untried, expect
from .pictures import IMAGES
from .subject import Subject

_ITSELF_WITHIN = 0.01  # of an engine's own latency: what a look of some seconds may be off


def agrees(subject: Subject, name: str) -> str:
    """An engine finds what ONNX Runtime finds with its graph."""
    built, scorer, what = subject.built(name), subject.scorer, f"{subject.kind.name}-{name}-parity"
    folder = subject.store.root / what
    with disk_errors(folder.parent):
        folder.mkdir(exist_ok=True)
    with scorer.device.beside_timing(on_host=True):
        images, head = scorer.images.pixels, scorer.head
        scorer.device.run(what, steps.check_parity, built.ref, built.onnx_path, folder, images=images, head=head)
    found = Parity.load(folder)
    assert found is not None  # the step leaves it
    return (
        f"{found.boxes} boxes in {found.images} images, off by {found.box_error:.2%} of their size, "
        f"scores by {found.score_error:.4f}"
    )


def times_the_float_engine_against_itself(subject: Subject) -> str:
    """The ratio is 1 to within its interval's width, about four standard errors, or to within 1 %.

    Beside other programs it may be anything, and the check is to be made again on a quiet machine.
    """
    timed = _timed(subject, "float")
    ratio, low, high = timed.ratio
    if abs(ratio - 1) > max(high - low, _ITSELF_WITHIN):
        raise (Untried if timed.is_disturbed else EngineError)(f"its ratio to itself is not 1: {_figures(timed)}.")
    return f"{_figures(timed)}, p90 {timed.p90.ms:.3f} ms, p99 {timed.p99.ms:.3f} ms, first run {timed.cold_ms:.3f} ms"


def times_images_against_one(subject: Subject) -> str:
    """Told and not judged: an engine may well take longer on some images. Then it is to be timed on a study's own."""
    timed = subject.scorer.clock().images_against_one(subject.built("float").ref)
    return f"its speed {verdict_on_images(timed)}: {_figures(timed)}"


def verdict_on_images(timed: PairedLatency, *, within: float = _ITSELF_WITHIN) -> str:
    """What an engine on many images against itself on one tells of its speed.

    Args:
        within: so far off 1 a ratio is no difference.
    """
    _, low, high = timed.ratio
    if low > 1 + within or high < 1 - within:
        return "depends on the image"
    if 1 - within <= low and high <= 1 + within:
        return "does not depend on the image"
    return "may depend on the image, which takes a longer or quieter timing to tell"


def times_the_int8_engine(subject: Subject) -> str:
    return _figures(_timed(subject, "INT8"))


def reads_the_gpu(subject: Subject) -> str:
    """Clocks, temperature and why it lowered its clocks must be told; power and energy are where the GPU has them."""
    if not subject.timings:
        raise Untried("nothing was timed")
    timed = list(subject.timings.values())[-1]
    readings = timed.readings
    clocks = [float(readings.get(name, math.nan)) for name in ("sm_clock_mhz", "sm_clock_lowest_mhz", "celsius")]
    expect(all(value > 0 for value in clocks), f"the driver does not tell clocks and temperature: {dict(readings)}.")
    energy = "not told" if timed.energy_mj is None else f"{timed.energy_mj:.1f} mJ a run"
    power = f"{readings['power_w']:.0f} W" if "power_w" in readings else "power not told"
    return (
        f"{readings['samples']} samples, SM {clocks[0]:.0f} MHz (lowest {clocks[1]:.0f}), {clocks[2]:.0f} °C, {power}, "
        f"energy {energy}, throttled by {readings.get('throttled', 'nothing')}, "
        f"{readings.get('foreign_processes', 0)} other processes on the GPU"
    )


def scores_images(subject: Subject) -> str:
    """The scores themselves mean nothing: the boxes are made up."""
    accuracy = subject.scorer.evaluator.accuracy(subject.built("INT8").ref)
    score = accuracy.score.value
    expect(0.0 <= score <= 1.0, f"mAP50-95 is {score}.")
    return f"{IMAGES} images"


def _timed(subject: Subject, name: str) -> PairedLatency:
    subject.built("float")  # what it is timed against
    timed = subject.scorer.clock().latency(subject.built(name).ref)
    subject.timings[name] = timed
    return timed


def _figures(timed: PairedLatency) -> str:
    ratio, low, high = timed.ratio
    return (
        f"{timed.median_ms:.3f} ms, ratio {ratio:.4f}, 95 % {low:.4f} to {high:.4f}, {timed.pairs} pairs, "
        f"disturbed by {', '.join(timed.flags) or 'nothing'}"
    )
