"""Candidates that are known from elsewhere: another study's front, or masks in files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from ...errors import StudyError
from ...spaces.calibration import CalibrationChoice
from ...spaces.candidate import Candidate
from ...spaces.masks import LayerMask
from ...spaces.space import Space
from ..results.study_results import results_of_study
from ..study.opening import open_study
from ..study_file.loading import load_study_file

_STUDY_FILES = (".yaml", ".yml")


def candidates_from(sources: Iterable[Path], space: Space) -> tuple[Candidate, ...]:
    """What is to be measured first, in the order of the sources, each once.

    Args:
        sources: study files, whose fronts are taken, fastest first, baselines left out; any other file names one INT8
            layer a line, see `LayerMask.from_file`.

    Raises:
        QParetoError: a file cannot be read, or there is no such study.
        StudyError: a study has no front yet, or none of its INT8 layers is one of this space.
    """
    found = (one for path in sources for one in (_of_study if path.suffix in _STUDY_FILES else _of_mask)(path, space))
    return tuple(dict.fromkeys(found))


def _of_mask(path: Path, space: Space) -> Iterator[Candidate]:
    yield _in_space(space, space.usual, LayerMask.from_file(space.layers, path))


def _of_study(path: Path, space: Space) -> Iterator[Candidate]:
    points = (point for point in results_of_study(open_study(load_study_file(path))).own_front if not point.baseline)
    engines = (point.measurement.engine for point in points)
    found = [(CalibrationChoice.parse(text), e.int8_layers) for e in engines if (text := e.calibration)]
    if not found:
        raise StudyError(f"The study of {path} has found no INT8 candidate to start from: run it first.")
    if not any(set(space.layers).intersection(int8_layers) for _, int8_layers in found):
        raise StudyError(f"No INT8 layer of {path}'s front is in this study's space: it is of another model.")
    for choice, int8_layers in found:
        yield _in_space(space, choice, int8_layers)


def _in_space(space: Space, choice: CalibrationChoice, int8_layers: Collection[str]) -> Candidate:
    """The nearest that the space offers: groups that are INT8 as a whole, the usual calibration instead of others."""
    groups = [group for group, names in space.groups.items() if set(names) <= set(int8_layers)]
    return Candidate(choice if choice in space.calibrations else space.usual, space.mask_of(groups))
