"""Engines of other tools beside a kept study: measured as its candidates are, by benchmarks/search/peers.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qpareto.objectives.interval import Interval
from qpareto.objectives.latency.spread import Spread
from qpareto.objectives.measurement import Measurement

Row = Mapping[str, Any]
PRESETS = ("performance", "mixed")  # NNCF's
UNCHANGED = "float"  # the peer that only proves that NNCF's way changes nothing
DECODE, DECODE_SHOWN = ", float decode", ", head decoding in float"


@dataclass(frozen=True, kw_only=True)
class Scored:
    """What tables show of an engine, of a measurement or of a peer alike; as their parts."""

    map50_95: float
    change: Interval
    ratio: Interval
    flags: tuple[str, ...]

    @classmethod
    def of(cls, found: Measurement) -> Scored:
        scored, timed = found.accuracy, found.timing
        return cls(map50_95=scored.value, change=scored.change, ratio=timed.ratio, flags=timed.flags)

    @classmethod
    def of_row(cls, row: Row, spread: Spread | None = None) -> Scored:
        """A row's score.

        Args:
            spread: of timings, as the study shows it beside which the engine stands; None where it shows none.
        """
        ratio = Interval(row["latency_ratio"], *row["latency_ratio_ci"])
        if spread is not None and row.get("latency_own_ci"):
            own = Interval(row["latency_ratio"], *row["latency_own_ci"])
            ratio = spread.around(own, timings=row["latency_timings"])
        change = Interval(row["map50_95_change"], *row["map50_95_change_ci"])
        return cls(map50_95=row["map50_95"], change=change, ratio=ratio, flags=tuple(row["flags"]))


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One engine of NNCF's.

    Args:
        name: how it was asked for, as benchmarks/search/peers.py has it.
        preset: of NNCF's.
        searched, confirmed: measured as the search would, and as a finalist; None where it was not confirmed.
        int8_layers, layers: how many of the model's layers ran in INT8, of how many.
        calibration_images: that NNCF was given.
        wall_s, cpu_s: that making it took.
    """

    name: str
    preset: str
    searched: Scored
    confirmed: Scored | None
    int8_layers: int
    layers: int
    calibration_images: int
    wall_s: float
    cpu_s: float

    @property
    def title(self) -> str:
        """'NNCF `performance`, head decoding in float'."""
        asked = self.name.removesuffix(DECODE)
        shown = f"`{asked}`" if asked == self.preset else f"`{self.preset}`, {asked}"
        return f"NNCF {shown}{DECODE_SHOWN if self.name.endswith(DECODE) else ''}"

    @property
    def decisive(self) -> Scored:
        """The figures that count: those of a finalist where there are any."""
        return self.confirmed or self.searched


def peers_of_rows(rows: Sequence[Row], spread: Spread | None = None) -> tuple[Peer, ...]:
    """Those that could be made, in the order of measuring; confirmed latencies by the study's spread, as its own."""
    made = [row for row in rows if "failed" not in row and row["peer"] != UNCHANGED]
    return tuple(_peer(row, spread) for row in made)


def best_peers(peers: Sequence[Peer]) -> list[Peer]:
    """Of each preset of NNCF's the most accurate way to ask for it, by the figures that count; no accuracy control."""
    ways = [[peer for peer in peers if peer.name.removesuffix(DECODE) == preset] for preset in PRESETS]
    return [max(of_preset, key=lambda peer: peer.decisive.change.value) for of_preset in ways if of_preset]


def _peer(row: Row, spread: Spread | None) -> Peer:
    again = row.get("confirmed")
    return Peer(
        name=row["peer"],
        preset=row["preset"],
        searched=Scored.of_row(row),
        confirmed=Scored.of_row(again, spread) if again and "failed" not in again else None,
        **{name: row[name] for name in ("int8_layers", "layers", "calibration_images", "wall_s", "cpu_s")},
    )


def refuse_strangers(rows: Sequence[Row], identity: Mapping[str, Any]) -> None:
    """Peers that do not compare with a study.

    Args:
        identity: of the study, see `identity_of_study`.

    Raises:
        SystemExit: the first peer that was measured on another device, or against another engine.
    """
    own = (identity["device"], identity.get("engine recipe"), identity["versions"].get("openvino"))
    for row in rows:
        found = (row["device"], row.get("engine", {}).get("recipe"), row["versions"].get("openvino"))
        if found != own:
            raise SystemExit(
                f"NNCF's '{row['peer']}' was measured on {found}, the study on {own} "
                "(device, engine recipe, OpenVINO): measure it anew."
            )
