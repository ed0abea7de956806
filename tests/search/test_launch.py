"""A fleet on this machine: the real pipeline on a small model, its workers killed, its launcher interrupted."""

from __future__ import annotations

import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from command_line import IN_A_PROCESS, qpareto
from qpareto.search.api import results
from qpareto.search.study_file.loading import load_study_file

PATIENCE_S = 120.0


class Launch:
    """`qpareto launch` in a process of its own. A context manager: at its end nothing of it runs."""

    def __init__(self, study_file: Path, *options: str) -> None:
        self.study_file = study_file
        command = [*IN_A_PROCESS, "launch", str(study_file), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self) -> Launch:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()

    def workers(self) -> list[psutil.Process]:
        children = psutil.Process(self.process.pid).children()
        return [child for child in children if any(word.endswith("worker_main.py") for word in child.cmdline())]

    def states(self) -> Counter[str]:
        if not (self.study_file.parent / "study.db").exists():
            return Counter()
        try:
            return Counter(record.outcome for record in results(load_study_file(self.study_file)).records)
        except Exception:
            return Counter()

    def wait_until(self, reached: Callable[[Counter[str]], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not reached(self.states()):
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline, self.states()
            time.sleep(0.2)

    def wait_until_said(self, beginning: str) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if line.startswith(beginning):
                return
        raise AssertionError(f"it ended and never said '{beginning}'")

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out, err


def test_a_worker_that_is_killed_is_started_again_and_the_study_has_exactly_its_trials(study_file: Path) -> None:
    with Launch(study_file, "--workers", "2", "--trials", "7") as launch:
        launch.wait_until(lambda states: states["complete"] >= 1 and len(launch.workers()) == 2)
        launch.workers()[0].kill()
        code, out, err = launch.end()
    assert code == 0, err
    assert "was killed by SIGKILL; it is started again in 1 s" in err
    assert "7 of 7 trials finished, 0 running, 0 failed; hypervolume" in err
    assert "\nFront" in out
    states = Counter[str](record.outcome for record in results(load_study_file(study_file)).records)
    assert states["complete"] == 7
    assert states["running"] == 0


def test_ctrl_c_once_lets_trials_finish_and_any_worker_goes_on(study_file: Path) -> None:
    with Launch(study_file, "--workers", "2", "--trials", "100") as launch:
        launch.wait_until(lambda states: states["complete"] >= 1 and states["running"] >= 1)
        launch.process.send_signal(signal.SIGINT)
        code, out, err = launch.end()
    assert (code, out) == (130, "")
    assert "qpareto: Stopping: trials that run are finished; Ctrl-C once more ends them at once.\n" in err
    assert err.endswith("qpareto: interrupted; what is finished is kept, and the same command goes on from here.\n")
    assert "Traceback" not in err
    states = launch.states()
    assert states.keys() <= {"complete", "withdrawn"}
    more = states["complete"] + 1
    assert qpareto("worker", study_file, "--trials", str(more)).code == 0
    assert launch.states()["complete"] == more


def test_ctrl_c_before_the_first_trial_leaves_nothing_behind(
    study_file: Path, calibrated_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    with Launch(study_file, "--workers", "2", "--set", f"cache={calibrated_cache}") as launch:
        launch.wait_until(lambda _: any(temporary.glob("qpareto-*/quantized.onnx")))  # an engine is being built
        launch.process.send_signal(signal.SIGINT)
        code, out, err = launch.end()
    assert (code, out) == (130, "")
    assert err.endswith("qpareto: interrupted; what is finished is kept, and the same command goes on from here.\n")
    assert list(temporary.glob("qpareto-*/*")) == []
    assert launch.states() == Counter()


def test_ctrl_c_twice_kills_and_what_ran_is_marked_and_tried_again(study_file: Path) -> None:
    slow = ("--set", "latency.max_seconds=60", "--set", "latency.ci_width=0.000001", "--trials", "2")
    with Launch(study_file, "--workers", "2", *slow) as launch:
        launch.wait_until(lambda states: states["running"] == 2)
        workers = launch.workers()
        launch.process.send_signal(signal.SIGINT)
        launch.wait_until_said("qpareto: Stopping")
        launch.process.send_signal(signal.SIGINT)
        code, out, err = launch.end()
    assert (code, out) == (130, "")
    assert "qpareto: Ending at once: what runs is tried again by the next run.\n" in err
    assert not any(worker.is_running() for worker in workers)
    assert launch.states().keys() - {"withdrawn"} == {"interrupted"}
    assert qpareto("worker", study_file, "--trials", "2").code == 0
    records = results(load_study_file(study_file)).records
    complete = [record for record in records if record.outcome == "complete"]
    assert len(complete) == 2
    assert {record.number for record in records if record.outcome == "interrupted"} <= {r.retry_of for r in complete}


def test_a_worker_stops_gently_on_sigterm(study_file: Path) -> None:
    command = [*IN_A_PROCESS, "worker", str(study_file), "--trials", "100"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as worker:
        assert worker.stderr is not None
        assert worker.stderr.readline().startswith("trial 0: ")
        worker.send_signal(signal.SIGTERM)
        out, err = worker.communicate(timeout=PATIENCE_S)
    assert (worker.returncode, out) == (143, "")
    assert "qpareto: Asked to stop" in err
    assert {record.outcome for record in results(load_study_file(study_file)).records} == {"complete"}


def test_what_the_study_file_gets_wrong_is_one_sentence_before_any_worker_begins(study_file: Path) -> None:
    said = qpareto("launch", study_file, "--workers", "2", "--set", "space.calibration.sizes=[999]").sentence
    assert said.startswith("A calibration of 999 images was asked for, but")
    assert not (study_file.parent / "study.db").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--workers", "17"], "SQLite serves up to 16 workers, and 17 were asked for: move the study to PostgreSQL"),
        (["--workers", "2", "--ray", "auto"], "SQLite serves one machine, and a Ray cluster may have several"),
        (["--workers", "2", "--cores", "1", "--set", "engine.threads=2"], "An engine of 2 threads needs as many"),
        (["--workers", "2", "--ray", "local", "--set", "devices=each"], "Ray may place workers on several device"),
    ],
)
def test_a_fleet_that_cannot_go_well_is_refused(study_file: Path, options: list[str], said: str) -> None:
    assert qpareto("launch", study_file, *options).sentence.startswith(said)


def test_a_study_moves_with_all_its_trials(finished_study: Path, tmp_path: Path) -> None:
    target = f"sqlite:///{tmp_path}/moved.db"
    outcome = qpareto("study", "move", finished_study, target)
    assert outcome.out == "small: 6 trials copied. To go on there, name that storage in the study file.\n"
    moved = load_study_file(finished_study, [f"storage={target}"])
    assert results(moved).records == results(load_study_file(finished_study)).records
    assert "holds a study named 'small' already" in qpareto("study", "move", finished_study, target).sentence
