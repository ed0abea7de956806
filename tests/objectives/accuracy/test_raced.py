from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bright_rectangles import HEAD, BrightRectangle, rectangles_in
from qpareto.errors import EngineError
from qpareto.objectives.accuracy.coco import Accuracy
from qpareto.objectives.accuracy.data.evaluation_set import EvaluationSet
from qpareto.objectives.accuracy.evaluate import accuracy_of_engine
from qpareto.objectives.accuracy.race import Race, Rival, Standing, race_order, standing_on_part
from qpareto.objectives.accuracy.raced import Contest
from qpareto.objectives.interval import Interval

IMAGES = 60  # looked at after 16 at the earliest: after 30


class CarelessRectangle(BrightRectangle):
    """Its boxes are off by up to `most` pixels, by the picture; all scores are equal, so that order decides."""

    def __init__(self, batch: int, *, most: int, fails_at: int | None = None) -> None:
        super().__init__(batch, fails_at=fails_at)
        self._most = most

    def _found(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        found, off = super()._found(image), int((image > 0.9).sum()) % (self._most + 1)
        return found + np.array([[off, 0, off, 0, 0, 0]], np.float32)


@dataclass(frozen=True)
class Track:
    """The pictures, and a rival that finds every rectangle."""

    images: EvaluationSet
    perfect: Rival
    contest: Contest

    def race(self, engine: BrightRectangle, rival: Rival | None, *, threads: int = 1) -> Accuracy | Standing:
        return self.contest.accuracy_of_engine(engine, self.images, HEAD, rival=rival, threads=threads)


def rival_of(engine: BrightRectangle, images: EvaluationSet, folder: Path) -> Rival:
    found = accuracy_of_engine(engine, images, HEAD)
    found.save(folder)
    ratio = Interval(0.5, 0.5, 0.5)
    return Rival(trial=3, value=found.score.value, latency_ratio=ratio, accuracy=folder)


@pytest.fixture(scope="module")
def track(tmp_path_factory: pytest.TempPathFactory) -> Track:
    images = rectangles_in(tmp_path_factory.mktemp("rectangles"), IMAGES)
    perfect = rival_of(BrightRectangle(1), images, tmp_path_factory.mktemp("perfect"))
    return Track(images, perfect, Contest(race=Race(), front=(perfect,), seed=5))


def assert_equal_to_the_last_bit(one: Accuracy, other: Accuracy) -> None:
    assert one.score == other.score
    for name, values in vars(one.matches).items():
        np.testing.assert_array_equal(values, getattr(other.matches, name), strict=True)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("batch", [1, 7, 8, 64])
def test_who_is_not_stopped_scores_what_it_does_without_a_race_to_the_last_bit(
    track: Track, batch: int, threads: int
) -> None:
    unraced = accuracy_of_engine(CarelessRectangle(batch, most=3), track.images, HEAD)
    raced = track.race(CarelessRectangle(batch, most=3), None, threads=threads)
    assert isinstance(raced, Accuracy)
    assert 0.1 < raced.score.value < 0.9
    assert_equal_to_the_last_bit(raced, unraced)


@pytest.mark.parametrize("batch", [1, 8])
def test_who_is_dominated_is_stopped_at_a_look_and_sees_little_more(track: Track, batch: int) -> None:
    engine = CarelessRectangle(batch, most=6)
    stopped = track.race(engine, track.perfect)
    assert isinstance(stopped, Standing)
    assert (stopped.images, stopped.of_images) == (30, IMAGES)
    assert engine.calls * batch <= 30 + 5 * batch + 4


def test_how_it_stood_is_how_the_first_images_of_the_order_tell(track: Track) -> None:
    stopped = track.race(CarelessRectangle(1, most=6), track.perfect)
    whole = accuracy_of_engine(CarelessRectangle(1, most=6), track.images, HEAD)
    part = race_order(IMAGES, seed=5)[:30]
    assert stopped == standing_on_part(whole.matches, track.perfect.matches(), part)


def test_who_is_ahead_of_its_rival_sees_all_images(track: Track, tmp_path: Path) -> None:
    careless = rival_of(CarelessRectangle(1, most=6), track.images, tmp_path)
    raced = track.race(BrightRectangle(1), careless)
    assert isinstance(raced, Accuracy)
    full = track.contest.standing_in_full(raced, careless)
    assert (full.images, full.of_images, full.foretold_error) == (IMAGES, IMAGES, 0.0)
    assert full.difference == pytest.approx(raced.score.value - careless.value)


def test_an_engine_that_fails_in_a_race_is_an_error(track: Track) -> None:
    with pytest.raises(EngineError, match="the device went away"):
        track.race(CarelessRectangle(1, most=6, fails_at=20), track.perfect)
