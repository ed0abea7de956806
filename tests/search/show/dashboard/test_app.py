"""What the dashboard's own cards are told: importances that can be read, constraints where it looks for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults

import optuna
import pytest

from qpareto.search.show.dashboard.app import (
    MOST_IMPORTANT,
    OLD_CONSTRAINTS,
    ShownStorage,
    dashboard_app,
    most_important,
)
from qpareto.search.study.opening import open_study
from qpareto.search.study_file.loading import load_study_file
from recorded_study import recorded_study

if TYPE_CHECKING:
    from optuna.storages import BaseStorage


def told(storage: BaseStorage, path: str) -> tuple[str, Any]:
    """Status and JSON of the application's answer."""
    begun: list[str] = []
    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    environ["PATH_INFO"] = path

    def begin(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        begun.append(status)
        assert dict(headers)["Content-Type"].startswith("application/json")

    body = b"".join(dashboard_app(storage, None)(environ, begin))
    return begun[0], json.loads(body)


def importance(name: str, value: float) -> dict[str, Any]:
    return {"name": name, "importance": value, "distribution": "CategoricalDistribution"}


def test_importances_of_90_layers_are_few_bars_the_same_for_each_objective(tmp_path: Path) -> None:
    study = open_study(load_study_file(recorded_study(tmp_path)))
    status, answer = told(study.storage, f"/api/studies/{study.id}/param_importances")
    assert status == "200 OK"
    by_map, by_latency = answer["param_importances"]
    assert [one["name"] for one in by_map] == [one["name"] for one in by_latency]
    assert len(by_map) == MOST_IMPORTANT + 1
    assert by_map[-1]["name"] == f"{92 - MOST_IMPORTANT} others, each"
    for found in (by_map, by_latency):  # the mean of the others makes the whole
        shares = [one["importance"] for one in found]
        assert sum(shares[:-1]) + (92 - MOST_IMPORTANT) * shares[-1] == pytest.approx(1)


def test_the_most_important_are_so_on_average_over_the_objectives() -> None:
    names = [f"layer {i}" for i in range(MOST_IMPORTANT + 4)]
    first = [importance(name, 0.01) for name in names[:-1]] + [importance(names[-1], 0.5)]
    second = [importance(name, 0.02) for name in names[1:]] + [importance(names[0], 0.3)]
    shortened = most_important([first, second])
    assert [one["name"] for one in shortened[0][:2]] == [names[-1], names[0]]
    assert [one["name"] for one in shortened[1][:2]] == [names[-1], names[0]]


def test_a_few_importances_are_told_all_and_none_are_none() -> None:
    few = [importance(f"layer {i}", 1 / (i + 1)) for i in range(MOST_IMPORTANT + 1)]
    assert most_important([few, few]) == [few, few]
    assert most_important([[], []]) == [[], []]


def test_what_the_dashboard_refuses_stays_refused(tmp_path: Path) -> None:
    study = open_study(load_study_file(recorded_study(tmp_path)))
    status, answer = told(study.storage, "/api/studies/77/param_importances")
    assert status.startswith("404")
    assert "77" in answer["reason"]


def test_constraints_are_told_where_the_dashboard_looks_for_them() -> None:
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage, directions=["maximize", "minimize"])
    broken, kept = ({"map50_95 at least 0.4": value} for value in (0.1, -0.1))
    for constraints in (broken, kept, None):
        study.add_trial(optuna.trial.create_trial(values=[0.3, 1.0], constraints=constraints))
    status, answer = told(storage, "/api/studies/0")
    assert status == "200 OK"
    assert [trial["constraints"] for trial in answer["trials"]] == [[0.1], [-0.1], []]
    assert all(OLD_CONSTRAINTS not in trial.system_attrs for trial in study.get_trials())  # nothing is written


def test_an_old_studys_constraints_stay_as_they_are() -> None:
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage)
    study.add_trial(optuna.trial.create_trial(value=1.0, system_attrs={OLD_CONSTRAINTS: [0.5]}))
    (trial,) = ShownStorage(storage, shown="").get_all_trials(0)
    assert trial.system_attrs == {OLD_CONSTRAINTS: [0.5]}
