"""Where stored figures are from: with which engine recipe and program, when; and whether that is still today's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from qpareto.objectives.engines import engine_kind


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What made some figures.

    Args:
        kind: of engine.
        recipe: its number then, see `EngineKind.recipe`; None where that was not stored.
        program: qpareto's version then; None where that was not stored.
        until: the last day of measuring, UTC; None where that was not stored.
    """

    kind: str
    recipe: int | None
    program: str | None
    until: date | None

    @classmethod
    def of_study(cls, document: Mapping[str, Any]) -> Provenance:
        """Of a kept study."""
        identity = document["attributes"]["identity"]
        ended = [trial["ended"] for trial in document["trials"] if trial["ended"]]
        return cls(
            kind=identity["engine"]["kind"],
            recipe=identity.get("engine recipe"),
            program=identity.get("versions", {}).get("qpareto"),
            until=date.fromisoformat(max(ended)[:10]) if ended else None,
        )

    @classmethod
    def of_lines(cls, lines: Sequence[Mapping[str, Any]]) -> Provenance:
        """Of figures that were stored a line, or a row, each: `engine`, `versions` and `date` of the last one."""
        last = lines[-1]
        engine, day = last.get("engine", {}), last.get("date")
        return cls(
            kind=engine.get("kind", "openvino"),
            recipe=engine.get("recipe"),
            program=last.get("versions", {}).get("qpareto"),
            until=date.fromisoformat(day) if day else None,
        )

    @property
    def outdated(self) -> str | None:
        """Why these figures are not of what today's program builds; None if they are."""
        current = engine_kind(self.kind).recipe
        if self.recipe is None or self.program is None or self.until is None:
            return f"it does not say which {self.kind} engines it is of (recipe, version, date)"
        if self.recipe != current:
            return f"it is of {self.kind} engines of recipe {self.recipe}, and today's are of recipe {current}"
        return None


def in_words(day: date) -> str:
    """`29 November 2026`."""
    return f"{day.day} {day:%B %Y}"
