"""What a study stores in Optuna's user attributes, of itself and of its trials: their keys stand here and nowhere else.

A key is the name of its field. Where this changes so that older programs would misread it, `FORMAT` rises, which the
identity tells; what older formats wrote is understood here.

Format 1: the reason of a trial that failed began with its outcome (`died: ...`), and the reference's milliseconds stood
in trials, as `unit_ms`; the first trial's counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, Self

from ...errors import CandidateError
from ...objectives.accuracy.race import Stopped
from ...objectives.latency.spread import Spread
from ...objectives.measurement import Measurement
from .identity import Identity
from .outcome import Outcome
from .processes import Process

# and a trial's number: a finished trial takes no more attributes, its study does
_CONFIRMED, _EXPORTED = "confirmed:", "exported:"
_SAID_IN_FORMAT_1 = frozenset(Outcome) - {Outcome.RUNNING, Outcome.COMPLETE, Outcome.PRUNED, Outcome.FAILED}


@dataclass(frozen=True, kw_only=True)
class Beat:
    """A worker's sign of life: how many it has given before, and when this one was, by its own clock (Unix time)."""

    count: int
    at: float


@dataclass(frozen=True, kw_only=True)
class TrialAttributes:
    """What is stored of a trial; None where it is not.

    Args:
        candidate: what it measures, in words.
        baseline: the recipe's name if this trial measures one.
        retry_of: number of the trial that this one tries again.
        worker: which process has begun it.
        token: tells it from any other that was begun, see storage/patient.py.
        beat: the last sign of life of its worker.
        graph: canonical hash of its graph, and its float type, once that is known.
        reused_from: number of the earlier trial with the same effective graph, whose result this one tells.
        measurement: of a complete trial.
        stopped: what was seen of a pruned trial, `stopped_graph` the canonical hash of its graph.
        outcome: how it ended, of a trial that Optuna calls failed; the other states tell it themselves.
        reason: why it did, in a sentence.
    """

    candidate: str | None = None
    baseline: str | None = None
    retry_of: int | None = None
    worker: Process | None = None
    token: str | None = None
    beat: Beat | None = None
    graph: str | None = None
    reused_from: int | None = None
    measurement: Measurement | None = None
    stopped: Stopped | None = None
    stopped_graph: str | None = None
    outcome: Outcome | None = None
    reason: str | None = None

    def as_stored(self) -> dict[str, Any]:
        """JSON-able, of what is not None."""
        told = {each.name: getattr(self, each.name) for each in fields(TrialAttributes)}
        return {key: _as_json(value) for key, value in told.items() if value is not None}

    @classmethod
    def from_stored(cls, told: Mapping[str, Any]) -> Self:
        """Read a trial's attributes, whoever wrote them."""
        if "reason" in told and "outcome" not in told:
            told = {**told, **_ending_of_format_1(told["reason"])}
        names = [each.name for each in fields(TrialAttributes) if told.get(each.name) is not None]
        return cls(**{name: _READ[name](told[name]) if name in _READ else told[name] for name in names})


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What is expected of a study's switches before any trial, in the network's order.

    Args:
        layers: switch -> the layers that it turns.
        harm: switch -> what INT8 does to the detections by itself, at least about 0; empty if it was not measured.
        saved_ms: switch -> milliseconds that INT8 saves, below 0 where it costs; empty if it was not measured.
    """

    layers: Mapping[str, tuple[str, ...]]
    harm: Mapping[str, float]
    saved_ms: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class StudyAttributes:
    """What is stored of a study itself; None or empty where it is not.

    Args:
        maker: the last worker that would make it, where the first one was killed before it had.
        reference_ms: the reference's milliseconds, in which latencies are told.
        identity: what it was made with. Last: without it a study is nobody's.
        expected: kept so that whoever looks at the study sees it; None if its workers never asked.
        data: what must be known of the images that it measures on, a sentence each.
        builds: how the engine with all layers in INT8 was timed where the study was begun, of kinds whose builds choose
            kernels by timing them.
        confirmed: trial -> what its candidate scored when it was measured once more, or why it could not be.
        exported: trial -> what its candidate scored as it was measured anew for an export; the last one counts.
    """

    maker: str | None = None
    reference_ms: float | None = None
    identity: Identity | None = None
    expected: Expected | None = None
    data: tuple[str, ...] | None = None
    builds: Spread | None = None
    confirmed: Mapping[int, Measurement | CandidateError] = field(default_factory=dict)
    exported: Mapping[int, Measurement] = field(default_factory=dict)

    def as_stored(self) -> dict[str, Any]:
        """JSON-able, in the order in which it is to be written."""
        told: dict[str, Any] = {
            "maker": self.maker,
            "reference_ms": self.reference_ms,
            "identity": self.identity,
            "expected": self.expected,
            "data": self.data,
            "builds": self.builds,
            **{f"{_CONFIRMED}{number}": found for number, found in self.confirmed.items()},
            **{f"{_EXPORTED}{number}": found for number, found in self.exported.items()},
        }
        return {key: _as_json(value) for key, value in told.items() if value is not None}

    @classmethod
    def from_stored(cls, told: Mapping[str, Any]) -> Self:
        """Read a study's attributes, whoever wrote them."""
        identity, expected, builds = (told.get(name) for name in ("identity", "expected", "builds"))
        return cls(
            maker=told.get("maker"),
            reference_ms=told.get("reference_ms"),
            identity=None if identity is None else Identity.from_stored(identity),
            expected=None if expected is None else Expected(**expected),
            data=tuple(told["data"]) if "data" in told else None,
            builds=None if builds is None else Spread(**builds),
            confirmed={number: _confirmation(found) for number, found in _numbered(told, _CONFIRMED)},
            exported={number: Measurement.from_json(found) for number, found in _numbered(told, _EXPORTED)},
        )


def reference_ms_of_format_1(trials: Iterable[Mapping[str, Any]]) -> float | None:
    """Of a study's trials, in the order in which they were begun, by their attributes."""
    return next((float(told["unit_ms"]) for told in trials if "unit_ms" in told), None)


def _ending_of_format_1(reason: str) -> dict[str, str]:
    outcome, _, why = reason.partition(": ")
    return {"outcome": outcome, "reason": why or reason} if outcome in _SAID_IN_FORMAT_1 else {}


def _as_json(value: object) -> object:
    if isinstance(value, Measurement | Stopped):
        return value.as_json()
    if isinstance(value, Identity):
        return value.as_stored()
    if isinstance(value, CandidateError):
        return {"reason": str(value)}
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def _confirmation(told: Mapping[str, Any]) -> Measurement | CandidateError:
    return CandidateError(told["reason"]) if "reason" in told else Measurement.from_json(told)


def _numbered(told: Mapping[str, Any], prefix: str) -> Iterator[tuple[int, Any]]:
    for key, found in told.items():
        if key.startswith(prefix):
            yield int(key.removeprefix(prefix)), found


_READ: dict[str, Callable[[Any], Any]] = {
    "worker": lambda told: Process(**told),
    "beat": lambda told: Beat(**told),
    "measurement": Measurement.from_json,
    "stopped": Stopped.from_json,
    "outcome": Outcome,
}
