"""How figures are written, in a terminal, a report, a README and a note alike: one rounding and one form for each.

An accuracy and its change have four digits, a latency ratio and milliseconds three, a speedup and mebibytes two.
"""

from __future__ import annotations

from collections.abc import Callable

from ..objectives.interval import Interval
from ..objectives.latency.percentiles import Percentile
from ..objectives.measured_engine import MeasuredEngine


def accuracy(value: float | None) -> str:
    """Of 0..1: `0.4044`; `-` where there is none."""
    return "-" if value is None else f"{value:.4f}"


def change(value: float) -> str:
    """Of an accuracy against the reference's: `-0.0103`; one that rounds to 0 is `+0.0000`."""
    return f"{value:+z.4f}"


def ratio(value: float) -> str:
    """A latency's to the reference's, or milliseconds: `0.582`."""
    return f"{value:.3f}"


def speedup(of_reference: float) -> str:
    """A latency ratio, above 0, the other way round: `1.72x`."""
    return f"{1 / of_reference:.2f}x"


def faster(of_reference: float) -> str:
    """A latency ratio, above 0, as a speedup: `2.14x faster`, `1.10x slower`; `1.00x faster` on either side of 1."""
    return f"{of_reference:.2f}x slower" if round(of_reference, 2) > 1 else f"{speedup(of_reference)} faster"


def interval(found: Interval, write: Callable[[float], str], *, between: str = " to ") -> str:
    """`0.570 to 0.600`; `0.570..0.600` in a terminal's column of its own."""
    return between.join(map(write, found.ends))


def with_interval(found: Interval, write: Callable[[float], str], *, level: str = "") -> str:
    """`0.582 (0.570 to 0.600)`.

    Args:
        level: before the ends, such as `95 % `, where no heading says it.
    """
    return f"{write(found.value)} ({level}{interval(found, write)})"


def slow_run(found: Percentile) -> str:
    """A percentile of an engine's runs with its bound, in milliseconds: `3.210 (<= 3.350)`; `-` for what is unknown."""
    bound = "-" if found.bound_ms is None else ratio(found.bound_ms)
    return "-" if found.ms is None else f"{ratio(found.ms)} (<= {bound})"


def mebibytes(count: int) -> str:
    """Bytes: `2.70 MiB`."""
    return f"{count / 2**20:.2f} MiB"


def int8_layers(engine: MeasuredEngine) -> str:
    """How many layers the mask puts into INT8, and how many really ran so where those are others: `88, 87 ran`."""
    asked = len(engine.int8_layers)
    return str(asked) if engine.int8_ran in (None, asked) else f"{asked}, {engine.int8_ran} ran"


def int8_in_words(engine: MeasuredEngine) -> str:
    """Likewise: `88 layers in INT8 (87 really ran so)`; without brackets where the engine does not report it."""
    ran = "" if engine.int8_ran is None else f" ({engine.int8_ran} really ran so)"
    return f"{len(engine.int8_layers)} layers in INT8{ran}"


def percent(probability: float) -> str:
    """In whole percent, never 0 or 100."""
    if probability > 0.99:
        return "over 99 %"
    return "under 1 %" if probability < 0.01 else f"{probability:.0%}".replace("%", " %")
