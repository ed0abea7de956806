"""A trial's files for the dashboard: made when somebody opens one, from what the cache holds; nothing is copied."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import NAMESPACE_URL, uuid5

from ...objectives.accuracy.coco import Accuracy
from ...objectives.engines.build import find_engine
from ...objectives.measurement import Measurement
from ...objectives.score import Scorer
from ...spaces.calibration import CalibrationChoice
from ...spaces.candidate import Candidate
from ...spaces.masks import LayerMask
from ..record import TrialRecord
from .precision_recall import precision_recall_svg

MOST_ENGINE_BYTES = 64 << 20


@dataclass(frozen=True, kw_only=True)
class TrialFile:
    """One file of one trial: `id` is the same in every process."""

    id: str
    name: str
    mimetype: str


class TrialFiles:
    """Optuna's artifact store over a study's cache: read only.

    Args:
        study: its name, which the ids are made of.
    """

    def __init__(self, study: str, scorer: Scorer) -> None:
        self._study, self._scorer = study, scorer
        self._makers: dict[str, Callable[[], bytes]] = {}

    def of_trial(self, record: TrialRecord) -> list[TrialFile]:
        """What can be opened of a trial: quantized ONNX; engine and curve where the cache has what they are made of."""
        found = record.measurement
        if found is None:
            return []
        files = [self._file(record, "quantized.onnx", "application/octet-stream", lambda: self._onnx(found))]
        engine = self._engine(found)
        if engine is not None and found.engine_bytes <= MOST_ENGINE_BYTES:
            files.append(self._file(record, "engine.zip", "application/zip", lambda: _zipped(engine)))
        accuracies = {"this engine": self._accuracy(engine), "reference": self._accuracy(self._reference())}
        if None not in accuracies.values():
            files.append(self._file(record, "precision-recall.svg", "image/svg+xml", lambda: _curves(accuracies)))
        return files

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """The bytes of a file that `of_trial` named."""
        from optuna.artifacts.exceptions import ArtifactNotFound

        maker = self._makers.get(artifact_id)
        if maker is None:
            raise ArtifactNotFound(f"no such artifact here: {artifact_id}")
        return io.BytesIO(maker())

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Refused: what is shown is what was measured."""
        raise PermissionError("qpareto's artifacts are read only")

    def remove(self, artifact_id: str) -> None:
        """Nothing is removed: the cache is shared with other studies."""

    def _file(self, record: TrialRecord, name: str, mimetype: str, maker: Callable[[], bytes]) -> TrialFile:
        graph = record.measurement.graph_hash if record.measurement else ""
        file_id = str(uuid5(NAMESPACE_URL, f"qpareto:{self._study}:{record.number}:{graph}:{name}"))
        self._makers[file_id] = maker
        return TrialFile(id=file_id, name=f"trial-{record.number}-{name}", mimetype=mimetype)

    def _onnx(self, found: Measurement) -> bytes:
        candidate = found.candidate([layer.name for layer in self._scorer.layers])
        packed: bytes = self._scorer.quantize(candidate).model.SerializeToString()
        return packed

    def _engine(self, found: Measurement) -> Path | None:
        options = self._scorer.build_options(found.float_type)
        return find_engine(found.graph_hash, options, self._scorer.store, build=self._scorer.build)

    def _reference(self) -> Path | None:
        nothing = LayerMask.none([layer.name for layer in self._scorer.layers])
        graph = self._scorer.quantize(Candidate(CalibrationChoice("max", 1), nothing))
        return find_engine(graph.graph_hash, self._scorer.build_options(), self._scorer.store, build=self._scorer.build)

    def _accuracy(self, engine: Path | None) -> Path | None:
        return None if engine is None else self._scorer.store.find("accuracy", self._scorer.accuracy_key(engine))


def _curves(accuracies: Mapping[str, Path | None]) -> bytes:
    found = {name: Accuracy.load(folder).matches for name, folder in accuracies.items() if folder}
    return precision_recall_svg(found).encode()


def _zipped(folder: Path) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(path, path.relative_to(folder))
    return packed.getvalue()
