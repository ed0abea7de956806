"""What a study's `engine:` section says: what every kind of engine knows; each kind adds options of its own beside it.

An option is declared once, by `option`: what it means, its limits, its default. Its default is never changed, since
what is not told is in no key and in no study's identity: engines of one default would pass for those of the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Self, TypeVar

T = TypeVar("T")

# Options that 0.1 wrote for every kind, into each engine's key and each study's identity
WRITTEN_ONCE: dict[str, object] = {
    "threads": 2,
    "range_guard": True,
    "keep_fp32": [],
    "capability": None,
    "optimization_level": None,
    "workspace_mib": None,
    "build_route": None,
}


def option(default: T, meaning: str, *, decides: bool = True, **limits: float) -> T:
    """A key of the study file's `engine:` section.

    Args:
        meaning: as its reference tells it.
        decides: whether what an engine is, or how it runs, depends on it.
        limits: of a number, or of its items: `ge`, `gt`, `le` and `lt`, as pydantic names them.
    """
    return field(default=default, metadata={"description": meaning, "decides": decides, **limits})


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """How an engine is built and run, as far as every kind knows; a kind's own class derives from this.

    Args:
        kind: a name from `engines.KINDS`.
        float_type: what layers outside the mask run in; one of the kind's `float_types`.
        shared_dir: where a kind may keep what speeds up later builds and loads, shared by processes; none kept if None.
        build_timeout_s, run_timeout_s: a build, or a timing or evaluation, that takes longer is killed and its
            candidate fails.
    """

    kind: str
    batch: int = option(1, "images that an inference takes; a model of batch 1 is given any", ge=1)
    float_type: str = option("fp32", "what layers outside the mask run in")
    shared_dir: Path | None = field(default=None, metadata={"decides": False})
    build_timeout_s: float = option(600.0, "a build that takes longer fails its trial", decides=False, gt=0)
    run_timeout_s: float = option(3600.0, "so does a timing or an evaluation", decides=False, gt=0)

    @property
    def cpu_threads(self) -> int | None:
        """CPU threads of one inference; None of kinds that run elsewhere."""
        return None

    def with_cpu_threads(self, threads: int) -> Self:
        """The same with so many, of a kind that has any."""
        del threads
        return self

    def identity(self) -> dict[str, object]:
        """What decides what an engine is and how it runs, as JSON gives it back: no defaults of a kind's own."""
        decisive = [each.name for each in fields(self) if each.metadata.get("decides", True)]
        return self.as_now({name: _as_json(getattr(self, name)) for name in decisive})

    def key(self) -> dict[str, object]:
        """The same for keys of the store: those of 0.1 are found."""
        return WRITTEN_ONCE | self.identity()

    @classmethod
    def as_now(cls, stored: Mapping[str, object]) -> dict[str, object]:
        """An identity as `identity` gives it today, of one that an older program stored with all options written out.

        What neither this kind nor 0.1 knew stays: a newer program stored it, and it decides.
        """
        common = {each.name for each in fields(EngineOptions)}
        own = {each.name: _as_json(each.default) for each in fields(cls) if each.name not in common}
        return {
            name: value
            for name, value in stored.items()
            if name in common or (own[name] != value if name in own else name not in WRITTEN_ONCE)
        }


@dataclass(frozen=True, kw_only=True)
class HalfOptions(EngineOptions):
    """Of kinds that run FP32 graphs in FP16.

    Args:
        range_guard: whether `float_type` spares the tensors that it cannot hold well, which are then `keep_fp32`.
        keep_fp32: tensors that stay in FP32, whatever the float type.
    """

    range_guard: bool = option(True, "with fp16: leave in FP32 what FP16 cannot hold well")
    keep_fp32: tuple[str, ...] = ()


def _as_json(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
