"""Finalists, held to account: built afresh and measured again, on images that the search never saw if there are any.

A search picks lucky figures: of many masks that are equal but for noise, the one with the luckiest noise comes to the
front. Its measurement once more, on other images, has no such bias. What it is compared with, the recipes and the
reference, is measured in the same way. Each is timed in several processes, of two builds where the search's own is
still at hand.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ...errors import CandidateError
from ...objectives.finalist import measure_finalist
from ...objectives.measurement import Measurement
from ...objectives.score import Scorer
from ...objectives.store.share import do_all
from ...objectives.store.turn import turn
from ..results.points import Point
from ..results.study_results import Results, results_of_study
from ..study.attributes import StudyAttributes
from ..study.search_study import SearchStudy
from ..study_file.spec import StudySpec
from .prepare import confirming

MOST_ROUNDS = 3  # of a front whose points turn out worse than they looked

_log = logging.getLogger(__name__)


def confirm_front(spec: StudySpec, study: SearchStudy, scorer: Scorer) -> None:
    """Measure the front, the recipes and the reference once more, as far as they were not; the study keeps both.

    Workers that do so at once share it out. Where a point cannot be built again, or one behind it beats beyond doubt
    what is left, others come to the front: they are measured too, at most `MOST_ROUNDS` times.

    Raises:
        DatasetError: the confirmation images are at fault, or some of them were evaluated or calibrated on.
        DiskError: the disk is full; what is confirmed is kept.
    """
    for _ in range(MOST_ROUNDS):
        if not (waiting := _unconfirmed(results_of_study(study))):
            return
        confirm_points(spec, study, scorer, waiting)


def confirm_points(spec: StudySpec, study: SearchStudy, scorer: Scorer, waiting: Sequence[Point]) -> None:
    """Measure these points once more. Raises the same."""
    again = confirming(spec, replace(scorer, unit_ms=study.reference_ms))
    folder, count = again.store.root / "engines", len(waiting)

    def confirm(number: int, point: Point) -> None:
        with turn(folder / f".{_name(point)}-confirmed.lock"):
            if point.trial not in study.stored.confirmed:
                _log.info("confirming trial %s, %d of %d, on %d images", point.title, number, count, len(again.images))
                study.keep(StudyAttributes(confirmed={point.trial: _measured_again(point, again)}))

    parts = {_name(point): partial(confirm, number, point) for number, point in enumerate(waiting, start=1)}
    do_all(parts, folder=folder)


def _measured_again(point: Point, again: Scorer) -> Measurement | CandidateError:
    engine = point.measurement.engine
    candidate = engine.candidate([layer.name for layer in again.layers])
    try:
        return measure_finalist(again, candidate, float_type=engine.float_type)
    except CandidateError as error:
        return error


def _name(point: Point) -> str:
    """The same for all workers that confirm it."""
    return "-".join(point.measurement.engine.identity)


def _unconfirmed(results: Results) -> list[Point]:
    """An engine that several recipes made is one point."""
    recipes = {r.number if r.reused_from is None else r.reused_from for r in results.records if r.baseline}
    better = {other.trial for point in results.front for other in results.beaten_by(point)}
    wanted = {point.trial for point in results.front} | recipes | better
    if results.reference is not None:
        wanted.add(results.reference.trial)
    return [point for point in results.points if point.trial in wanted and point.confirmed is None]
