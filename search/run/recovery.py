"""What becomes of a trial whose worker is lost: tried again, given up, or its candidate quarantined."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from ..study.outcome import Outcome
from ..study.record import TrialRecord
from ..study.search_study import SearchStudy, Snapshot
from .lease import Lapse

DEATHS = 2  # workers that a candidate may kill

_log = logging.getLogger(__name__)


def end_lapsed(study: SearchStudy, now: Snapshot, lapses: Sequence[Lapse], *, retries: int) -> bool:
    """End the trials whose workers are lost; whether any was.

    Of several workers that do so at once the storage takes one, as it takes either them or the lost worker itself,
    should that come back at this moment.
    """
    ended = False
    for lapse in lapses:
        outcome, reason = ending_of_loss(lapse.trial, now, how=lapse.how, why=lapse.why, retries=retries)
        if study.fail(lapse.trial.number, reason, outcome=outcome):
            _log.warning("Trial %d: %s. %s", lapse.trial.number, outcome, reason)
            ended = True
    return ended


def ending_of_loss(record: TrialRecord, now: Snapshot, *, how: Outcome, why: str, retries: int) -> tuple[Outcome, str]:
    """How a trial of a lost worker ends, which tells whether it is tried again, and its reason.

    Args:
        how: DIED or VANISHED, and `why` in a sentence.
        retries: how many workers may vanish with one candidate before it is given up.
    """
    alike = [one for one in now.records if one.number != record.number and _is_alike(one, record)]
    deaths = sum(one.outcome == Outcome.DIED for one in alike) + (how == Outcome.DIED)
    losses = sum(one.outcome.is_lost for one in alike) + 1
    if deaths >= DEATHS:
        return Outcome.QUARANTINED, f"{deaths} workers died of it. {why}"
    if losses > retries:
        return Outcome.GIVEN_UP, f"{losses} workers were lost with it, search.retries is {retries}. {why}"
    return how, why


def quarantine_of(record: TrialRecord, now: Snapshot) -> str | None:
    """The reason for which a trial is not to be measured; None if its candidate and its graph are not in quarantine."""
    for one in now.records:
        if one.outcome == Outcome.QUARANTINED and _is_alike(one, record):
            return f"Workers died in trial {one.number}, which had the same candidate or graph."
    return None


def unretried(now: Snapshot) -> Iterator[TrialRecord]:
    """Trials to be tried again, in the order in which they were begun.

    Not those whose candidate somebody has measured or is measuring: as a retry, or because several workers proposed it
    at the same moment and the first of them was lost.
    """
    taken = {(one.baseline, one.candidate) for one in now.records if one.outcome.is_taken}
    for record in now.records:
        if record.outcome.is_tried_again and (record.baseline, record.candidate) not in taken:
            yield record


def _is_alike(one: TrialRecord, other: TrialRecord) -> bool:
    return (one.candidate is not None and one.candidate == other.candidate) or (
        one.graph is not None and one.graph == other.graph
    )
