"""Whole studies over a cache that is damaged, shared through a remote, bounded, or whose remote fails."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import pytest

from qpareto.objectives.store import SEAL, cache_report
from qpareto.search.api import run_study
from qpareto.search.run.prepare import scorer_of_spec
from qpareto.search.study.record import TrialRecord
from qpareto.search.study_file.loading import load_study_file
from qpareto.search.study_file.spec import StudySpec
from qpareto.spaces.calibration import CalibrationChoice
from store_contents import flip_a_byte

CHOICE = CalibrationChoice("max", 4)
KINDS = {"accuracy", "calibrated", "engines", "grey", "image-sizes", "letterboxed"}


def outcomes(spec: StudySpec) -> list[tuple[str, str, float]]:
    """Of a study of one trial."""
    return [outcome(record) for record in run_study(spec, trials=1).records]


def outcome(record: TrialRecord) -> tuple[str, str, float]:
    assert record.measurement is not None, record.reason
    return record.outcome, record.measurement.engine.graph_hash, record.measurement.accuracy.value


def steps_done(cache: Path) -> set[str]:
    """The steps that were done over a cache, by the logs that they left."""
    return {path.name.partition("-")[0] for path in (cache / "logs").iterdir()}


@pytest.fixture
def filled_cache(assets: Path, finished_study: Path, tmp_path: Path) -> Path:
    """A copy of what a finished study left."""
    assert finished_study.is_file()
    return Path(shutil.copytree(assets / "cache", tmp_path / "cache", ignore=shutil.ignore_patterns("logs", "damaged")))


def test_a_flipped_byte_in_any_kind_of_entry_is_found_before_use_and_the_entry_made_again(
    study_file: Path, filled_cache: Path
) -> None:
    spec = load_study_file(study_file, [f"cache={filled_cache}"])
    whole, harm = outcomes(spec), scorer_of_spec(spec).sensitivity(CHOICE, images=2).harm
    kinds = set(cache_report(spec.store()).kinds)
    assert kinds >= KINDS | {"sensitivity"}
    for entry in [path for kind in kinds for path in (filled_cache / kind).iterdir() if (path / SEAL).exists()]:
        files = sorted(path for path in entry.rglob("*") if path.is_file())
        flip_a_byte(files[0], files[0].stat().st_size // 2)
    assert outcomes(spec.model_copy(update={"name": "again"})) == whole
    assert scorer_of_spec(spec).sensitivity(CHOICE, images=2).harm.tolist() == harm.tolist()
    found = {path.name.rsplit("-", 2)[0] for path in (filled_cache / "damaged").iterdir()}
    assert found >= KINDS | {"sensitivity"}


def test_a_second_machine_calibrates_builds_and_evaluates_nothing_that_the_first_one_did(
    study_file: Path, tmp_path: Path
) -> None:
    shared = [f"cache_remote=file://{tmp_path}/share"]
    first = load_study_file(study_file, [*shared, f"cache={tmp_path}/first", "name=first"])
    second = load_study_file(study_file, [*shared, f"cache={tmp_path}/second", "name=second"])
    assert outcomes(first) == outcomes(second)
    assert steps_done(first.cache) >= {"accuracy", "calibrate", "latency"}
    assert steps_done(second.cache) == {"latency"}
    # No milliseconds: they are each machine's own.
    assert {path.name for path in (tmp_path / "share").iterdir()} == KINDS | {"blobs"}


def test_a_study_whose_remote_fails_and_whose_cache_is_too_small_goes_on(
    study_file: Path, filled_cache: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    shutil.rmtree(filled_cache / "accuracy")
    broken = [f"cache_remote=file://{tmp_path}/file", "cache_limit_gib=0.00001", f"cache={filled_cache}"]
    for entry in filled_cache.glob("*/*"):
        os.utime(entry)  # in use
    with caplog.at_level(logging.WARNING):
        outcomes(load_study_file(study_file, broken))
    assert sum("The remote cache" in said for said in caplog.messages) == 1
    assert sum("is above cache_limit_gib" in said for said in caplog.messages) == 1
