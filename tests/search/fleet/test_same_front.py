"""One worker and two on the quickstart's detector: what they find under one seed and one budget."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from command_line import qpareto
from qpareto.search.api import results
from qpareto.search.results.study_results import Results
from qpareto.search.study.opening import open_study
from qpareto.search.study_file.loading import load_study_file
from shapes_study import shapes_study

TRIALS = 4


def found_by(workers: int, shapes: Path, folder: Path) -> Results:
    """What a study of its own ends in, with a cache of its own in which no engine was built or scored.

    Its objectives are those that no timing decides, and its sampler looks at no results.
    """
    folder.mkdir(exist_ok=True)
    path = shapes_study(
        shapes,
        folder,
        space={"calibration": {"methods": ["max"], "sizes": [2, 4], "bias_correction": [False]}},
        engine={"threads": 1},
        objectives=["map50_95", "engine_bytes"],
        latency={"ci_width": 0.5, "max_seconds": 0.3, "max_wait_s": 0},
        search={"sampler": "random", "seed": 3, "trials": TRIALS, "baselines": False, "race": None, "warm_start": 0},
        cache="cache",
    )
    words = ("run", path) if workers == 1 else ("launch", path, "--workers", str(workers))
    outcome = qpareto(*words)
    assert outcome.code == 0, outcome.err
    spec = load_study_file(path)
    records = open_study(spec).records()
    assert len({record.worker for record in records}) == workers, "each has had its part"
    return results(spec)


@pytest.fixture(scope="module")
def both(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Results]:
    folder = tmp_path_factory.mktemp("fronts")
    one = found_by(1, shapes, folder / "1")
    scored = shutil.ignore_patterns("engines", "engine-caches", "accuracy", "logs")
    shutil.copytree(folder / "1" / "cache", folder / "2" / "cache", ignore=scored)
    return one, found_by(2, shapes, folder / "2")


def test_two_workers_try_the_candidates_that_one_tries_and_find_its_front(both: tuple[Results, Results]) -> None:
    tried = [{r.candidate for r in found.records if r.outcome == "complete"} for found in both]
    assert tried[0] == tried[1]
    assert len(tried[0]) == TRIALS
    fronts = [{point.measurement.engine.graph_hash for point in found.front} for found in both]
    assert fronts[0] == fronts[1]
    assert len(fronts[0]) > 1


def test_a_graph_scores_the_same_whoever_measured_it(both: tuple[Results, Results]) -> None:
    scores = [{p.measurement.engine.graph_hash: p.measurement.accuracy.value for p in found.points} for found in both]
    assert scores[0] == scores[1]
