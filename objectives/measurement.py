"""A measurement: what one engine scored on one device, complete enough to be believed and repeated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ..errors import StudyError
from .accuracy.metrics import MAP, TOP1
from .accuracy.parity import Parity
from .accuracy.scored import SCORED, ScoredAccuracy, ScoredBoxes
from .interval import Interval
from .latency.percentiles import Percentile
from .latency.timing import Timing
from .measured_engine import MeasuredEngine

FORMAT = 1

_NAMES = {  # in JSON, where all parts are one object, of the fields that are not called by their own
    "accuracy.key": "accuracy_key",
    "engine.bytes": "engine_bytes",
    "engine.key": "engine_key",
    "engine.kind": "engine",
}
_OF_METRIC = {  # likewise, by what accuracy is measured by
    name: {"accuracy.change": f"{name}_change", "accuracy.per_class": f"{part}_by_class"}
    for name, part in {MAP.name: "ap", TOP1.name: "top1"}.items()
}
for _name in ("ms", "median_ms", "cold_ms", "p90", "p95_ms", "p99", "ratio", "own", "spread", "timings"):
    _NAMES[f"timing.{_name}"] = f"latency_{_name}"


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a measurement is from.

    Args:
        device: its own name.
        versions: libraries and drivers.
        model_hash: content hash of the float model.
        seconds: by step (`build`, `race`, `time`, `evaluate`, ...), what its process spent on it since the measurement
            before; without what was found in the cache, or waited for while others held the device.
    """

    device: str
    versions: Mapping[str, str]
    model_hash: str
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one engine scored, in its parts."""

    accuracy: ScoredAccuracy
    timing: Timing
    engine: MeasuredEngine
    provenance: Provenance

    def as_json(self) -> dict[str, Any]:
        """One JSON object of all parts' fields, each under a name of its own; intervals are two, the second `_ci`."""
        told: dict[str, Any] = {}
        names = _NAMES | _OF_METRIC[self.accuracy.metric.name]
        for part in _PARTS:
            for name, value in vars(getattr(self, part)).items():
                told |= _told(names.get(f"{part}.{name}", name), value)
        del told["latency_own"]  # the ratio, once more
        parity = {name: value for name, value in (told["parity"] or {}).items() if value is not None}
        return {**told, "parity": parity, "format": FORMAT}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Measurement:
        """Inverse of `as_json`; what is not known is left out.

        Raises:
            StudyError: the object was written in another format.
        """
        if data.get("format") != FORMAT:
            raise StudyError(
                f"A measurement of format {data.get('format')} was found, but this qpareto reads format {FORMAT}: "
                "use the version that wrote it, or measure anew."
            )
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        values["latency_own"] = values["latency_ratio"]
        values["latency_own_ci"] = values.get("latency_own_ci") or values["latency_ratio_ci"]  # once they were one
        scored = next((kind for kind in SCORED if kind.metric.name in values), ScoredBoxes)
        for name in (f"{scored.metric.name}_change", "latency_ratio", "latency_own"):
            values[name] = Interval(values[name], *values[f"{name}_ci"])
        for name in ("latency_p90", "latency_p99"):
            values[name] = Percentile(ms=values.get(f"{name}_ms"), bound_ms=values.get(f"{name}_bound_ms"))
        values["parity"] = Parity(**data["parity"]) if data.get("parity") else None
        names = _NAMES | _OF_METRIC[scored.metric.name]
        parts: dict[str, type[Any]] = {**_PARTS, "accuracy": scored}
        return cls(**{part: kind(**_fields(part, kind, values, names)) for part, kind in parts.items()})


_PARTS: dict[str, type[Any]] = {
    "accuracy": ScoredAccuracy,
    "timing": Timing,
    "engine": MeasuredEngine,
    "provenance": Provenance,
}


def _fields(part: str, kind: type[Any], values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Of one part, as far as they are told."""
    told = {each.name: names.get(f"{part}.{each.name}", each.name) for each in fields(kind)}
    return {name: values[key] for name, key in told.items() if key in values}


def _told(name: str, value: object) -> dict[str, Any]:
    if isinstance(value, Interval):
        return {name: value.value, f"{name}_ci": list(value.ends)}
    if isinstance(value, Percentile):
        return {f"{name}_ms": value.ms, f"{name}_bound_ms": value.bound_ms}
    if isinstance(value, Parity):
        return {name: asdict(value)}
    return {name: list(value) if isinstance(value, tuple) else value}
