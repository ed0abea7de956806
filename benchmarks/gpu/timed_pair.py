"""One timing of two engines, as the program makes it."""

from __future__ import annotations

from pathlib import Path

from qpareto.objectives import steps
from qpareto.objectives.device import Device
from qpareto.objectives.engines.ref import EngineRef
from qpareto.objectives.latency.paired import PairedLatency
from qpareto.objectives.score import Scorer


def timed_pair(scorer: Scorer, device: Device, reference: Path, engine: Path) -> PairedLatency:
    """Time an engine against the reference, in a process of its own, alone on the device.

    Args:
        scorer: whose images and budget count.
        device: whose options say how both run, and for how long they may.
        reference, engine: folders of both.

    Raises:
        EngineError: one does not load or run, or takes too long.
    """
    return device.run_timing(
        f"time-{engine.name}",
        steps.time,
        *(EngineRef(folder, device.options) for folder in (reference, engine)),
        pixels=scorer.images.pixels,
        head=scorer.head,
        sample=None,
        budget=scorer.budget,
        load=scorer.load,
    )
