"""A float model that finds what it cannot have been trained to find ends a run before the search, and `init` too."""

from __future__ import annotations

from pathlib import Path

from ...errors import ModelError
from ...objectives.accuracy.contact_sheet import save_picture
from ...objectives.accuracy.plausible import FirstLook, least_plausible, of_images, some_images
from ...objectives.score import Scorer
from ...objectives.store import disk_errors
from ..wording import accuracy

SHOWN = "Boxes labelled and boxes found in eight images:"


def refuse_implausible(scorer: Scorer, *, expected: float | None) -> None:
    """Score the float engine on all images, as its trial would, and refuse one whose mAP is implausible.

    Args:
        expected: the study file's `data.expect_map`; 0 refuses nothing, and scores nothing.

    Raises:
        ModelError: it is below the floor: with the likely causes and the path of a picture.
        EngineError: the engine cannot be built or run.
    """
    if expected == 0:
        return
    found = scorer.evaluator.accuracy(scorer.reference()).score.map50_95
    if found < least_plausible(expected):
        look, picture = first_look(scorer)
        raise _implausible(found, len(scorer.images), expected, look, picture)


def checked_look(scorer: Scorer, *, expected: float | None) -> str:
    """The same on up to 50 images; and a sentence on what was found, with the path of the picture.

    Raises:
        ModelError, EngineError: as above.
    """
    look, picture = first_look(scorer)
    found, count = look.map50_95, len(look.found)
    if found < least_plausible(expected):
        raise _implausible(found, count, expected, look, picture)
    return f"The float model's mAP50-95 on {count} images is {accuracy(found)}. {SHOWN} {picture}"


def first_look(scorer: Scorer) -> tuple[FirstLook, Path]:
    """What the float engine finds in a few of the images, and a picture of eight of these, among the cache's logs."""
    engine, rows = scorer.reference(), some_images(scorer.images.dataset)
    found = scorer.evaluator.detections(engine, rows)
    look = FirstLook(of_images(scorer.images.dataset, rows), found)
    picture = scorer.store.root / "logs" / f"found-{scorer.evaluator.key(engine)[:16]}.jpg"
    with disk_errors(scorer.store.root):
        picture.parent.mkdir(parents=True, exist_ok=True)
        save_picture(look.picture(), picture)
    return look, picture


def _implausible(found: float, count: int, expected: float | None, look: FirstLook, picture: Path) -> ModelError:
    floor = least_plausible(expected)
    wanted = "" if expected is None else ", which is 0.8 of data.expect_map"
    return ModelError(
        f"The float model's mAP50-95 on {count} images is {accuracy(found)}, below {floor:.3g}{wanted}: a search would "
        f"be one over noise. Looked at: {look.causes()}. If the model is no better, set data.expect_map (`init`: "
        f"--expect-map) to what it has, or to 0 for no check. {SHOWN} {picture}"
    )
