"""Finalists, held to account: built afresh and measured again, on images that the search never saw if there are any.

A search picks lucky figures: of many masks that are equal but for noise, the one with the luckiest noise comes to the
front. Its measurement once more, on other images, has no such bias.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from ...errors import CandidateError
from ...objectives.score import Scorer
from ..results import results_of_study
from ..spec import StudySpec
from ..study import SearchStudy
from .prepare import confirming

_log = logging.getLogger(__name__)


def confirm_front(spec: StudySpec, study: SearchStudy, scorer: Scorer) -> None:
    """Measure every point of the front once more that was not yet; the study keeps both measurements.

    Raises:
        DatasetError: the confirmation images are at fault, or some of them were evaluated or calibrated on.
        DiskError: the disk is full; what is confirmed is kept.
    """
    waiting = [point for point in results_of_study(study).front if point.confirmed is None]
    if not waiting:
        return
    unit_ms = study.look().unit_ms
    again = confirming(spec, scorer if unit_ms is None else replace(scorer, unit_ms=unit_ms))
    names = [layer.name for layer in scorer.layers]
    for i, point in enumerate(waiting, start=1):
        _log.info(
            "confirming trial %d, %d of %d, on %d images", point.trial, i, len(waiting), len(again.dataset.images)
        )
        candidate = point.measurement.candidate(names)
        try:
            study.confirm(point.trial, again.measure(candidate, again.quantize(candidate)))
        except CandidateError as error:
            study.confirm(point.trial, error)
