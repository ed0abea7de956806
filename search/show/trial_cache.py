"""What a study's cache keeps of its trials: engines, what they scored, and from both how detections changed."""

from __future__ import annotations

from pathlib import Path

from ...errors import EngineError
from ...objectives.engines.build import find_engine
from ...objectives.engines.ref import EngineRef
from ...objectives.measurement import Measurement
from ...objectives.score import Scorer
from ...objectives.store import content_key
from ..ship.drift import EnginePair

SHEET, DRAWING = "sheet.jpg", 1  # drawings of another number are made anew
JPEG_QUALITY = 80  # six images of two engines are 0.6 MB then


class TrialCache:
    """Reads the cache that the scorer's store is: no engine is built or evaluated for it."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def onnx(self, found: Measurement) -> bytes:
        """The quantized model that a trial's engine was built from, in ONNX's own format."""
        candidate = found.engine.candidate([layer.name for layer in self._scorer.layers])
        packed: bytes = self._scorer.built_graph(self._scorer.quantize(candidate)).SerializeToString()
        return packed

    def engine(self, found: Measurement) -> EngineRef | None:
        """A trial's engine; None if it is not there any more, or never was on this machine."""
        key = found.engine.key
        if key is None:
            return self._find(found.engine.graph_hash, found.engine.float_type)
        folder = self._scorer.store.find("engines", key)
        return None if folder is None else EngineRef(folder, self._scorer.build_options(found.engine.float_type))

    def pair(self, found: Measurement) -> EnginePair | None:
        """A trial's engine and the reference; None unless both are there."""
        engine, reference = self.engine(found), self._find(self._scorer.reference_graph().graph_hash)
        if engine is None or reference is None:
            return None
        return EnginePair(scorer=self._scorer, engine=engine, reference=reference)

    def contact_sheet(self, found: Measurement) -> bytes:
        """The images that changed most, as the reference and as the trial's engine sees them: a JPEG.

        Drawn once, since a browser asks for it whenever it shows the trial: then both engines are run on these few
        images, after a timing that holds the device.

        Raises:
            EngineError: an engine is not there, or does not run here.
        """
        pair = self.pair(found)
        kept = pair.accuracies() if pair else None
        if pair is None or kept is None:
            raise EngineError("The cache has lost the engine or the reference, so their detections cannot be shown.")
        key = content_key(accuracies=[folder.name for folder in kept], drawing=DRAWING)

        def draw(folder: Path) -> None:
            drift = pair.drift()
            assert drift is not None  # both have been scored
            pair.draw(drift, folder / SHEET, jpeg_quality=JPEG_QUALITY)

        drawn = self._scorer.store.local.make("contact-sheets", key, draw)
        return (drawn / SHEET).read_bytes()

    def _find(self, graph_hash: str, float_type: str | None = None) -> EngineRef | None:
        scorer = self._scorer
        return find_engine(graph_hash, scorer.build_options(float_type), scorer.store, build=scorer.build)
