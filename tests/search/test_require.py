"""`qpareto front --require` on YOLO11n's recorded study: the answer alone, its exit code, and what scripts read."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import optuna
import pytest

from command_line import Outcome, qpareto
from made_up_trials import measured
from qpareto import open as open_study_file
from qpareto.errors import CandidateError, QParetoError
from qpareto.objectives.objective import values_of
from qpareto.search.results.points import Point
from qpareto.search.results.study_results import Results
from qpareto.search.study.attributes import StudyAttributes, TrialAttributes
from qpareto.search.study.opening import open_study
from qpareto.search.study_file.loading import load_study_file
from recorded_study import recorded_study

ASKED = ("map_drop=0.01", "latency_ratio=0.75")


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study's file; only to be read."""
    return recorded_study(tmp_path_factory.mktemp("required"))


def require(study: Path, *requirements: str, options: tuple[str, ...] = ()) -> Outcome:
    return qpareto("front", study, *(word for each in requirements for word in ("--require", each)), *options)


def told(study: Path, *requirements: str) -> Any:
    outcome = require(study, *requirements, options=("--json",))
    found = json.loads(outcome.out)
    assert (outcome.code, outcome.err) == (0 if found["met"] else 1, "")
    return found


def points_of(study: Path) -> list[Point]:
    results: Results = open_study_file(study).results
    return list(results.points)


def test_the_users_own_test_is_answered_by_yes_with_the_point(recorded: Path) -> None:
    found = told(recorded, *ASKED)
    point = found["point"]
    assert (found["met"], found["confirmed"], found["nearest"]) == (True, False, [])
    assert point["map50_95_change"] >= -0.01
    assert point["latency_ratio"] <= 0.75
    assert found["confidence"] == point["probability"] > 0.9
    kept = [p.measurement for p in points_of(recorded)]
    kept = [m for m in kept if m.accuracy.change.value >= -0.01 and m.timing.ratio.value <= 0.75]
    assert found["meeting"] == len(kept)
    assert [requirement["meaning"] for requirement in found["requirements"]] == [
        "absolute mAP50-95 below the reference (one point is 0.01)",
        "part of the reference's latency",
    ]


def test_yes_is_told_with_its_figures_their_certainty_and_the_command_that_ships_it(recorded: Path) -> None:
    outcome = require(recorded, *ASKED)
    number = told(recorded, *ASKED)["point"]["trial"]
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith(f"Yes: trial {number} keeps map_drop=0.01 and latency_ratio=0.75 (probability ")
    assert outcome.out.count("beyond its 95 % interval") == 2
    assert f"`qpareto confirm {recorded}` measures the front once more" in outcome.out
    assert outcome.out.endswith(f"  qpareto export {recorded} -o best --trial {number}\n")
    assert "hypervolume" not in outcome.out, "the front's own table is left out"


def test_no_is_told_on_stdout_with_the_nearest_points_and_exit_code_1(recorded: Path) -> None:
    wanted = ("map_drop=0.005", "latency_ratio=0.42")
    found = told(recorded, *wanted)
    assert (found["met"], found["point"], found["confidence"], found["confirmed"]) == (False, None, None, None)
    outcome = require(recorded, *wanted)
    assert (outcome.code, outcome.err) == (1, "")
    assert outcome.out.startswith("No: none of the 40 measured points keeps map_drop=0.005 and latency_ratio=0.42.")
    assert re.findall(r"^  trial (\d+):", outcome.out, re.M) == [str(each["trial"]) for each in found["nearest"]]
    _, ratio = found["nearest"][0]["findings"]
    assert f"latency_ratio {ratio['value']:.3f} is {ratio['excess']:.3f} above 0.42" in outcome.out
    assert ratio["excess"] == pytest.approx(ratio["value"] - 0.42)


def test_a_preset_may_stand_beside_limits(recorded: Path) -> None:
    found = told(recorded, "yolo-99", "latency_ratio=0.75", "engine_mib=4")
    assert [(each["name"], each["preset"]) for each in found["requirements"]] == [
        ("map_share", "yolo-99"),
        ("latency_ratio", None),
        ("engine_mib", None),
    ]
    assert found["point"]["findings"][0]["value"] >= 0.99


def test_a_plot_is_drawn_beside_the_answer(recorded: Path, tmp_path: Path) -> None:
    outcome = require(recorded, *ASKED, options=("--plot", str(tmp_path / "front.html")))
    assert outcome.out.startswith("Yes")
    assert "plotly" in (tmp_path / "front.html").read_text()


def test_the_commands_that_are_named_keep_the_options_of_the_study(recorded: Path) -> None:
    outcome = require(recorded, *ASKED, options=("--set", "cache=a folder"))
    export = shlex.split(outcome.out.splitlines()[-1])
    assert export[:5] == ["qpareto", "export", str(recorded), "--set", "cache=a folder"]


def test_a_notebook_gets_the_same_answer(recorded: Path) -> None:
    study = open_study_file(recorded)
    assert study.answer(*ASKED).as_json() == told(recorded, *ASKED)
    with pytest.raises(QParetoError, match="the nearest is 'map_drop'"):
        study.answer("mapdrop=0.01")


def test_a_trial_that_breaks_a_constraint_does_not_count(tmp_path: Path) -> None:
    path = recorded_study(tmp_path)
    before = told(path, *ASKED)
    study = open_study(load_study_file(path))
    for constraints in ({"memory": 0.1}, {"memory": -0.1}):
        found = measured(0.4, 0.1)
        attrs = TrialAttributes(measurement=found).as_stored()
        values = values_of(found, study.objectives)
        study.study.add_trial(optuna.trial.create_trial(values=values, user_attrs=attrs, constraints=constraints))
    after = told(path, *ASKED)
    assert after["measured"] == before["measured"] + 1
    assert after["point"]["trial"] == len(study.study.trials) - 1


def test_what_was_confirmed_decides_and_both_figures_are_told(tmp_path: Path) -> None:
    path = recorded_study(tmp_path)
    best = told(path, *ASKED)["point"]["trial"]
    study = open_study(load_study_file(path))
    study.keep(StudyAttributes(confirmed={best: measured(0.38, 0.5, images=250, dataset_hash="other")}))
    others = [p.trial for p in open_study_file(path).results.front if p.trial != best]
    better = measured(0.4, 0.5, images=250, dataset_hash="other")
    study.keep(StudyAttributes(confirmed={others[-1]: better, others[0]: CandidateError("The engine crashed.")}))
    found = told(path, *ASKED)
    assert (found["point"]["trial"], found["confirmed"]) == (others[-1], True)
    assert found["point"]["findings"][0]["value"] == 0.0
    before = found["point"]["searched"][0]["value"]
    assert before == pytest.approx(-found["point"]["map50_95_change"])
    out = require(path, *ASKED).out
    assert f"on 250 other images, which decides; the search had map_drop {before:.4f}" in out
