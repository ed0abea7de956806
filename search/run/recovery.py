"""What becomes of a trial whose worker is lost: tried again, given up, or its candidate quarantined."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from ..study.record import DIED, FINISHED, GIVEN_UP, INTERRUPTED, LOST, QUARANTINED, TrialRecord
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
        reason = reason_of_loss(now.records[lapse.trial.number], now, how=lapse.how, why=lapse.why, retries=retries)
        if study.fail(lapse.trial.number, reason):
            _log.warning("Trial %d: %s.", lapse.trial.number, reason)
            ended = True
    return ended


def reason_of_loss(record: TrialRecord, now: Snapshot, *, how: str, why: str, retries: int) -> str:
    """The reason with which a trial of a lost worker fails; how it begins tells whether it is tried again.

    Args:
        how: DIED or VANISHED.
        retries: how many workers may vanish with one candidate before it is given up.
    """
    alike = [one for one in now.records if one.number != record.number and _is_alike(one, record)]
    deaths = sum(one.ended_as == DIED for one in alike) + (how == DIED)
    losses = sum(one.ended_as in LOST for one in alike) + 1
    if deaths >= DEATHS:
        return f"{QUARANTINED}: {deaths} workers died of it, the last because {why}"
    if losses > retries:
        return f"{GIVEN_UP}: {losses} workers were lost with it, search.retries is {retries}; {why}"
    return f"{how}: {why}"


def quarantine_of(record: TrialRecord, now: Snapshot) -> str | None:
    """The reason for which a trial is not to be measured; None if its candidate and its graph are not in quarantine."""
    for one in now.records:
        if one.ended_as == QUARANTINED and _is_alike(one, record):
            return f"{QUARANTINED}: its workers died in trial {one.number}, which had the same candidate or graph"
    return None


def unretried(now: Snapshot) -> Iterator[TrialRecord]:
    """Trials to be tried again, in the order in which they were begun.

    Not those whose candidate somebody has measured or is measuring: as a retry, or because several workers proposed it
    at the same moment and the first of them was lost.
    """
    taken = {(one.baseline, one.candidate) for one in now.records if one.state in FINISHED | {"running"}}
    for record in now.records:
        if record.state == INTERRUPTED and (record.baseline, record.candidate) not in taken:
            yield record


def _is_alike(one: TrialRecord, other: TrialRecord) -> bool:
    return (one.candidate is not None and one.candidate == other.candidate) or (
        one.graph is not None and one.graph == other.graph
    )
