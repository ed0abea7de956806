"""A study of YOLO11n as it was recorded on a real machine (benchmarks/search/recorded), put into a storage again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import yaml

from made_up_trials import measured, stopped
from qpareto.objectives.measurement import Measurement
from qpareto.objectives.objective import values_of
from qpareto.search.show.view import StudyView, view_of_study
from qpareto.search.study.attributes import Expected, StudyAttributes, TrialAttributes
from qpareto.search.study.identity import Identity
from qpareto.search.study.opening import open_study
from qpareto.search.study.search_study import SearchStudy
from qpareto.search.study_file.loading import load_study_file
from qpareto.spaces.calibration import CalibrationChoice
from qpareto.spaces.candidate import Candidate
from qpareto.spaces.masks import LayerMask
from qpareto.spaces.space import Space

RECORDING = Path(__file__).resolve().parents[1] / "benchmarks" / "search" / "recorded" / "yolo11n-coco-cpu.jsonl"
BEGUN = datetime(2026, 11, 1, 22, 0)
Line = Mapping[str, Any]


def recorded_study(
    folder: Path, *, run: str = "ours+warm", name: str = "yolo11n-coco-cpu", searched: int = 35, recipes: bool = True
) -> Path:
    """Write a study file and its database: five recipes, trials of a recorded run, a stopped and a failed one.

    What a recording lacks of a measurement (mAP50, bytes, ...) is made up; model and images are not there.
    """
    told, *lines = (json.loads(line) for line in RECORDING.read_text().splitlines())
    groups = {switch: tuple(layers) for switch, layers in told["groups"].items()}
    layers = tuple(layer for group in groups.values() for layer in group)
    space = Space(layers=layers, groups=groups, methods=tuple(told["methods"]), sizes=tuple(told["sizes"]))
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(_document(folder, name)))
    engine = {"kind": "openvino", "float_type": "fp32"}
    identity = Identity(engine=engine, device=told["device"], versions=told["versions"])
    study = open_study(load_study_file(path), identity=identity)
    harm, gain = told["effects"]
    harm, saved_ms = ({switch: -effect for switch, effect in each.items()} for each in (harm, gain))
    study.keep(StudyAttributes(expected=Expected(layers=groups, harm=harm, saved_ms=saved_ms)))
    chosen = [line for line in lines if recipes and line["run"] == "baseline"]
    chosen += [line for line in lines if line["run"] == run][:searched]
    _add(study, space, chosen, told)
    return path


def _document(folder: Path, name: str) -> dict[str, Any]:
    data = {"images": "eval", "annotations": "instances.json", "calibration": "calib"}
    storage = f"sqlite:///{folder / name}.db"
    return {"version": 1, "name": name, "model": "yolo11n.onnx", "data": data, "storage": storage}


def _add(study: SearchStudy, space: Space, lines: Iterable[Line], told: Line) -> None:
    now = BEGUN
    candidate = Candidate(CalibrationChoice("max", max(space.sizes)), space.searched)
    for line in lines:
        found = _measurement(line, space, told)
        choice = CalibrationChoice.parse(found.engine.calibration or f"max:{max(space.sizes)}")
        candidate = Candidate(choice, found.engine.candidate(space.layers).mask)
        baseline = line["name"] if line["run"] == "baseline" else None
        attrs = TrialAttributes(candidate=str(candidate), measurement=found, baseline=baseline)
        now = _add_trial(study, space, candidate, now, seconds=line["seconds"], values=found, attrs=attrs)
    seen = TrialAttributes(stopped=stopped(0.39, 0.5), stopped_graph="one that was stopped")
    now = _add_trial(study, space, candidate, now, seconds=6.0, state="PRUNED", attrs=seen)
    _add_trial(
        study, space, candidate, now, seconds=2.0, state="FAIL", attrs=TrialAttributes(reason="The engine crashed.")
    )


def _add_trial(
    study: SearchStudy,
    space: Space,
    candidate: Candidate,
    begun: datetime,
    *,
    seconds: float,
    attrs: TrialAttributes,
    values: Measurement | None = None,
    state: str = "COMPLETE",
) -> datetime:
    ended = begun + timedelta(seconds=seconds)
    trial = optuna.trial.create_trial(
        state=optuna.trial.TrialState[state],
        values=list(values_of(values, study.objectives)) if values else None,
        params=space.params(candidate),
        distributions=space.distributions(),
        user_attrs=attrs.as_stored(),
    )
    trial.datetime_start, trial.datetime_complete = begun, ended
    study.study.add_trial(trial)
    return ended


def _measurement(line: Line, space: Space, told: Line) -> Measurement:
    mask = LayerMask.from_word(space.layers, line["mask"])
    kept = ("map50_95_change", "latency_ms", "calibration", "float_type", "graph_hash", "mask")
    ratio = line["latency_ratio"]
    return measured(
        line["map50_95"],
        ratio,
        **{name: line[name] for name in kept},
        map50_95_change_ci=tuple(line["map50_95_change_ci"]),
        latency_ratio_ci=tuple(line["latency_ratio_ci"]),
        flags=tuple(line["flags"]),
        latency_median_ms=line["latency_ms"],
        latency_p95_ms=line["latency_ms"] * 1.2,
        reference_ms=told["reference_ms"],
        int8_layers=tuple(mask),
        int8_ran=len(mask),
        device=told["device"],
        versions=told["versions"],
        images=told["images"],
    )


def recorded_view(folder: Path, **chosen: Any) -> StudyView:
    """The recorded study, read back."""
    return view_of_study(open_study(load_study_file(recorded_study(folder, **chosen))))
