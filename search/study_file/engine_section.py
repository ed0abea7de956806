"""The study file's `engine:` section: each kind of engine declares what it may hold, in its own options."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny, TypeAdapter

from ...objectives.engines import KINDS, EngineOptions, engine_kind

DEFAULT_KIND = "openvino"


def known_of(values: tuple[str, ...], known: tuple[str, ...], *, other: str | None = None) -> tuple[str, ...]:
    """The values, each of which must be known.

    Raises:
        ValueError: one is not; with what is, and which of that is the nearest.
    """
    for value in values:
        if value not in known:
            near = difflib.get_close_matches(str(value), known, n=1, cutoff=0.0)[0]
            told = ", ".join([*known, *([other] if other else [])])
            raise ValueError(f"'{value}' is none of {told}; the nearest is '{near}'")
    return values


def kinds_of_option() -> dict[str, list[str]]:
    """The kinds that know each key of the section."""
    keys: dict[str, list[str]] = {}
    for kind in KINDS:
        for name in _keys(kind):
            keys.setdefault(name, []).append(kind)
    return keys


def options_of_section(told: object) -> EngineOptions:
    """What a study file says, as options of the kind that it names.

    Raises:
        ValueError: an option, or its value, is not one that this kind has.
    """
    if isinstance(told, EngineOptions):
        return told
    if not isinstance(told, Mapping):
        raise ValueError("it holds keys, such as `kind`")
    kind = known_of((told.get("kind", DEFAULT_KIND),), tuple(KINDS))[0]
    for name in told.keys() - _keys(kind):
        if others := kinds_of_option().get(name):
            raise ValueError(f"{kind} has no {name}, which is an option of {' and '.join(others)}: leave it out")
        known_of((name,), _keys(kind))
    options = _adapter(kind).validate_python(told)
    types = engine_kind(kind).float_types
    if options.float_type not in types:
        raise ValueError(f"{kind} runs float layers in {' or '.join(types)}, not in '{options.float_type}'")
    return options


def _stored(told: object) -> object:
    """What was stored of options, maybe by an older program, which stored some that the kind does not have."""
    if not isinstance(told, Mapping):
        return told
    kind = known_of((told.get("kind", ""),), tuple(KINDS))[0]
    stored = engine_kind(kind).options.as_now(told)
    decisive = tuple(name for name, value in stored.items() if value is not None)
    known_of(decisive, tuple(each.name for each in fields(engine_kind(kind).options)))
    return _adapter(kind).validate_python(stored)


def _keys(kind: str) -> tuple[str, ...]:
    return ("kind", *(each.name for each in fields(engine_kind(kind).options) if "description" in each.metadata))


def _adapter(kind: str) -> TypeAdapter[EngineOptions]:
    return TypeAdapter(engine_kind(kind).options)


class _OfAllKinds:
    """The JSON schema: every key of every kind, with the kinds that have it.

    Args:
        stored: with what no study file says.
    """

    def __init__(self, *, stored: bool) -> None:
        self._stored = stored

    def __get_pydantic_json_schema__(self, _schema: Any, _handler: Any) -> dict[str, Any]:
        properties: dict[str, Any] = {}
        for kind in KINDS:
            found = _adapter(kind).json_schema()["properties"]
            properties |= {
                name: found[name] for name in (found if self._stored else _keys(kind)) if name not in properties
            }
        for name, kinds in kinds_of_option().items():
            if len(kinds) < len(KINDS):
                properties[name]["description"] += f" ({', '.join(kinds)})"
        properties["kind"] |= {"enum": list(KINDS), "description": "the kind of engine"}
        return {
            "type": "object",
            "description": "How engines are built and run.",
            "properties": properties,
            "additionalProperties": False,
        }


EngineSection = Annotated[EngineOptions, BeforeValidator(options_of_section), _OfAllKinds(stored=False)]
StoredOptions = Annotated[SerializeAsAny[EngineOptions], BeforeValidator(_stored), _OfAllKinds(stored=True)]
