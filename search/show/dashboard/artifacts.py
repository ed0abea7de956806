"""A trial's files for the dashboard: made when somebody opens one, from what the cache holds; nothing is copied."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import NAMESPACE_URL, uuid5

import numpy as np
from numpy.typing import NDArray

from ....objectives.accuracy.coco import Accuracy, MatchTable
from ...study.record import TrialRecord
from ..plots.look import GREEN, ORANGE
from ..trial_cache import TrialCache

SIZE, MARGIN, STEPS = 420, 46, 400  # pixels of the square, and beside it; points a curve
Floats = NDArray[np.float64]


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
        if engine is not None and found.engine.bytes <= 64 << 20:
            files.append(self._file(record, "engine.zip", "application/zip", lambda: _zipped(engine.folder)))
        pair = cache.pair(found)
        if pair is not None and (accuracies := pair.accuracies()):
            files.append(self._file(record, "precision-recall.svg", "image/svg+xml", lambda: _curves(accuracies)))
            if found.engine.int8_layers:
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
        graph = record.measurement.engine.graph_hash if record.measurement else ""
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


def precision_recall(matches: MatchTable) -> tuple[Floats, Floats]:
    """Recall and precision at IoU 0.50 as the confidence falls, all classes together: each (n,), 0..1."""
    counted = matches.counted[0]
    order = np.argsort(-matches.scores[counted], kind="stable")
    correct = matches.correct[0][counted][order].cumsum()
    return correct / max(int(matches.truths.sum()), 1), correct / np.arange(1, len(correct) + 1)


def precision_recall_svg(curves: Mapping[str, MatchTable]) -> str:
    """Two curves at most, by name, as SVG: in colours that all readers can tell apart, the second one dashed."""
    whole = SIZE + 2 * MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole} {whole}" width="{whole}" height="{whole}" '
        'font-family="sans-serif" font-size="13"><rect width="100%" height="100%" fill="white"/>',
        f'<rect x="{MARGIN}" y="{MARGIN}" width="{SIZE}" height="{SIZE}" fill="none" stroke="#bbb"/>',
        f'<text x="{MARGIN + SIZE / 2}" y="{whole - 10}" text-anchor="middle">recall, 0 to 1</text>',
        f'<text transform="rotate(-90)" x="{-MARGIN - SIZE / 2}" y="24" text-anchor="middle">precision, 0 to 1</text>',
        f'<text x="{MARGIN}" y="24" font-size="15">Precision and recall at IoU 0.50, all classes</text>',
    ]
    for i, ((name, matches), colour) in enumerate(zip(curves.items(), (GREEN, ORANGE), strict=False)):
        dash = ' stroke-dasharray="6 4"' if i else ""
        lines.append(f'<polyline points="{_points(matches)}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        lines.append(f'<text x="{MARGIN + 14}" y="{MARGIN + SIZE - 30 + 18 * i}" fill="{colour}">{name}</text>')
    return "\n".join([*lines, "</svg>"])


def _points(matches: MatchTable) -> str:
    recall, precision = precision_recall(matches)
    chosen = np.unique(np.linspace(0, max(len(recall) - 1, 0), min(len(recall), STEPS)).astype(int))
    return " ".join(f"{MARGIN + SIZE * recall[i]:.1f},{MARGIN + SIZE * (1 - precision[i]):.1f}" for i in chosen)
