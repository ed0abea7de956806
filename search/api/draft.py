"""A study file for somebody who has none yet."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

from ...errors import StudyFileError
from ...objectives.accuracy.heads.head_kinds import head_of
from ...objectives.store import Store, disk_errors, write_whole
from ..draft.data import parted_data
from ..draft.file import StudyDraft, files_of_draft
from ..draft.machine import engine_for_here
from ..run.plausible import checked_look
from ..run.prepare import detector_model, scorer_of_spec, space_of_spec
from ..study_file.loading import load_study_file
from ..study_file.spec import DEFAULT_CACHE, EvaluationSpec

_log = logging.getLogger(__name__)


def draft_study(  # noqa: PLR0913 - all but the first three by name
    model: Path,
    source: EvaluationSpec,
    study: Path,
    *,
    calibration: Path | None = None,
    head: str = "auto",
    imgsz: int | tuple[int, int] | None = None,
    preprocessing: str | None = None,
    expect_map: float | None = None,
    force: bool = False,
) -> list[Path]:
    """Look at a model and its data, and write a commented study file that `run_study` runs as it is.

    Before anything is written, all is checked that a run checks before its first trial, the float model's mAP on up to
    50 images; what that takes is kept in the cache, where the run finds it. The log tells that mAP, and a picture.

    Args:
        model: an .onnx or a .pt.
        source: images with their true boxes.
        study: the study file to write; lists of images are written beside it, where they are needed.
        calibration: a folder or .txt list of calibration images; some are found if None.
        imgsz: of a .pt, or of an .onnx that takes any size: one number, or height and width in pixels.
        head: the model's, where its outputs do not tell: the name of one in `HEADS`.
        preprocessing: that section of the study file, as YAML in one line; as the head's family has it if None.
        expect_map: the mAP50-95 that the float model is known to have; 0: whatever it has is right.
        force: replace files that are there.

    Returns:
        What was written, the study file first.

    Raises:
        QParetoError: files are there already; the model or the data are at fault, or the model's mAP is implausible;
            no engine can be built here.
    """
    place, store = study.absolute(), Store(DEFAULT_CACHE.expanduser())
    _refuse_there([place], force=force)
    read = detector_model(model, store, imgsz=imgsz)
    found = head_of(read, override=None if head == "auto" else head)
    draft = StudyDraft(
        source=model.absolute(),
        model=read,
        head=found,
        head_named=head != "auto",
        imgsz=imgsz,
        data=parted_data(source, calibration, store, found.task),
        engine=engine_for_here(batch=read.exported_batch),
        preprocessing=preprocessing,
        expect_map=expect_map,
    )
    files = files_of_draft(draft, place)
    _refuse_there(list(files), force=force)
    _check(draft, place.parent.name)
    for path, text in files.items():
        write_whole(path, text)
    return [study.with_name(path.name) for path in reversed(files)]


def _refuse_there(paths: list[Path], *, force: bool) -> None:
    there = [path.name for path in paths if path.exists()]
    if there and not force:
        verb = "exist" if len(there) > 1 else "exists"
        raise StudyFileError(
            f"{' and '.join(there)} {verb} already: name another file by -o, or replace it by --force."
        )


def _check(draft: StudyDraft, name: str) -> None:
    """Refuse what a run would refuse before its first trial, while nothing is written where the user works.

    Args:
        name: of the folder that is written to, by which data are called.
    """
    aside = Path(tempfile.gettempdir())
    with disk_errors(aside), tempfile.TemporaryDirectory(prefix="qpareto-init-") as folder:
        there = Path(folder).resolve() / name
        there.mkdir(exist_ok=True)
        files = files_of_draft(draft, there / "study.yaml")
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
        *_, study = files
        spec = load_study_file(study)
        scorer = scorer_of_spec(spec)
        space_of_spec(spec, scorer.layers)
        _log.info("%s", checked_look(scorer, expected=draft.expect_map))
