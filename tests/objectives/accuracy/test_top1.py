from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from qpareto.objectives.accuracy.bootstrap import accuracy_difference, figure_of_weights
from qpareto.objectives.accuracy.coco import Accuracy, score_matches
from qpareto.objectives.accuracy.data.dataset import Dataset, ImageRecord
from qpareto.objectives.accuracy.data.labelled_shapes import whole_image
from qpareto.objectives.accuracy.drift import drift_of
from qpareto.objectives.accuracy.heads import Detections
from qpareto.objectives.accuracy.plausible import FLOOR, FirstLook, chance_of, least_plausible
from qpareto.objectives.accuracy.race import part_figures
from qpareto.objectives.accuracy.tasks import CLASSIFY
from qpareto.objectives.accuracy.top1 import TopScore, matcher_of

CLASSES = 7
Scores = NDArray[np.float32]


def dataset_of(classes: NDArray[np.intp]) -> Dataset:
    """One image of each of these classes, in order."""
    return Dataset(
        name="made up",
        images=tuple(ImageRecord(i, Path(f"{i}.png"), 40, 30) for i in range(len(classes))),
        category_ids=tuple(range(CLASSES)),
        category_names=tuple(f"class {i}" for i in range(CLASSES)),
        annotations=tuple(
            {"id": i + 1, "image_id": i, "category_id": int(each)} | whole_image((40, 30))
            for i, each in enumerate(classes)
        ),
        content_hash="made up",
        task=CLASSIFY,
    )


def found_by(scores: Scores) -> list[Detections]:
    """What a head gives for class scores [images, classes]."""
    order = np.argsort(-scores, axis=1, kind="stable")
    box = np.tile(np.array([[0, 0, 40, 30]], np.float32), (scores.shape[1], 1))
    return [Detections(box, row[places], places) for row, places in zip(scores, order, strict=True)]


def accuracy_of(classes: NDArray[np.intp], scores: Scores) -> Accuracy:
    dataset = dataset_of(classes)
    matcher = matcher_of(dataset)
    return score_matches(dataset, [matcher.match(i, found) for i, found in enumerate(found_by(scores))])


def made_up(seed: int, images: int) -> tuple[NDArray[np.intp], Scores]:
    """Classes of images, and scores that are right for about half of them."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, CLASSES, images)
    scores = rng.dirichlet(np.ones(CLASSES), images).astype(np.float32)
    scores[np.arange(images), classes] += 0.3
    return classes, scores


@given(st.integers(0, 10_000), st.integers(1, 40))
def test_top_1_and_top_5_are_what_numpy_counts(seed: int, images: int) -> None:
    classes, scores = made_up(seed, images)
    score = accuracy_of(classes, scores).score
    best = np.argsort(-scores, axis=1)
    right = best[:, 0] == classes
    assert isinstance(score, TopScore)
    assert score.value == score.top1 == pytest.approx(right.mean())
    assert score.top5 == pytest.approx((best[:, :5] == classes[:, None]).any(axis=1).mean())
    assert score.per_class == {f"class {i}": pytest.approx(right[classes == i].mean()) for i in np.unique(classes)}


@given(st.integers(0, 10_000), st.lists(st.integers(0, 3), min_size=12, max_size=12).filter(any))
def test_an_image_counts_as_often_as_its_weight_says(seed: int, weights: list[int]) -> None:
    classes, scores = made_up(seed, 12)
    again = np.repeat(np.arange(12), weights)
    found = figure_of_weights(accuracy_of(classes, scores).matches, np.array([weights]))
    assert found[0] == pytest.approx((scores[again].argmax(axis=1) == classes[again]).mean())


def test_the_interval_of_a_difference_is_that_of_a_mean_of_paired_differences() -> None:
    classes, scores = made_up(1, 400)
    other = scores + np.random.default_rng(2).normal(0, 0.2, scores.shape).astype(np.float32)
    value, low, high = accuracy_difference(accuracy_of(classes, other).matches, accuracy_of(classes, scores).matches)
    apart = (other.argmax(axis=1) == classes).astype(float) - (scores.argmax(axis=1) == classes)
    assert value == pytest.approx(apart.mean())
    arm = 1.96 * apart.std() / np.sqrt(len(apart))
    assert (low, high) == pytest.approx((value - arm, value + arm), abs=0.3 * arm)


def test_a_race_sees_the_top_1_of_the_part_that_it_has_run() -> None:
    classes, scores = made_up(3, 60)
    part = np.arange(0, 60, 2)
    whole, *halves = part_figures(accuracy_of(classes, scores).matches, part)
    assert whole == pytest.approx((scores[part].argmax(axis=1) == classes[part]).mean())
    assert np.mean(halves) == pytest.approx(whole)  # a half and its complement


def test_an_image_of_which_no_score_is_finite_counts_as_wrong() -> None:
    classes, scores = made_up(4, 9)
    dataset = dataset_of(classes)
    matcher = matcher_of(dataset)
    matches = [matcher.match(i, found) for i, found in enumerate(found_by(scores))]
    matches[2] = matcher.match(2, found_by(scores)[2].of_rows(np.arange(0)))
    right = scores.argmax(axis=1) == classes
    right[2] = False
    found = score_matches(dataset, matches)
    assert found.score.value == pytest.approx(right.mean())
    assert figure_of_weights(found.matches, np.ones((1, 9), np.int64))[0] == pytest.approx(right.mean())


def test_what_is_saved_loads_as_it_was(tmp_path: Path) -> None:
    accuracy = accuracy_of(*made_up(5, 20))
    accuracy.save(tmp_path)
    loaded = Accuracy.load(tmp_path)
    assert (loaded.score, loaded.matches.metric) == (accuracy.score, "top1")
    assert np.array_equal(loaded.matches.correct, accuracy.matches.correct)


def test_drift_tells_the_classes_and_images_that_changed_and_no_sizes() -> None:
    classes, scores = made_up(6, 80)
    scores[np.arange(80), classes] += 1  # all are right
    worse = scores.copy()
    lost = np.flatnonzero(classes == 3)[:4]
    worse[lost, 5] += 5
    reference, candidate = accuracy_of(classes, scores), accuracy_of(classes, worse)
    drift = drift_of(candidate, reference, dataset_of(classes))
    assert {image.index for image in drift.images} == set(lost.tolist())
    assert (drift.images_changed, drift.sizes) == (4, ())
    worst = drift.classes[0]
    assert (worst.name, worst.truths) == ("class 3", int((classes == 3).sum()))
    assert worst.change == pytest.approx(-4 / (classes == 3).sum())
    assert worst.change_ci is not None
    assert worst.change_ci[1] < 0


def test_a_classifier_that_is_hardly_better_than_chance_is_implausible() -> None:
    classes = np.array([0] * 6 + [1] * 4)
    assert chance_of(dataset_of(classes)) == pytest.approx(0.6)
    assert least_plausible(None, chance=0.6) == pytest.approx(0.6 + FLOOR * 0.4)
    assert least_plausible(0.9, chance=0.6) == pytest.approx(0.72)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        (
            lambda true: (true + 2) % CLASSES,
            "7 of 7 classes are found as another one, each as its own, so check first the",
        ),
        (lambda true: np.full_like(true, 3), "check, in this order, channel order, scaling and label order"),
    ],
)
def test_classes_in_another_order_are_told_from_what_is_read_wrongly(
    named: Callable[[NDArray[np.intp]], NDArray[np.intp]], said: str
) -> None:
    classes = np.arange(70) % CLASSES
    look = FirstLook(dataset_of(classes), found_by(np.eye(CLASSES, dtype=np.float32)[named(classes)]))
    assert look.value < 0.2
    assert said in look.causes()
