"""Trials told to a command or a file, whatever becomes of either."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from made_up_trials import measured, stopped, trial
from qpareto.errors import StudyFileError
from qpareto.search.api import run_study
from qpareto.search.run.hook import TrialHook, json_line
from qpareto.search.run.worker import Silence
from qpareto.search.study.outcome import Outcome
from qpareto.search.study.record import TrialRecord
from qpareto.search.study_file.loading import load_study_file
from qpareto.search.study_file.spec import OnTrialSpec

PAGE = Path(__file__).resolve().parents[3] / "docs" / "trackers.md"
KEEPS = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read())"


class Log(Silence):
    def __init__(self) -> None:
        self.ended: list[TrialRecord] = []

    def end(self, record: TrialRecord) -> None:
        self.ended.append(record)


def script(folder: Path, text: str, *arguments: str | Path) -> str:
    """A command that runs a text as Python."""
    path = folder / "a script.py"
    path.write_text(text)
    return " ".join([sys.executable, f"'{path}'", *map(str, arguments)])


def lines_of(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def warnings_of(spec: OnTrialSpec, caplog: pytest.LogCaptureFixture, *, trials: int = 2) -> list[str]:
    """What is complained of when so many trials end; each of them is passed on."""
    log = Log()
    hook = TrialHook(log, spec, study="s")
    with caplog.at_level(logging.WARNING):
        for number in range(trials):
            hook.end(trial(number, measured(0.4, 1.0)))
    assert [record.number for record in log.ended] == list(range(trials))
    return [record.getMessage() for record in caplog.records]


def test_every_trial_of_a_study_is_a_line_for_the_command_and_one_in_the_file(study_file: Path, tmp_path: Path) -> None:
    seen = tmp_path / "seen.jsonl"
    command = script(tmp_path, KEEPS, seen)
    spec = load_study_file(study_file, ["on_trial.file=new/trials.jsonl", f"on_trial.command={command!r}"])
    found = run_study(spec, trials=3)
    told = lines_of(study_file.parent / "new" / "trials.jsonl")
    assert told == lines_of(seen)
    assert [line["trial"] for line in told] == [record.number for record in found.records]
    for line, record in zip(told, found.records, strict=True):
        assert record.measurement is not None
        assert line["measurement"] == record.measurement.as_json()
        assert (line["study"], line["state"], line["candidate"]) == ("small", "complete", record.candidate)


def test_a_hook_is_no_part_of_what_a_study_is(study_file: Path) -> None:
    run_study(load_study_file(study_file), trials=1)
    found = run_study(load_study_file(study_file, ["on_trial.file=trials.jsonl"]), trials=2)
    assert [record.number for record in found.records] == [0, 1]
    assert [line["trial"] for line in lines_of(study_file.parent / "trials.jsonl")] == [1]


def test_pruned_and_failed_trials_are_told_too_and_what_is_no_number_is_null() -> None:
    unknown = stopped(0.38, 0.6)
    unknown = replace(unknown, standing=replace(unknown.standing, spread=float("nan")))
    pruned = json.loads(json_line(trial(3, None, outcome=Outcome.PRUNED, reason=None, stopped=unknown), study="s"))
    assert (pruned["state"], pruned["measurement"]) == ("pruned", None)
    assert pruned["stopped"]["standing"]["spread"] is None
    assert pruned["stopped"]["rival"] == 0
    failed = json.loads(json_line(trial(4, None, reason="It crashed.\nTwice."), study="s"))
    assert (failed["state"], failed["reason"], failed["stopped"]) == ("failed", "It crashed.\nTwice.", None)
    assert "\n" not in json_line(trial(4, None, reason="It crashed.\nTwice."), study="s")


def test_a_command_that_fails_is_complained_of_once_with_its_last_words(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    command = script(tmp_path, "raise SystemExit('the tracker is away')")
    (told,) = warnings_of(OnTrialSpec(command=command), caplog)
    assert told.startswith("on_trial failed: ")
    assert told.endswith("ended with 1: the tracker is away. The study goes on, and tells this once.")


def test_a_command_or_a_folder_that_is_not_there_costs_no_trial(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    assert len(warnings_of(OnTrialSpec(command="no-such-command at all"), caplog)) == 1
    caplog.clear()
    assert len(warnings_of(OnTrialSpec(file=tmp_path / "file" / "trials.jsonl"), caplog)) == 1


def test_a_command_that_hangs_is_killed_with_all_that_it_started(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sleeper = "import pathlib, subprocess, sys; p = subprocess.Popen(['sleep', '600']); "
    sleeper += "pathlib.Path(sys.argv[1]).write_text(str(p.pid)); p.wait()"
    command = script(tmp_path, sleeper, tmp_path / "pid")
    (told,) = warnings_of(OnTrialSpec(command=command, timeout_s=8.0), caplog, trials=1)
    assert "took longer than 8 s and was killed" in told
    child = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10.0  # SIGKILL is on its way
    while is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(child)


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_command_that_reads_nothing_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    assert warnings_of(OnTrialSpec(command="true"), caplog) == []


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("{}", "name a `command`, a `file`, or both"),
        ("{command: ''}", "no command"),
        ('{command: "a \'b"}', "quotation"),
    ],
)
def test_a_hook_of_nothing_is_refused(study_file: Path, value: str, said: str) -> None:
    with pytest.raises(StudyFileError, match=said):
        load_study_file(study_file, [f"on_trial={value}"])


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_the_pages_script_runs_where_its_tracker_is_installed(tmp_path: Path, name: str) -> None:
    pytest.importorskip(name, reason=f"needs {name}")
    text = next(
        t for t in re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.M | re.S) if f"import {name}" in t
    )
    for record in (trial(0, measured(0.4, 1.0)), trial(1, None)):
        subprocess.run(
            [sys.executable, "-c", text],
            input=json_line(record, study="s"),
            text=True,
            check=True,
            cwd=tmp_path,
            env=os.environ | {"WANDB_MODE": "offline", "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/ml.db"},
        )
    assert any(tmp_path.iterdir())
