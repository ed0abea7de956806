"""A search that begins with what is known from elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from qpareto.errors import QParetoError, StudyError
from qpareto.search.api import results, run_study
from qpareto.search.run.prepare import scorer_of_spec, space_of_spec
from qpareto.search.run.start_from import candidates_from
from qpareto.search.study_file.loading import load_study_file
from qpareto.spaces.candidate import Candidate
from qpareto.spaces.masks import LayerMask
from qpareto.spaces.space import Space


@pytest.fixture
def space(study_file: Path) -> Space:
    spec = load_study_file(study_file)
    return space_of_spec(spec, scorer_of_spec(spec).layers)


@pytest.fixture
def other(study_file: Path, tmp_path: Path) -> Path:
    """Another study of the same model, which has been run."""
    folder = tmp_path / "other"
    folder.mkdir()
    path = folder / "study.yaml"
    path.write_text(study_file.read_text())
    run_study(load_study_file(path, ["search.trials=3", "search.seed=5"]))
    return path


def test_the_front_of_another_study_is_measured_first(study_file: Path, space: Space, other: Path) -> None:
    known = candidates_from([other], space)
    front = results(load_study_file(other)).own_front
    assert known == tuple(
        point.measurement.engine.candidate(space.layers) for point in front if point.measurement.engine.int8_layers
    )
    run_study(load_study_file(study_file, [f"search.start_from=[{other}]", f"search.trials={len(known)}"]))
    measured = [record.candidate for record in results(load_study_file(study_file)).records]
    assert measured == [str(candidate) for candidate in known]


def test_what_the_space_does_not_offer_becomes_the_nearest_that_it_does(study_file: Path, other: Path) -> None:
    overrides = [
        "space.mask.groups=block",
        "space.calibration={methods: [entropy], sizes: [4], bias_correction: [off]}",
    ]
    spec = load_study_file(study_file, overrides)
    blocks = space_of_spec(spec, scorer_of_spec(spec).layers)
    known = candidates_from([other], blocks)
    assert known
    assert all(blocks.accepts(candidate) for candidate in known)
    assert {str(candidate.calibration) for candidate in known} == {"entropy:4"}


def test_a_file_of_layers_is_a_mask_with_the_usual_calibration_and_counts_once(space: Space, tmp_path: Path) -> None:
    mask = tmp_path / "int8.txt"
    mask.write_text("\n".join([*space.layers[:2], "# the rest stays float"]))
    found = candidates_from([mask, mask], space)
    assert found == (Candidate(space.usual, LayerMask.from_names(space.layers, space.layers[:2])),)


def test_a_study_that_holds_nothing_of_use_is_told_before_this_one_is_made(
    study_file: Path, space: Space, other: Path, shapes_study: Path, tmp_path: Path
) -> None:
    names = tuple(f"other {name}" for name in space.layers)
    with pytest.raises(StudyError, match="is of another model"):
        candidates_from([other], replace(space, layers=names, groups={name: (name,) for name in names}))
    with pytest.raises(StudyError, match="has found no INT8 candidate to start from: run it first"):
        candidates_from([shapes_study], space)
    with pytest.raises(QParetoError, match="There is no study file"):
        candidates_from([tmp_path / "none.yaml"], space)
    with pytest.raises(QParetoError, match="cannot be read"):
        run_study(load_study_file(study_file, ["search.start_from=[none.txt]"]))
    assert not (tmp_path / "study.db").exists()
