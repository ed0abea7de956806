"""A trial's files for the dashboard: made when somebody opens one, from what the cache holds; nothing is copied."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import NAMESPACE_URL, uuid5

from ...objectives.accuracy.coco import Accuracy
from ..record import TrialRecord
from .precision_recall import precision_recall_svg
from .trial_cache import TrialCache

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

    def __init__(self, study: str, cache: TrialCache) -> None:
        self._study, self._cache = study, cache
        self._makers: dict[str, Callable[[], bytes]] = {}

    def of_trial(self, record: TrialRecord) -> list[TrialFile]:
        """What can be opened of a trial: its ONNX; engine, curve and contact sheet as far as the cache has them."""
        found = record.measurement
        if found is None:
            return []
        cache = self._cache
        files = [self._file(record, "quantized.onnx", "application/octet-stream", lambda: cache.onnx(found))]
        engine = cache.engine(found)
        if engine is not None and found.engine_bytes <= MOST_ENGINE_BYTES:
            files.append(self._file(record, "engine.zip", "application/zip", lambda: _zipped(engine)))
        accuracies = cache.accuracies(found)
        if accuracies is not None:
            files.append(self._file(record, "precision-recall.svg", "image/svg+xml", lambda: _curves(accuracies)))
            if found.int8_layers:
                files.append(self._file(record, "contact-sheet.jpg", "image/jpeg", lambda: cache.contact_sheet(found)))
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


def _curves(accuracies: Sequence[Path]) -> bytes:
    loaded = (Accuracy.load(folder).matches for folder in accuracies)
    return precision_recall_svg(dict(zip(("this engine", "reference"), loaded, strict=True))).encode()


def _zipped(folder: Path) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(path, path.relative_to(folder))
    return packed.getvalue()
