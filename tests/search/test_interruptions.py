"""A disk that is full, a storage that does not answer, Ctrl-C: one sentence, and nothing half-written."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from command_line import IN_A_PROCESS, qpareto, refusal
from qpareto.search.api import results
from qpareto.search.study.outcome import Outcome
from qpareto.search.study_file.loading import load_study_file

PATIENCE_S = 120.0


@pytest.mark.parametrize("left_kib", [0, 128, 512])  # for the first small file, the calibration, the first trial
def test_a_cache_on_a_full_disk(study_file: Path, nearly_full_disk: Callable[[int], Path], left_kib: int) -> None:
    cache = nearly_full_disk(left_kib) / "cache"
    said = refusal(study_file, f"cache={cache}")
    assert said.startswith(f"Cannot write below {cache}")
    assert "No space left on device, 0 MiB free" in said
    assert [path for path in cache.rglob(".*") if path.is_dir()] == []
    if (study_file.parent / "study.db").exists():  # what could not be measured is not counted as failed
        records = results(load_study_file(study_file)).records
        assert [record.outcome for record in records] == ["interrupted"]


@pytest.mark.parametrize("left_kib", [0, 64])
def test_a_database_on_a_full_disk(study_file: Path, nearly_full_disk: Callable[[int], Path], left_kib: int) -> None:
    disk = nearly_full_disk(left_kib)
    assert "database or disk is full" in refusal(study_file, f"storage=sqlite:///{disk}/study.db")
    assert [path.name for path in disk.iterdir()] == ["filler"]


@pytest.mark.parametrize("left_kib", [0, 60, 100])
def test_results_on_a_full_disk(finished_study: Path, nearly_full_disk: Callable[[int], Path], left_kib: int) -> None:
    disk = nearly_full_disk(left_kib)
    for command, option in (("export", ("--trial", "1", "--no-confirm", "-o")), ("front", ("--plot",))):
        said = qpareto(command, finished_study, *option, disk / "result").sentence
        assert said.startswith("Cannot write ")
        assert f"{disk}" in said
        assert "(No space left on device" in said
        assert [path.name for path in disk.iterdir()] == ["filler"]


def test_a_kept_candidate_on_a_full_disk(study_file: Path, nearly_full_disk: Callable[[int], Path]) -> None:
    disk = nearly_full_disk(8)
    said = qpareto("measure", study_file, "--mask", "none", "--keep", disk / "kept").sentence
    assert "No space left on device" in said
    assert [path.name for path in disk.iterdir()] == ["filler"]


def test_a_file_where_a_folder_should_be(assets: Path, study_file: Path, finished_study: Path, tmp_path: Path) -> None:
    file, export = assets / "model.onnx", ("export", finished_study, "--knee", "--no-confirm", "-o")
    assert f"Cannot write {file}" in refusal(study_file, f"cache={file}")
    assert "is there already" in qpareto(*export, file).sentence
    assert f"Cannot write {file} (File exists)" in qpareto(*export, file / "best").sentence
    assert "Is a directory" in qpareto("front", finished_study, "--plot", tmp_path).sentence


# The storage


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql+nosuchdriver://user:s3cret@localhost:1/db", "cannot be opened"),
        ("postgresql://user:s3cret@localhost:1/db", "postgresql://user:***@localhost:1/db cannot be opened"),
        ("postgresql://user:s3cret@localhost:no-port/db", "is no SQLAlchemy URL"),
        ("redis://user:s3cret@localhost/0", "cannot be opened"),
        ("sqlite:////proc/study.db", "unable to open database file"),
        ("study.db", "is no SQLAlchemy URL: write one such as sqlite:///study.db"),
    ],
)
def test_a_storage_that_cannot_be_reached(study_file: Path, url: str, said: str) -> None:
    sentence = refusal(study_file, f"storage={url}")
    assert said in sentence
    assert "s3cret" not in sentence


def test_a_file_that_is_no_database_is_left_as_it_is(study_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("notes")
    for command in ("run", "front"):
        said = qpareto(command, study_file, "--set", f"storage=sqlite:///{path}").sentence
        assert "file is not a database" in said
    assert path.read_text() == "notes"


# Ctrl-C


def test_ctrl_c_ends_a_real_run_and_the_same_command_goes_on(study_file: Path) -> None:
    command = [*IN_A_PROCESS, "run", str(study_file), "--trials", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        assert run.stderr.readline().startswith("trial 0: ")
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 130
    assert out == ""
    assert err.endswith("qpareto: interrupted; what is finished is kept, and the same command goes on from here.\n")
    assert "Traceback" not in err
    assert {record.outcome for record in results(load_study_file(study_file)).records} <= {"complete", "interrupted"}
    resumed = qpareto("run", study_file, "--trials", "3")
    assert resumed.code == 0
    records = results(load_study_file(study_file)).records
    assert [record.outcome for record in records].count(Outcome.COMPLETE) == 3
    assert records[0].outcome == "complete"


def test_ctrl_c_during_a_measurement_leaves_nothing(assets: Path, study_file: Path) -> None:
    def calibrations() -> dict[Path, int]:
        return {path: path.stat().st_ctime_ns for path in (assets / "cache" / "logs").glob("calibrate-*")}

    before, logged = set((assets / "cache").rglob(".*")), calibrations()
    command = [*IN_A_PROCESS, "measure", str(study_file), "--mask", "all", "--calibration", "max:3", "--keep", "kept"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=study_file.parent, **pipes) as run:
        deadline = time.monotonic() + PATIENCE_S
        while calibrations() == logged and time.monotonic() < deadline:
            time.sleep(0.05)
        run.send_signal(signal.SIGINT)  # while ModelOpt calibrates, or is about to
        out, err = run.communicate(timeout=PATIENCE_S)
    assert (run.returncode, out, err) == (130, "", "")
    assert [path.name for path in study_file.parent.iterdir()] == ["study.yaml"]
    assert set((assets / "cache").rglob(".*")) == before
