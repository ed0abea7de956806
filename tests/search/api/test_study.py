"""A study goes on only where what it measures compares with what it has measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from qpareto.errors import StudyError
from qpareto.objectives.engines.openvino.kind import OpenVinoKind
from qpareto.search.api import confirm_study, run_study
from qpareto.search.api.study import compare_builds, prepare_study
from qpareto.search.results.study_results import Results
from qpareto.search.study.attributes import StudyAttributes
from qpareto.search.study.opening import open_study
from qpareto.search.study_file.loading import load_study_file
from qpareto.search.study_file.spec import StudySpec


@pytest.mark.parametrize("go_on", [lambda spec: run_study(spec, trials=2), confirm_study])
def test_a_study_does_not_go_on_where_builds_choose_other_kernels(
    go_on: Callable[[StudySpec], Results], study_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OpenVinoKind, "chooses_kernels", True)  # as TensorRT does
    spec = load_study_file(study_file)
    run_study(spec, trials=1)
    study = open_study(spec)
    builds = study.stored.builds
    assert builds is not None
    assert builds.ratio is not None
    study.keep(StudyAttributes(builds=replace(builds, ratio=builds.ratio * 9)))  # as if begun by another timing cache
    before = study.records()
    with pytest.raises(StudyError, match="copy `engine-caches` out of the cache folder there"):
        go_on(spec)
    assert list(study.records()) == list(before)
    study.keep(StudyAttributes(builds=builds))
    assert list(go_on(spec).records[: len(before)]) == list(before)


def test_a_worker_that_only_compares_builds_refuses_other_kernels_as_well_and_begins_no_trial(
    study_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OpenVinoKind, "chooses_kernels", True)
    spec = load_study_file(study_file)
    prepare_study(spec)
    study = open_study(spec)
    assert study.stored.builds is None
    compare_builds(spec)
    builds = study.stored.builds
    assert builds is not None
    assert builds.ratio is not None
    study.keep(StudyAttributes(builds=replace(builds, ratio=builds.ratio * 9)))
    with pytest.raises(StudyError, match="copy `engine-caches` out of the cache folder there"):
        compare_builds(spec)
    assert list(study.records()) == []


def test_a_study_of_a_kind_whose_builds_choose_nothing_tells_no_builds(finished_study: Path) -> None:
    assert open_study(load_study_file(finished_study)).stored.builds is None
