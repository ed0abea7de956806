from __future__ import annotations

import itertools
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

from coco_scenes import Found, Scene, Truth, pycocotools_eval, scene_of, scenes, score_detections
from obvious_coco import obvious_score
from qpareto.objectives.accuracy.coco import Accuracy


def scored(scene: Scene) -> Accuracy:
    return score_detections(scene.dataset, scene.detections)


def figures(scene: Scene) -> list[float | None]:
    score = scored(scene).score
    return [score.value, *itertools.chain(*score.beside.values())]


@given(scenes())
def test_figures_are_the_same_floats_as_pycocotools_gives(scene: Scene) -> None:
    stats, precision = pycocotools_eval(scene)
    assert figures(scene) == [None if stats[i] == -1 else stats[i] for i in (0, 1, 3, 4, 5)]
    per_class = scored(scene).score.per_class
    expected = {name: precision[:, :, k, 0, 2] for k, name in enumerate(scene.dataset.category_names)}
    assert per_class == {name: np.mean(values) for name, values in expected.items() if values.max() > -1}


@given(scenes())
def test_figures_are_those_of_the_definition(scene: Scene) -> None:
    obvious = obvious_score(scene)
    expected = [obvious[key] for key in ("all", "map50", "small", "medium", "large")]
    assert figures(scene) == [None if value is None else pytest.approx(value, abs=1e-12) for value in expected]


def test_no_detections_score_zero() -> None:
    scene = scene_of([([Truth(0, (10.0, 10.0, 20.0, 20.0))], [])])
    assert figures(scene) == [0.0, 0.0, 0.0, None, None]


def test_a_match_for_every_image_is_demanded() -> None:
    scene = scene_of([([Truth(0, (1.0, 1.0, 9.0, 9.0))], []), ([], [])])
    with pytest.raises(ValueError, match="1 images were matched, but made up has 2"):
        score_detections(scene.dataset, scene.detections[:1])


def test_scoring_says_nothing_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    scene = scene_of([([Truth(0, (1.0, 1.0, 9.0, 9.0))], [])])
    scored(scene)
    assert capsys.readouterr().out == ""


def test_the_table_of_matches_holds_what_counts() -> None:
    box, crowd = (10.0, 10.0, 20.0, 20.0), (100.0, 100.0, 50.0, 50.0)
    found = [Found(1, crowd, 0.9), Found(1, box, 0.8), Found(0, box, 0.7), Found(2, box, 0.6)]
    table = scored(scene_of([([Truth(1, box), Truth(1, crowd, crowd=True)], found)])).matches
    assert table.classes.tolist() == [1, 1]  # nothing is truly of class 0 or 2
    assert table.scores.tolist() == pytest.approx([0.9, 0.8])
    assert table.counted.tolist() == [[False, True]] * 10
    assert table.correct.tolist() == [[False, True]] * 10
    assert table.truths.tolist() == [[0, 1, 0]]


def test_a_saved_accuracy_loads_as_it_was(tmp_path: Path) -> None:
    box = (10.0, 10.0, 20.0, 20.0)
    accuracy = scored(scene_of([([Truth(0, box)], [Found(0, box, 0.5)])]))
    accuracy.save(tmp_path)
    loaded = Accuracy.load(tmp_path)
    assert asdict(loaded.score) == asdict(accuracy.score)
    assert loaded.matches.metric == accuracy.matches.metric == "map50_95"
    for name, array in vars(accuracy.matches).items():
        if name == "metric":
            continue
        again = getattr(loaded.matches, name)
        assert again.dtype == array.dtype
        assert np.array_equal(again, array)
