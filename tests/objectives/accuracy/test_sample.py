"""What an engine is known by, and when it is known again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bright_rectangles import HEAD, BrightRectangle, rectangles_in
from qpareto.errors import EngineError
from qpareto.objectives.accuracy.coco import Accuracy
from qpareto.objectives.accuracy.evaluate import accuracy_of_engine
from qpareto.objectives.accuracy.heads import Detections
from qpareto.objectives.accuracy.race import Race
from qpareto.objectives.accuracy.raced import Contest
from qpareto.objectives.accuracy.sample import IMAGES, SAMPLE, Sample, sample_of_turns, sampled, turns
from qpareto.objectives.tensors import tensor_from_pixels


def found(*boxes: tuple[float, float, float, float, float], label: int = 0) -> Detections:
    """Each left, top, right, bottom, score."""
    rows = np.array(boxes, np.float32).reshape(-1, 5)
    return Detections(rows[:, :4], rows[:, 4], np.full(len(rows), label, np.intp))


CAT = (10.0, 10.0, 50.0, 40.0, 0.8)


@given(st.integers(1, 1000), st.integers(1, 130))
def test_64_images_or_all_are_timed_in_whole_batches_and_those_sampled_are_among_them(images: int, batch: int) -> None:
    rows = turns(images, batch)
    timed = np.unique(rows)
    assert {len(one) for one in rows} == {batch}
    assert len(rows) == max(1, min(IMAGES, images) // batch)
    assert 0 <= timed[0] <= timed[-1] < images
    assert len(timed) >= min(IMAGES, images) - batch + 1
    assert sampled(images) <= set(np.concatenate(turns(images, 1)).tolist())
    assert len(sampled(images)) == min(SAMPLE, images)
    assert not sampled(images).isdisjoint(timed.tolist())


def test_timed_images_are_spread_over_the_data_set() -> None:
    timed = np.concatenate(turns(328, 1))
    assert timed[0] == 0
    assert timed[-1] > 320
    assert set(np.diff(timed)) == {5, 6}


def test_a_saved_sample_loads_as_it_was_and_one_of_an_older_program_is_none(tmp_path: Path) -> None:
    assert Sample.load(tmp_path) is None
    kept = Sample({3: found(CAT, (1, 2, 3, 4, 0.3), label=2), 7: found(), 9: found(CAT)})
    kept.save(tmp_path)
    loaded = Sample.load(tmp_path)
    assert loaded is not None
    assert loaded.found.keys() == kept.found.keys()
    for image, one in kept.found.items():
        for name, values in vars(one).items():
            np.testing.assert_array_equal(getattr(loaded.found[image], name), values, strict=True)


def test_a_sample_of_nothing_survives_too(tmp_path: Path) -> None:
    Sample({}).save(tmp_path)
    assert Sample.load(tmp_path) == Sample({})


@pytest.mark.parametrize(
    "timed",
    [
        found(),
        found((200.0, 10.0, 240.0, 40.0, 0.8)),
        found((12.0, 10.0, 52.0, 40.0, 0.8)),
        found((10.0, 10.0, 50.0, 40.0, 0.75)),
        found(CAT, label=1),
        found(CAT, (100.0, 100.0, 150.0, 150.0, 0.6)),
    ],
    ids=["nothing", "another place", "2 pixels aside", "less sure", "another class", "one more"],
)
def test_who_finds_something_else_when_timed_is_refused_with_the_image(timed: Detections) -> None:
    scored = Sample({4: found(), 7: found(CAT)})
    with pytest.raises(EngineError, match=r"What was timed is not what was scored: in evaluation image 7 "):
        scored.refuse_another(Sample({4: found(), 7: timed}))


def test_rounding_and_what_only_one_side_has_seen_are_no_difference() -> None:
    nearly = found((10.1, 10.0, 50.2, 40.0, 0.795), (100.0, 100.0, 110.0, 110.0, 0.002))
    Sample({7: found(CAT), 8: found(CAT)}).refuse_another(Sample({7: nearly, 9: found()}))


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_who_is_scored_is_known_by_the_sampled_images_raced_or_not(batch: int, tmp_path: Path) -> None:
    images = rectangles_in(tmp_path, 60)
    unraced = accuracy_of_engine(BrightRectangle(batch), images, HEAD, threads=2)
    contest = Contest(race=Race(), front=(), seed=5)
    raced = contest.accuracy_of_engine(BrightRectangle(batch), images, HEAD, rival=None)
    engine = BrightRectangle(batch)
    inputs = [tensor_from_pixels(images.pixels.pixels[rows]) for rows in turns(60, batch)]
    timed = sample_of_turns(lambda turn: engine.infer(inputs[turn]), 60, batch, HEAD)
    for accuracy in (unraced, raced):
        assert isinstance(accuracy, Accuracy)
        assert accuracy.sample is not None
        assert accuracy.sample.found.keys() == sampled(60)
        accuracy.sample.refuse_another(timed)
    assert timed.found
    shuffled = sample_of_turns(lambda turn: engine.infer(inputs[turn][::-1] * 0 + inputs[0][:1]), 60, batch, HEAD)
    with pytest.raises(EngineError, match="not what was scored"):
        unraced.sample.refuse_another(shuffled)  # type: ignore[union-attr]
