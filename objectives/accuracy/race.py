"""Whether a candidate is worth measuring in full: its accuracy on a part of the images, against a rival's as fast.

A candidate's latency is known first. Then it sees the N images in one random order, the same for every candidate. After
n of them its figure (mAP50-95 or top-1) less its rival's on the same images, D_n, foretells D_N, the difference in
full:

    s^2        = mean of (D_h - D_n)^2 over random halves h of the part
    D_N - D_n  has the standard error  s * sqrt(1 - n/N), parts and halves being drawn without replacement
    D_N itself has the standard error  s * sqrt(n/N), as an estimate for all images of the kind

A candidate is dominated if D_N <= z * s * sqrt(n/N): in full it would not beat its rival beyond the interval of that
difference at the level `tie`, z being its normal quantile. It is stopped once it is so with the confidence 1 - a:

    D_n + q * s * sqrt(1 - n/N) < z * s * sqrt(n/N)

where q is the quantile of Student's t at 1 - a / (1 + looks): the error a is spread evenly over what may be wrong, each
look and the rival's latency, whose sum bounds the whole (Bonferroni), and a half and its complement count as one square
of s, since what is too much in one is missing in the other. There is one rival, chosen before any image is seen, so
there is no choice among rivals to pay for. Once all images are seen its own figure decides: a candidate that scores no
more than its rival is dominated, and ties are kept, since of them only the timing is left to save.

Why halves: mAP is no mean over images, and rare classes make it jump. Over all pairs of 37 engines of YOLO11n, on
random parts of 20 to 246 of 328 COCO images, the error was 1.24 to 1.32 times what a bootstrap foretold, and 0.93 to
1.04 times what 32 halves did. Deleting half of the data is the jackknife that holds for statistics which are not smooth
(Shao & Wu, 'A general theory for jackknife variance estimation', 1989); sqrt(1 - n/N) is in Cochran, 'Sampling
Techniques', 1977. `benchmarks/search/race.py` simulates the whole on a real study.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..interval import Interval
from .bootstrap import figure_of_weights
from .coco import Accuracy, MatchTable
from .metrics import MAP, METRICS

LOOKS = (1 / 8, 1 / 4, 1 / 2)  # shares of the images after which a candidate is looked at
FEWEST_IMAGES = 16  # no look before: the errors were checked from 20 images up
HALVES = 32  # an even number: a half and its complement are drawn together

_quantile = NormalDist().inv_cdf


@dataclass(frozen=True, kw_only=True)
class Rival:
    """A front point, measured in full. Small to hand to another process.

    Args:
        trial: its number.
        value: its accuracy's figure in full, 0..1.
        latency_ratio: its latency over the reference's, with the 95 % interval.
        accuracy: the folder that its `Accuracy` was saved in.
    """

    trial: int
    value: float
    latency_ratio: Interval
    accuracy: Path

    def matches(self) -> MatchTable:
        """Of all images, read anew."""
        return Accuracy.load(self.accuracy).matches


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a candidate stands against its rival after a part of the images.

    Args:
        images: seen so far, of `of_images`.
        value: the candidate's figure on the part, 0..1. A part has fewer classes, of which mAP is higher than of the
            whole: it compares with others on the same part only.
        difference: `value` less the rival's on the same part.
        spread: s above, at least 0; NaN where no half of the part has a true box.
    """

    images: int
    of_images: int
    value: float
    difference: float
    spread: float

    @classmethod
    def of_figures(
        cls, candidate: NDArray[np.float64], rival: NDArray[np.float64], *, images: int, of_images: int
    ) -> Standing:
        """From both engines' `part_figures` of the same part."""
        whole, *halves = candidate - rival
        apart = (np.array(halves) - whole) ** 2
        return cls(
            images=images,
            of_images=of_images,
            value=float(candidate[0]),
            difference=float(whole),
            spread=math.sqrt(apart[there].mean()) if (there := np.isfinite(apart)).any() else math.nan,
        )

    @property
    def foretold_error(self) -> float:
        """Standard error of `difference` as a forecast of the difference in full; 0 once all images are seen."""
        return self.spread * math.sqrt(1 - self.images / self.of_images)

    @property
    def full_error(self) -> float:
        """Standard error that the difference in full will have itself."""
        return self.spread * math.sqrt(self.images / self.of_images)


@dataclass(frozen=True, kw_only=True)
class Race:
    """When a candidate is stopped.

    Without a latency tie the default confidence spared a replayed study of 36 engines 42 % of its images, and the last
    ten candidates 57 % of theirs, with no front point lost beyond its interval; 0.9 spared 34 %, and lost none either.

    Args:
        confidence: of being right, in (0, 1); of candidates that no rival dominates at most 1 - confidence are lost.
        tie: level, in [0, 1), of the interval of the difference in full within which a candidate better than its
            rival counts as its equal, and so as dominated. At 0 whatever is better at all is not dominated.
        latency_tie: share, in [0, 1), of a front point's latency by which a candidate must be faster to count as
            faster. At 0 whatever is faster at all does.
    """

    confidence: float = 0.8
    tie: float = 0.95
    latency_tie: float = 0.01

    def __post_init__(self) -> None:
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence must lie between 0 and 1, got {self.confidence}")
        for name, tie in (("tie", self.tie), ("latency_tie", self.latency_tie)):
            if not 0 <= tie < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, got {tie}")

    @property
    def doubt(self) -> float:
        """The error, one-sided, that each look and the rival's latency may make."""
        return (1 - self.confidence) / (1 + len(LOOKS))

    def rival(self, front: Iterable[Rival], latency_ratio: Interval) -> Rival | None:
        """The most accurate front point that a candidate is beyond doubt not faster than, ties apart; None if none.

        Both ratios are to the reference and were timed apart, so the lower limit of their difference is what it is less
        the root of the squares of the facing arms (Zou & Donner, 'Construction of confidence limits about effect
        measures', 2008), stretched from the 95 % that they are told at.

        Args:
            latency_ratio: the candidate's, with its 95 % interval.
        """
        stretch = _quantile(1 - self.doubt) / _quantile(0.975)

        def is_as_fast(point: Interval) -> bool:
            doubt = math.hypot(point.high - point.value, latency_ratio.value - latency_ratio.low)
            return latency_ratio.value - (1 - self.latency_tie) * point.value >= stretch * doubt

        able = [point for point in front if is_as_fast(point.latency_ratio)]
        return max(able, key=lambda point: point.value, default=None)

    def is_dominated(self, standing: Standing) -> bool:
        """Whether the candidate may be stopped here. False where nothing can be told yet."""
        if standing.images == standing.of_images:
            return standing.difference <= 0
        equal = _quantile((1 + self.tie) / 2) * standing.full_error
        return standing.difference + _student_quantile(1 - self.doubt) * standing.foretold_error < equal


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """What a pruned trial keeps: all that was seen of the candidate.

    Args:
        standing: at the look that stopped it.
        rival: the trial that dominates it; `rival_value` what that scores in full.
        latency_ms, latency_ratio, latency_ratio_ci: the candidate's, as in `Measurement`.
        race: the rule that stopped it.
        metric: the name of what the figures are.
    """

    standing: Standing
    rival: int
    rival_value: float
    latency_ms: float
    latency_ratio: float
    latency_ratio_ci: tuple[float, float]
    race: Race
    metric: str = MAP.name

    @property
    def value(self) -> Interval:
        """The figure foretold in full, with its 95 % interval: what a model of the candidates may learn from.

        The rival's in full plus the difference on the part. The candidate's own mAP on the part is no estimate of it.
        """
        value = self.rival_value + self.standing.difference
        arm = _quantile(0.975) * self.standing.foretold_error
        return Interval(value, value - arm, value + arm)

    def __str__(self) -> str:
        """A clause that goes on from 'trial 7: '."""
        seen, label, (value, low, high) = self.standing, METRICS[self.metric].label, self.value
        stopped, rival = (
            f"stopped after {seen.images} of {seen.of_images} images",
            f"trial {self.rival}, which is as fast",
        )
        if seen.images == seen.of_images:
            return f"{stopped}: {label} {value:.4f}, and {rival}, has {self.rival_value:.4f}"
        return (
            f"{stopped}: in full, {label} would be about {value:.4f} ({low:.4f} to {high:.4f}), "
            f"and {rival}, has {self.rival_value:.4f}"
        )

    def as_json(self) -> dict[str, Any]:
        """A JSON object with every field, values by the metric's name."""
        told = {**asdict(self), "latency_ratio_ci": list(self.latency_ratio_ci)}
        metric, standing = told.pop("metric"), told["standing"]
        told[f"rival_{metric}"], standing[metric] = told.pop("rival_value"), standing.pop("value")
        return told

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Stopped:
        """Inverse of `as_json`."""
        metric = next(metric for metric in METRICS if metric in data["standing"])
        told, standing = dict(data), dict(data["standing"])
        told["rival_value"] = told.pop(f"rival_{metric}")
        nested = {"standing": Standing(value=standing.pop(metric), **standing), "race": Race(**data["race"])}
        return cls(**{**told, **nested, "metric": metric, "latency_ratio_ci": tuple(data["latency_ratio_ci"])})


def race_order(images: int, *, seed: int) -> NDArray[np.intp]:
    """Indices of a data set's images in the order in which every candidate of a study sees them.

    Plainly random: orders that spread the rare classes made the error a quarter smaller at best, and one-sided: the
    same for every such order, and unknown to `Standing.spread`.
    """
    return np.random.default_rng(seed).permutation(images)


def looks(images: int) -> tuple[int, ...]:
    """After how many of a data set's images a candidate is looked at, ascending; none in a small data set."""
    sizes = [math.ceil(images * share) for share in LOOKS]
    return tuple(size for size in sizes if FEWEST_IMAGES <= size < images)


def standing_on_part(candidate: MatchTable, rival: MatchTable, part: NDArray[np.intp]) -> Standing:
    """How a candidate stands after a part of the images.

    Args:
        candidate: needs rows of the part only; `truths` is of the whole data set.
        part: indices of the images seen, the first of `race_order`.

    Raises:
        ValueError: the tables are of different data sets.
    """
    if not np.array_equal(candidate.truths, rival.truths):
        raise ValueError("the two tables of matches are of different data sets")
    figures = part_figures(candidate, part), part_figures(rival, part)
    return Standing.of_figures(*figures, images=len(part), of_images=len(candidate.truths))


def part_figures(table: MatchTable, part: NDArray[np.intp]) -> NDArray[np.float64]:
    """The figure on a part of the images, then on random halves of it, the same halves for every engine.

    Args:
        part: [n] indices of images, at least 2.

    Returns:
        [1 + HALVES] in 0..1; NaN where no image with a true box is left.
    """
    drawn = np.random.default_rng(len(part)).permuted(np.tile(part, (HALVES // 2, 1)), axis=1)
    weights = np.zeros((1 + HALVES, len(table.truths)), np.int64)
    weights[0, part] = 1
    np.put_along_axis(weights[1::2], drawn[:, : len(part) // 2], 1, axis=1)
    weights[2::2] = weights[0] - weights[1::2]
    return figure_of_weights(table.of_rows(np.isin(table.images, part)), weights)


def _student_quantile(share: float, freedom: int = HALVES // 2) -> float:
    """By the expansion of Abramowitz & Stegun 26.7.5: within 0.01 up to a share of 0.999, at 16 degrees of freedom."""
    x = _quantile(share)
    return x + (x**3 + x) / (4 * freedom) + (5 * x**5 + 16 * x**3 + 3 * x) / (96 * freedom**2)
