"""What each layer of an engine takes, on demand: `EngineKind.profile`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from ...spaces.precision import INT8
from .inspection import EngineLayer


@dataclass(frozen=True, kw_only=True)
class LayerTime(EngineLayer):
    """A layer with its time.

    Args:
        ms: milliseconds of one inference, above 0. Profiling itself costs time, a little for every layer, and layers
            that could overlap wait for each other: trust shares, and differences of a layer between engines, not sums.
    """

    ms: float

    def as_json(self) -> dict[str, Any]:
        """A JSON object; `precision` by its name, `int8` whether that is INT8, both null where it is not known."""
        name = self.precision.name if self.precision else None
        return asdict(self) | {"precision": name, "int8": self.precision == INT8 if self.precision else None}


def profile_of_runs(layers: Iterable[EngineLayer], runs: Sequence[Mapping[str, float]]) -> tuple[LayerTime, ...]:
    """The layers with the median of their times, in the order in which they are given.

    Args:
        layers: in execution order.
        runs: at least one; milliseconds of each layer that took any time, by its name. A layer that `layers` does not
            tell of comes last, with nothing known of it.

    Returns:
        Without the layers whose median is 0: those that never ran, or took less than the clock can tell.
    """
    known = {layer.name: layer for layer in layers}
    for name in dict.fromkeys(name for run in runs for name in run):
        known.setdefault(name, EngineLayer(name=name, nodes=(), precision=None, reformat=False))
    times = ((layer, median(run.get(layer.name, 0.0) for run in runs)) for layer in known.values())
    return tuple(
        LayerTime(name=layer.name, nodes=layer.nodes, precision=layer.precision, reformat=layer.reformat, ms=ms)
        for layer, ms in times
        if ms > 0
    )


def reformat_share(profile: Iterable[LayerTime]) -> float:
    """The part of the layers' time that reformats take, 0..1; 0 of no layers."""
    times = [(layer.ms, layer.reformat) for layer in profile]
    whole_ms = sum(ms for ms, _ in times)
    return sum(ms for ms, reformat in times if reformat) / whole_ms if whole_ms else 0.0
