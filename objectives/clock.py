"""Engines timed against one reference on one device: their latency, their layers, and how far timings lie apart."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from . import steps
from .accuracy.data.images import LetterboxedImages
from .accuracy.heads import Head
from .accuracy.sample import Sample
from .device import Device
from .engines.profile import LayerTime
from .engines.ref import EngineRef
from .latency.paired import LatencyBudget, PairedLatency
from .latency.spread import Spread, timings_of_spread
from .latency.telemetry import HostLoad
from .store import content_key

_FILES = {"reference-ms": "ms.txt", "spread": "spread.json"}  # the store's kind -> its file
SPREAD = 3  # raised when the spread is measured otherwise; 2: the reference is built again too; 3: it tells the ratio


@dataclass(frozen=True, kw_only=True)
class Clock:
    """Holds the device alone for each timing, which runs in a child process of its own.

    Args:
        reference: the engine that latencies are ratios to.
        pixels: images to run engines on.
        head: how to read what they give.
        budget, load: as of `Scorer`.
    """

    device: Device
    reference: EngineRef
    pixels: LetterboxedImages
    head: Head
    budget: LatencyBudget
    load: HostLoad

    def latency(self, engine: EngineRef, *, sample: Sample | None = None) -> PairedLatency:
        """The engine timed against the reference.

        Args:
            sample: what it found when it was scored; it is held against what it finds untimed if that is not known.

        Raises:
            EngineError: an engine does not load or run, takes too long, or finds something else when it is timed.
        """
        return self.device.run_timing(
            f"latency-{engine.name}",
            steps.time,
            *(self.reference, engine),
            pixels=self.pixels,
            head=self.head,
            sample=sample,
            budget=self.budget,
            load=self.load,
        )

    def images_against_one(self, engine: EngineRef) -> PairedLatency:
        """The engine timed on all images in turn against itself on one of them: not 1 if its speed depends on them.

        Raises:
            EngineError: as `latency`.
        """
        timed = engine, self.pixels, self.budget, self.load
        return self.device.run_timing(f"images-{engine.name}", steps.time_images_against_one, *timed)

    def layer_times(self, engine: EngineRef) -> tuple[LayerTime, ...]:
        """What each layer of an engine takes.

        Raises:
            EngineError: the engine does not load or run, takes too long, or does not tell of its layers.
        """
        return self.device.run_timing(f"profile-{engine.name}", steps.profile, engine, self.pixels)

    def reference_ms(self) -> float:
        """The reference's milliseconds, timed against itself.

        Kept for later processes on this machine unless the timing was disturbed.

        Raises:
            EngineError: as `latency`.
        """

        def find() -> tuple[str, bool]:
            timed = self.latency(self.reference)
            return repr(timed.reference_ms), not timed.flags

        return float(self._kept_or_found("reference-ms", find))

    def spread(self, built: Callable[[int], Sequence[tuple[Clock, EngineRef]]]) -> Spread:
        """How far timings of one engine lie apart: one timing in a process each, or of a build each.

        Kept for later processes on this machine unless a timing was disturbed.

        Args:
            built: gives of so many builds that engine, and the clock whose reference is of that build too; called only
                if the spread is not known.

        Raises:
            EngineError: as `latency`, and what `built` raises.
        """
        if (kept := self._kept("spread")) is not None:
            return Spread(**json.loads(kept))
        differ = self.device.kind.chooses_kernels
        count = timings_of_spread(chooses_kernels=differ)
        builds = built(count) if differ else [*built(1)] * count

        def find() -> tuple[str, bool]:
            timed = [clock.latency(engine) for clock, engine in builds]
            spread = Spread.of_ratios([each.ratio.value for each in timed])
            return json.dumps(asdict(spread)), not any(each.is_disturbed for each in timed)

        return Spread(**json.loads(self._kept_or_found("spread", find)))

    def _kept_or_found(self, what: str, find: Callable[[], tuple[str, bool]]) -> str:
        """What is kept of it on this machine, or else found; others that want it wait meanwhile.

        Args:
            find: gives it, and whether it is to be kept.
        """

        def fill(folder: Path) -> None:
            value, is_sound = find()
            if not is_sound:
                raise _NotKeptError(value)
            (folder / _FILES[what]).write_text(value, encoding="ascii")

        try:
            return _text(what, self.device.store.local.make(what, self._key(what), fill))
        except _NotKeptError as found:
            return str(found)

    def _kept(self, what: str) -> str | None:
        found = self.device.store.local.find(what, self._key(what))
        return None if found is None else _text(what, found)

    def _key(self, what: str) -> str:
        reference, machine = self.reference.name, self.device.this_very()
        if what == "spread":
            return content_key(reference=reference, machine=machine, timing=steps.TIMING, spread=SPREAD)
        return content_key(reference=reference, machine=machine, timing=steps.TIMING)


def _text(what: str, entry: Path) -> str:
    return (entry / _FILES[what]).read_text(encoding="ascii")


class _NotKeptError(Exception):
    """Its text was found in a timing that was disturbed: good enough for now, not for later."""
