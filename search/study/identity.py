"""The identity of a study: the facts that all its measurements share, and what is said where one has changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from ...objectives.engines import KINDS, engine_kind

FORMAT = 2  # of all that a study stores, see attributes.py; 0.1 told none, which is 1

# What is known by its hash alone, and what to say where that differs
_HASHED = {
    "model": "the model differs",
    "dataset": "the evaluation images, their boxes or the classes that count differ",
    "calibration_images": "the calibration images differ",
    "space": "the search space differs (its layers, switches or calibrations)",
}

# The keys of the study file that each of these hashes depends on
DECIDING = {
    "model": ("model", "imgsz", "preprocessing"),
    "dataset": (
        *("data.images", "data.annotations", "data.yaml", "data.folder"),
        *("data.limit", "data.bad_images", "data.classes"),
    ),
    "calibration_images": ("data.calibration", "data.bad_images", "search.seed", "space.calibration.sizes"),
    "space": (
        *("space.calibration.methods", "space.calibration.sizes", "space.calibration.bias_correction"),
        *("space.mask.layers", "space.mask.keep_float", "space.mask.groups"),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What all measurements of a study share: with anything else its figures would not compare.

    A fact that is added later has a default: that of older studies, which do not tell it.

    Args:
        model, dataset, calibration_images, space: hashes of their contents.
        engine: the decisive options, see `EngineOptions.identity`.
        engine_recipe: see `EngineKind.recipe`.
        versions: of all that decides what an engine is and scores, by name.
        keys: those in `DECIDING` with their values, to tell by what a hash has changed; none of older studies. They
            decide nothing: a model may lie elsewhere.
        others: facts that a newer program has told; not known here.
        format: of what the study stores.
    """

    model: str = ""
    dataset: str = ""
    calibration_images: str = ""
    space: str = ""
    engine: Mapping[str, Any] = field(default_factory=dict)
    engine_recipe: int = 0
    device: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    objectives: tuple[str, ...] = ()
    keys: Mapping[str, Any] = field(default_factory=dict, compare=False)
    others: Mapping[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def float_type(self) -> str:
        """What layers outside the mask run in, in every trial but some baselines."""
        return str(self.engine["float_type"])

    def as_stored(self) -> dict[str, Any]:
        """JSON-able; what has its default is left out."""
        told = {key: getattr(self, name) for key, name in _keys() if getattr(self, name) != getattr(_NOTHING, name)}
        return {**told, **self.others, "format": self.format}

    @classmethod
    def from_stored(cls, told: Mapping[str, Any]) -> Self:
        """Inverse of `as_stored`, of any format up to now."""
        known = {name: told[key] for key, name in _keys() if key in told}
        others = {key: value for key, value in told.items() if key not in dict(_keys()) and key != "format"}
        objectives = tuple(known.pop("objectives", ()))
        return cls(**known, objectives=objectives, others=others, format=told.get("format", 1))

    def differences(self, now: Identity) -> list[str]:
        """What has changed, each fact with both values; of one that is known by a hash, the keys, or else its name."""
        found: list[str] = []
        hashed = [name for name in _HASHED if getattr(self, name) != getattr(now, name)]
        keys = {key: None for name in hashed for key in DECIDING[name] if self._says_otherwise(now, key)}
        found += [f"{key} was {self.keys[key]!r}, now {now.keys[key]!r}" for key in keys]
        found += [_HASHED[name] for name in hashed if not keys.keys() & {*DECIDING[name]}]
        was, has = self._told(), now._told()
        for name in dict.fromkeys([*was, *has]):
            before, after = (told.get(name, _default(each, name)) for told, each in ((was, self), (has, now)))
            if before != after:
                found.append(f"{name} was {before!r}, now {after!r}")
        return found

    def _says_otherwise(self, now: Identity, key: str) -> bool:
        return key in self.keys and key in now.keys and self.keys[key] != now.keys[key]

    def _told(self) -> dict[str, Any]:
        """The facts that have values, by names for people."""
        options = engine_kind(self._kind).options.as_now(self.engine) if self._kind in KINDS else self.engine
        return {
            "objectives": list(self.objectives),
            "device": self.device,
            "engine recipe": self.engine_recipe,
            **{f"engine.{name}": value for name, value in options.items()},
            **{f"versions.{name}": value for name, value in self.versions.items()},
            **self.others,
        }

    @property
    def _kind(self) -> str:
        return str(self.engine.get("kind"))


_NOTHING = Identity()


def _keys() -> Iterator[tuple[str, str]]:
    """As a fact is stored, and its field here."""
    for each in fields(Identity):
        if each.name not in ("others", "format"):
            yield each.name.replace("_", " "), each.name


def _default(identity: Identity, name: str) -> object:
    """Of an engine's option that is not told."""
    _, dot, option = name.partition("engine.")
    return getattr(engine_kind(identity._kind).options, option, None) if dot and identity._kind in KINDS else None
