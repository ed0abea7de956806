from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import permutations
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from coco_scenes import Found, Scene, Truth, pycocotools_eval, scene_of, scenes, score_detections
from qpareto.objectives.accuracy.coco import MatchTable
from qpareto.objectives.accuracy.race import (
    HALVES,
    Race,
    Rival,
    Standing,
    Stopped,
    looks,
    part_figures,
    race_order,
    standing_on_part,
)
from qpareto.objectives.interval import Interval
from qpareto.search.front import front_of

IMAGES, ENGINES, STUDIES = 200, 8, 40  # of the simulation
Stops = Callable[[Standing], bool]


def table_of(scene: Scene) -> MatchTable:
    return score_detections(scene.dataset, scene.detections).matches


def found_in(hits: NDArray[np.bool_]) -> MatchTable:
    """One box an image, found where it says so and never wrongly: then mAP is the share of the boxes found."""
    box = (10.0, 10.0, 50.0, 50.0)
    return table_of(scene_of([([Truth(0, box)], [Found(0, box, 0.5)] if hit else []) for hit in hits]))


def standing(*, images: int = 50, difference: float = -0.01, spread: float = 0.01) -> Standing:
    return Standing(images=images, of_images=200, value=0.4, difference=difference, spread=spread)


def exactly(ratio: float) -> Interval:
    return Interval(ratio, ratio, ratio)


def rival(trial: int, value: float, latency_ratio: Interval) -> Rival:
    return Rival(trial=trial, value=value, latency_ratio=latency_ratio, accuracy=Path("nobody looks there"))


def test_every_image_has_one_place_in_the_order_and_the_seed_decides_it() -> None:
    order = race_order(50, seed=3)
    assert sorted(order) == list(range(50))
    assert np.array_equal(order, race_order(50, seed=3))
    assert not np.array_equal(order, race_order(50, seed=4))


@given(st.integers(0, 10_000))
def test_looks_come_after_growing_parts_that_are_never_the_whole(images: int) -> None:
    found = looks(images)
    assert all(16 <= one < images for one in found)
    assert list(found) == sorted(set(found))


def test_looks_are_an_eighth_a_quarter_and_a_half_where_these_are_images_enough() -> None:
    assert (looks(328), looks(100), looks(31)) == ((41, 82, 164), (25, 50), (16,))
    assert looks(30) == ()


@given(st.data())
def test_the_map_of_a_part_is_pycocotools_map_of_its_images(data: st.DataObject) -> None:
    scene = data.draw(scenes())
    part = [0, *(i for i in range(1, len(scene.dataset.images)) if data.draw(st.booleans()))]
    images = tuple(scene.dataset.images[i] for i in part)
    ids = {image.image_id for image in images}
    annotations = tuple(a for a in scene.dataset.annotations if a["image_id"] in ids)
    alone = Scene(replace(scene.dataset, images=images, annotations=annotations), [scene.detections[i] for i in part])
    assert part_figures(table_of(scene), np.array(part))[0] == pytest.approx(pycocotools_eval(alone)[0][0], abs=1e-12)


def test_images_out_of_the_part_are_not_looked_at() -> None:
    hits, part = np.arange(40) % 3 == 0, race_order(40, seed=0)[:20]
    seen = np.isin(np.arange(40), part)
    assert np.array_equal(part_figures(found_in(hits), part), part_figures(found_in(hits | ~seen), part))


def test_a_half_and_its_complement_make_the_part() -> None:
    hits = np.arange(41) % 3 == 0
    whole, *halves = part_figures(found_in(hits), np.arange(41))
    assert len(halves) == HALVES
    pairs = np.array(halves).reshape(-1, 2) @ np.array([20, 21])  # boxes found in 20 images and in the other 21
    assert pairs == pytest.approx(np.full(HALVES // 2, whole * 41), abs=0.5)  # recall is counted in hundredths


def test_of_a_mean_over_images_the_spread_is_the_standard_error() -> None:
    hits = np.arange(200) % 2 == 0
    found = standing_on_part(found_in(np.zeros(200, np.bool_)), found_in(hits), race_order(200, seed=0)[:100])
    assert found.difference == pytest.approx(-0.5, abs=0.1)
    assert found.spread == pytest.approx(math.sqrt(0.5 * 0.5 / 100), rel=0.3)
    assert found.foretold_error == pytest.approx(found.spread * math.sqrt(0.5))
    assert found.full_error == pytest.approx(found.spread * math.sqrt(0.5))


def test_a_part_without_any_true_box_tells_nothing_and_stops_nobody() -> None:
    box = Truth(0, (1.0, 1.0, 9.0, 9.0))
    nothing = table_of(scene_of([([box], []), *[([], [])] * 5]))
    found = standing_on_part(nothing, nothing, np.arange(1, 6))
    assert math.isnan(found.spread)
    assert not Race().is_dominated(found)


def test_tables_of_different_data_sets_are_refused() -> None:
    with pytest.raises(ValueError, match="different data sets"):
        standing_on_part(found_in(np.ones(10, np.bool_)), found_in(np.ones(11, np.bool_)), np.arange(5))


def test_the_rival_is_the_most_accurate_front_point_that_is_not_slower() -> None:
    front = [rival(0, 0.42, exactly(0.9)), rival(1, 0.41, exactly(0.6)), rival(2, 0.40, exactly(0.5))]
    chosen = [Race().rival(front, exactly(ratio)) for ratio in (1.0, 0.9, 0.8, 0.5, 0.4)]
    assert [one and one.trial for one in chosen] == [0, 0, 1, 2, None]


def test_who_is_hardly_faster_than_a_front_point_has_it_as_its_rival() -> None:
    point = rival(0, 0.42, exactly(0.500))
    ratios = (0.496, 0.494)  # a tie of 1 % ends at 0.495
    assert [Race(latency_tie=0.01).rival([point], exactly(ratio)) for ratio in ratios] == [point, None]
    assert [Race(latency_tie=0.0).rival([point], exactly(ratio)) for ratio in ratios] == [None, None]


def test_a_rival_that_may_be_slower_is_none() -> None:
    unsure = rival(0, 0.42, Interval(0.50, 0.47, 0.53))
    # The difference has an arm of 0.05, by the root of the squares: at 0.9, where z is 1.96, it must be 0.05.
    race = Race(confidence=0.9, latency_tie=0.0)
    assert race.rival([unsure], Interval(0.54, 0.50, 0.58)) is None
    assert race.rival([unsure], Interval(0.56, 0.52, 0.60)) is unsure
    assert replace(race, confidence=0.999).rival([unsure], Interval(0.56, 0.52, 0.60)) is None


def test_who_is_far_behind_is_dominated_and_who_is_ahead_beyond_the_interval_is_not() -> None:
    assert Race().is_dominated(standing(difference=-0.1))
    assert not Race().is_dominated(standing(difference=0.1))


def test_a_candidate_as_good_as_its_rival_is_dominated_once_nearly_all_is_seen_unless_ties_do_not_count() -> None:
    assert Race(tie=0.95).is_dominated(standing(images=190, difference=0.0))
    assert not Race(tie=0.0).is_dominated(standing(images=190, difference=0.0))


@pytest.mark.parametrize("tie", [0.0, 0.95])
def test_once_all_images_are_seen_the_figures_decide(tie: float) -> None:
    behind, equal, ahead = (standing(images=200, difference=d, spread=0.01) for d in (-1e-6, 0.0, 1e-6))
    assert [Race(tie=tie).is_dominated(found) for found in (behind, equal, ahead)] == [True, True, False]


@pytest.mark.parametrize(
    ("confidence", "student"), [(0.8, 1.7459), (0.9, 2.1199), (0.96, 2.5835), (0.99, 3.2520), (0.996, 3.6862)]
)
def test_the_forecast_has_to_be_beyond_students_quantile_at_a_quarter_of_the_error(
    confidence: float, student: float
) -> None:
    race, error = Race(confidence=confidence, tie=0.0), standing(spread=0.01).foretold_error
    assert race.is_dominated(standing(spread=0.01, difference=-error * (student + 0.01)))
    assert not race.is_dominated(standing(spread=0.01, difference=-error * (student - 0.01)))


@given(
    st.builds(standing, images=st.integers(2, 199), difference=st.floats(-0.1, 0.1), spread=st.floats(0, 0.1)),
    *[st.tuples(st.floats(0.5, 0.999), st.floats(0, 0.99)) for _ in range(2)],
)
def test_who_asks_for_more_confidence_or_counts_fewer_ties_stops_no_sooner(
    found: Standing, one: tuple[float, float], other: tuple[float, float]
) -> None:
    (low, high), (few, many) = sorted((one[0], other[0])), sorted((one[1], other[1]))
    if Race(confidence=high, tie=few).is_dominated(found):
        assert Race(confidence=low, tie=many).is_dominated(found)


@pytest.mark.parametrize(
    "wrong", [{"confidence": 1.0}, {"confidence": 0.0}, {"tie": 1.0}, {"tie": -0.1}, {"latency_tie": 1.0}]
)
def test_a_confidence_or_level_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Race(**wrong)


def test_a_stopped_trial_keeps_what_was_seen_and_survives_json() -> None:
    stopped = Stopped(
        standing=standing(difference=-0.02, spread=0.01),
        rival=12,
        rival_value=0.41,
        latency_ms=20.5,
        latency_ratio=0.5,
        latency_ratio_ci=(0.49, 0.51),
        race=Race(),
    )
    assert Stopped.from_json(json.loads(json.dumps(stopped.as_json()))) == stopped
    value, low, high = stopped.value
    assert [value, (low + high) / 2] == pytest.approx([0.39, 0.39])
    assert high - low == pytest.approx(2 * 1.96 * 0.01 * math.sqrt(1 - 50 / 200), rel=1e-3)
    assert str(stopped).startswith("stopped after 50 of 200 images: in full, mAP50-95 would be about 0.3900 (0.37")
    assert str(stopped).endswith("and trial 12, which is as fast, has 0.4100")
    seen = replace(stopped, standing=standing(images=200, difference=-0.02))
    assert str(seen).startswith("stopped after 200 of 200 images: mAP50-95 0.3900, and trial 12")


@dataclass(frozen=True)
class Study:
    """Engines of a made-up data set; the last of the `looks` is the whole.

    Args:
        seen: images at each look; maps: [engines, looks, 1 + HALVES].
        ratios: true latency ratios; told: as timed, with their 95 % intervals.
    """

    seen: tuple[int, ...]
    maps: NDArray[np.float64]
    ratios: NDArray[np.float64]
    told: tuple[Interval, ...]

    def standing(self, one: int, other: int, look: int) -> Standing:
        return Standing.of_figures(
            self.maps[one, look], self.maps[other, look], images=self.seen[look], of_images=self.seen[-1]
        )


def made_up_tables(rng: np.random.Generator) -> list[MatchTable]:
    """Engines that agree on most boxes: each errs a little in its own way, in scores and in places.

    5 classes, the rarest with a few boxes; 1.5 boxes an image; as many false detections; 2 IoU thresholds.
    """
    boxes = int(1.5 * IMAGES)
    images = rng.integers(0, IMAGES, 2 * boxes).astype(np.int32)
    classes = rng.choice(5, 2 * boxes, p=[0.5, 0.25, 0.13, 0.08, 0.04]).astype(np.int32)
    truths = np.zeros((IMAGES, 5), np.int32)
    np.add.at(truths, (images[:boxes], classes[:boxes]), 1)
    place = rng.normal(1.0, 1.0, 2 * boxes)  # how well a box is placed: above 0 hits at the first threshold
    place[boxes:] = -np.inf
    score = rng.normal(np.repeat([1.0, -1.0], boxes), 1.0)
    tables = []
    for skill in rng.normal(0.0, 0.08, ENGINES):
        own_place, own_score = (values + rng.normal(skill, 0.25, 2 * boxes) for values in (place, score))
        order = np.lexsort((-own_score, classes))
        correct = np.stack([own_place > 0.0, own_place > 1.0])[:, order]
        tables.append(
            MatchTable(
                images=images[order],
                classes=classes[order],
                scores=own_score[order],
                correct=correct,
                counted=np.ones_like(correct),
                truths=truths,
            )
        )
    return tables


@cache
def made_up_studies() -> tuple[Study, ...]:
    studies = []
    for seed in range(STUDIES):
        rng = np.random.default_rng(seed)
        order, seen = race_order(IMAGES, seed=seed), (*looks(IMAGES), IMAGES)
        maps = np.array([[part_figures(table, order[:n]) for n in seen] for table in made_up_tables(rng)])
        ratios = rng.uniform(0.5, 0.6, ENGINES)
        timed = ratios + rng.normal(0, 0.005, ENGINES)
        studies.append(Study(seen, maps, ratios, tuple(Interval(r, r - 0.0098, r + 0.0098) for r in timed)))
    return tuple(studies)


def share_stopped_on_the_verge(stops: Stops, *, tie: float) -> float:
    """Of candidates that in full are only just not dominated: whatever they are, they are made so."""
    stopped = []
    for study in made_up_studies():
        last = len(study.seen) - 1
        for one, other in permutations(range(ENGINES), 2):
            full = study.standing(one, other, last)
            missing = NormalDist().inv_cdf((1 + tie) / 2) * full.full_error - full.difference
            seen = [study.standing(one, other, look) for look in range(last)]
            stopped.append(any(stops(replace(at, difference=at.difference + missing)) for at in seen))
    return float(np.mean(stopped))


@pytest.mark.parametrize("tie", [0.0, 0.95])
@pytest.mark.parametrize("confidence", [0.8, 0.9, 0.95])
def test_who_is_only_just_not_dominated_is_stopped_no_oftener_than_stated(confidence: float, tie: float) -> None:
    race = Race(confidence=confidence, tie=tie)
    assert share_stopped_on_the_verge(race.is_dominated, tie=tie) <= 1 - confidence


def test_the_simulation_catches_rules_that_are_too_eager() -> None:
    each_look_alone = Race(confidence=0.6, tie=0.0)  # spends 0.1 on each of three looks
    assert share_stopped_on_the_verge(each_look_alone.is_dominated, tie=0.0) > 0.1
    assert share_stopped_on_the_verge(lambda at: at.difference < 0, tie=0.0) > 0.5


def race_through(race: Race, stops: Stops) -> tuple[float, float, float]:
    """Shares of images seen, of true front points lost, and of these lost beyond their interval and `latency_tie`."""

    def instead(study: Study, point: int, lost: int) -> bool:
        return bool((1 - race.latency_tie) * study.ratios[point] <= study.ratios[lost])

    images, lost, beyond = [], [], []
    for study in made_up_studies():
        last = len(study.seen) - 1
        scores, measured = study.maps[:, last, 0], list[int]()
        for one in range(ENGINES):
            front = [rival(i, float(scores[i]), study.told[i]) for i in measured]
            found = race.rival(front, study.told[one])
            at = [found and stops(study.standing(one, found.trial, look)) for look in range(last)]
            look = at.index(True) if True in at else last
            images.append(study.seen[look] / IMAGES)
            measured += [one] * (look == last)
        for one in np.flatnonzero(front_of(np.stack([-scores, study.ratios], axis=1))).tolist():
            others = [study.standing(one, i, last) for i in measured if instead(study, i, one)]
            lost.append(one not in measured)
            beyond.append(all(other.difference > 1.96 * other.full_error for other in others))
    return float(np.mean(images)), float(np.mean(lost)), float(np.mean(beyond))


@pytest.mark.parametrize("confidence", [0.8, 0.9, 0.95])
def test_a_study_loses_no_more_of_its_true_front_than_stated(confidence: float) -> None:
    race = Race(confidence=confidence, tie=0.0, latency_tie=0.0)
    _, lost, _ = race_through(race, race.is_dominated)
    assert lost <= 1 - confidence


def test_where_ties_count_as_equal_a_study_loses_less_than_stated_beyond_the_interval_and_saves_more() -> None:
    strict, lenient = Race(tie=0.0, latency_tie=0.0), Race(tie=0.95, latency_tie=0.01)
    images, _, beyond = race_through(lenient, lenient.is_dominated)
    assert beyond <= 1 - lenient.confidence
    assert images < race_through(strict, strict.is_dominated)[0] < 1.0


def test_a_study_that_stops_whoever_is_behind_loses_more_of_its_front() -> None:
    _, lost, _ = race_through(Race(tie=0.0, latency_tie=0.0), lambda at: at.difference < 0)
    assert lost > 0.05  # what the strictest of the tests above allows
