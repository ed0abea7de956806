"""The figures that count of one engine: of all its measurements the best one for each, and where they are from.

A search picks lucky figures on the images that it scores, so the accuracy on images that it never saw comes first,
whoever measured later on its own. A latency differs from build to build and from process to process, so the last one
comes first: that of the very engine that is exported, then that of a second build. All that is reported of a point,
and every choice between points, stands on these.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

from ...objectives.latency.spread import Spread
from ...objectives.measurement import Measurement
from ..wording import accuracy, change, ratio

# Accuracy that may be lost by who is called as accurate as the reference: the loss is below it over the whole of its
# 95 % interval, as in a trial of non-inferiority. It is half of the point (0.01) that a product usually may lose, and
# about what a few hundred images can show: their intervals reach 0.002 to 0.01 to either side.
NO_LOSS = 0.005

_TOLD = ("images", "latency_ms", "latency_ratio", "latency_ratio_ci")
SEARCHED, AGAIN, AFRESH = "from the search", "confirmed by a second build", "measured anew at export"
_REACH = NormalDist().inv_cdf(0.975)  # standard deviations from the middle of a 95 % interval to its end


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One engine's figures that count.

    Args:
        measurement: whole; its accuracy may be of other images than those that the search scored.
        accuracy_from, latency_from: in words that may follow `0.700 of the reference, `.
        held_out: whether the accuracy is of images that the search never saw.
    """

    measurement: Measurement
    accuracy_from: str
    latency_from: str
    held_out: bool = False

    def __str__(self) -> str:
        """`mAP50-95 0.4044 (-0.0103), 18.321 ms (0.582 of the reference), from the search`."""
        if self.accuracy_from == self.latency_from:
            return f"{in_words(self.measurement)}, {self.accuracy_from}"
        return in_words(self.measurement, f", {self.accuracy_from}", f", {self.latency_from}")

    def as_json(self) -> dict[str, Any]:
        """`map50_95_change` and `latency_ratio` with their intervals (`_ci`), `map50_95`, `images`, `latency_ms`.

        Of a classifier `top1` and `top1_change` instead. Where they are from: `accuracy_from`, `latency_from`.
        """
        whole, metric = self.measurement.as_json(), self.measurement.accuracy.metric.name
        told = (metric, f"{metric}_change", f"{metric}_change_ci", *_TOLD)
        sources = {"accuracy_from": self.accuracy_from, "latency_from": self.latency_from}
        return {name: whole[name] for name in told} | sources


def figures_of(
    searched: Measurement,
    *,
    confirmed: Measurement | None = None,
    fresh: Measurement | None = None,
    spread: Spread | None = None,
) -> Figures:
    """The figures that count.

    Args:
        confirmed: of the same mask, built and measured once more after the search.
        fresh: of the engine that is exported, on the search's own images.
        spread: of timings, where the study knows it better than each measurement did; the latency's interval is by it.
    """
    held_out = confirmed is not None and confirmed.accuracy.dataset_hash != searched.accuracy.dataset_hash
    again = f"confirmed on {confirmed.accuracy.images} other images" if confirmed and held_out else AGAIN
    last, latency_from = (fresh, AFRESH) if fresh else (confirmed, again) if confirmed else (searched, SEARCHED)
    scored, accuracy_from = (confirmed.accuracy, again) if confirmed and held_out else (last.accuracy, latency_from)
    timing = last.timing.by_spread(spread) if spread and last.timing.spread is not None else last.timing
    found = replace(last, accuracy=scored, timing=timing)
    return Figures(measurement=found, accuracy_from=accuracy_from, latency_from=latency_from, held_out=held_out)


def in_words(found: Measurement, accuracy_from: str = "", latency_from: str = "") -> str:
    """`mAP50-95 0.4044 (-0.0103), 18.321 ms (0.582 of the reference)`."""
    scored, timed = found.accuracy, found.timing
    return (
        f"{scored.label} {accuracy(scored.value)} ({change(scored.change.value)}{accuracy_from}), "
        f"{ratio(timed.ms)} ms ({ratio(timed.ratio.value)} of the reference{latency_from})"
    )


def is_as_accurate(found: Measurement) -> bool:
    """Whether it loses less than `NO_LOSS` against the reference over the whole of its paired 95 % interval."""
    return min(found.accuracy.change) > -NO_LOSS


def expected_luck(found: Measurement, rivals: int) -> float:
    """By how much accuracy the best of several that tie is expected to look better than it is, at most.

    The expectation of the greatest of n independent errors is their deviation times that of the greatest of n standard
    normals, by Blom, 'Statistical estimates and transformed beta-variables' (1958): the quantile at
    (n - 0.375) / (n + 0.25). Smith and Winkler, 'The optimizer's curse', Management Science 52 (2006), 311-322, tell
    why who chooses by the greatest must expect it. Errors on the same images go together, which makes it less
    (Slepian's inequality), so this is an upper bound.

    Args:
        rivals: how many others tie with it, at least 0; without any there was nothing to pick from, and it is 0.
    """
    _, low, high = found.accuracy.change
    n = rivals + 1
    return (high - low) / (2 * _REACH) * NormalDist().inv_cdf((n - 0.375) / (n + 0.25))
