"""A float model that finds what it cannot have been trained to find ends a run before the search, and `init` too."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...errors import ModelError
from ...objectives.accuracy.contact_sheet import save_picture
from ...objectives.accuracy.data.evaluation_set import EvaluationSet
from ...objectives.accuracy.heads.head_kinds import heads_that_fit
from ...objectives.accuracy.plausible import SHARE, FirstLook, chance_of, least_plausible, of_images, some_images
from ...objectives.score import Scorer
from ...objectives.store import Store, disk_errors
from ..wording import accuracy

NEARLY = 0.95  # of the best accuracy, for a change that is simpler
SHOWN = "What is labelled and what is found in eight images:"


def refuse_implausible(scorer: Scorer, *, expected: float | None) -> None:
    """Score the float engine on all images, as its trial would, and refuse one whose accuracy is implausible.

    Args:
        expected: the study file's `data.expect_map`; 0 refuses nothing, and scores nothing.

    Raises:
        ModelError: it is below the floor: with the likely causes and the path of a picture.
        EngineError: the engine cannot be built or run.
    """
    if expected == 0:
        return
    found = scorer.evaluator.accuracy(scorer.reference()).score.value
    if found < _floor(scorer, expected):
        raise _implausible(scorer, found, len(scorer.images), expected)


def checked_look(scorer: Scorer, *, expected: float | None) -> str:
    """The same on up to 50 images; and a sentence on what was found, with the path of the picture.

    Raises:
        ModelError, EngineError: as above.
    """
    look = _look(scorer)
    found, count = look.value, len(look.found)
    if found < _floor(scorer, expected):
        raise _implausible(scorer, found, count, expected)
    label = scorer.head.task.metric.label
    return f"The float model's {label} on {count} images is {accuracy(found)}. {_shown(scorer, look)}"


def _look(scorer: Scorer) -> FirstLook:
    """What the float engine finds in a few of the images."""
    rows = some_images(scorer.images.dataset)
    found = scorer.evaluator.detections(scorer.reference(), rows)
    return FirstLook(of_images(scorer.images.dataset, rows), found)


def _floor(scorer: Scorer, expected: float | None) -> float:
    return least_plausible(expected, chance=chance_of(scorer.images.dataset))


def _shown(scorer: Scorer, look: FirstLook) -> str:
    """Where a picture of eight of these is, among the cache's logs."""
    picture = scorer.store.root / "logs" / f"found-{scorer.evaluator.key(scorer.reference())[:16]}.jpg"
    with disk_errors(scorer.store.root):
        picture.parent.mkdir(parents=True, exist_ok=True)
        save_picture(look.picture(), picture)
    return f"{SHOWN} {picture}"


def _implausible(scorer: Scorer, found: float, count: int, expected: float | None) -> ModelError:
    look, floor = _look(scorer), _floor(scorer, expected)
    wanted = "" if expected is None else f", which is {SHARE:g} of data.expect_map"
    causes = look.causes()
    ways = _otherwise_read(scorer)
    best = max(score for score, _ in ways)
    score, way = next(each for each in ways if each[0] >= NEARLY * best)  # the one that changes least
    if score >= max(floor, 2 * look.value):
        causes = f"read otherwise it has {accuracy(score)} on {len(look.found)} images, so set {way} in the study file "
        causes += "(`init` has --head and --preprocessing)"
    label = scorer.head.task.metric.label
    return ModelError(
        f"The float model's {label} on {count} images is {accuracy(found)}, below {floor:.3g}{wanted}: a search would "
        f"be one over noise. Looked at: {causes}. If the model is no better, set data.expect_map (`init`: "
        f"--expect-map) to what it has, or to 0 for no check. {_shown(scorer, look)}"
    )


def _otherwise_read(scorer: Scorer) -> list[tuple[float, str]]:
    """The accuracy on those images with other channels, another range of values, or both, and with each other head.

    Each with the line of the study file that says so.
    """
    model, dataset = scorer.model, scorer.images.dataset
    usual, some = model.preprocessing, of_images(dataset, some_images(dataset))
    channels: dict[str, Any] = {"channels": "rgb" if usual.channels == "bgr" else "bgr"}
    divide: dict[str, Any] = {"divide": 255.0 if usual.divide == 1.0 else 1.0}
    ways = [
        (f"preprocessing: {{{', '.join(f'{name}: {value}' for name, value in way.items())}}}", scorer.head, way)
        for way in (channels, divide, channels | divide)
    ]
    heads = [head for head in heads_that_fit(model) if head.kind != scorer.head.kind]
    ways += [(f"head: {head.kind}", head, vars(head.preprocessing)) for head in heads]
    found = []
    for said, head, way in ways:
        with disk_errors(Path(tempfile.gettempdir())), tempfile.TemporaryDirectory(prefix="qpareto-") as folder:
            taken = replace(model, preprocessing=replace(usual, **way))
            images = EvaluationSet.for_model(some, taken, Store(Path(folder)))
            other = replace(scorer.evaluator, images=images, head=head)
            detections = other.detections(scorer.reference(), range(len(images)))
        found.append((FirstLook(some, detections).value, said))
    return found
