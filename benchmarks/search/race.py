"""What does stopping dominated candidates early save, and what does it lose? A real study, run again in other orders.

    python benchmarks/search/race.py studies/yolo11n-coco-cpu.yaml --set cache=CACHE

The study has measured every candidate in full, and its cache holds what each image gave. Here the candidates come in
random orders (baselines first, and always in full), and each races against the front so far, on images in a random
order. Latencies are the study's, with intervals `--latency-width` wide as on a quiet machine (0 takes the study's own),
and `--coarse-width` wide while a candidate races.

A front point is one of the study measured in full. It is lost if it was stopped, and lost beyond if whatever was
measured instead, and is not slower, is less accurate beyond the 95 % interval of the difference. Regret is how much
less mAP50-95 the best of those instead has: the mean over front points, and the most in any study. `late` is the share
of images that the last ten candidates of a study saw; `untimed` are those that saw all and were no better.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qpareto.objectives.accuracy.coco import Accuracy, MatchTable
from qpareto.objectives.accuracy.race import Race, Rival, Standing, looks, part_figures, race_order
from qpareto.objectives.interval import Interval
from qpareto.search.api import results
from qpareto.search.front import front_of, hypervolume
from qpareto.search.results.points import Point
from qpareto.search.results.study_results import HYPERVOLUME_MAP_SHARE
from qpareto.search.study_file.loading import load_study_file

CONFIDENCES, TIES = (0.8, 0.9, 0.95, 0.99), (0.0, 0.68, 0.95)
ORDERS = 24  # of the images; each is shared by many orders of the candidates
LATE = 10  # candidates


@dataclass(frozen=True)
class Engine:
    """A measured candidate.

    Args:
        coarse: its latency ratio as a race knows it.
        matches: of all images.
    """

    rival: Rival
    coarse: Interval
    matches: MatchTable
    is_baseline: bool


@dataclass(frozen=True)
class Outcome:
    """One study run again: shares 0..1, and mAP50-95 lost for each front point."""

    images: float
    late: float
    stopped: float
    untimed: float
    lost: float
    beyond: float
    regrets: Sequence[float]
    hypervolume: float


class Replay:
    """A study's engines on parts of the images in one order."""

    def __init__(self, engines: Sequence[Engine], seed: int) -> None:
        self.engines, self.rivals = engines, [engine.rival for engine in engines]
        self.count = len(engines[0].matches.truths)
        self.seen = (*looks(self.count), self.count)
        order = race_order(self.count, seed=seed)
        self.maps = np.array([[part_figures(e.matches, order[:n]) for n in self.seen] for e in engines])
        self.losses = np.array([(-r.value, r.latency_ratio.value) for r in self.rivals])

    def standing(self, one: int, other: int, look: int) -> Standing:
        maps = self.maps[one, look], self.maps[other, look]
        return Standing.of_figures(*maps, images=self.seen[look], of_images=self.count)

    def run(self, race: Race, order: Sequence[int]) -> Outcome:
        """Race the engines in this order."""
        measured: list[int] = []
        looks_seen: list[int] = []
        for one in order:
            look, stopped = self._end(race, one, measured)
            looks_seen.append(look)
            if not stopped:
                measured.append(one)
        return self._outcome(measured, looks_seen)

    def _end(self, race: Race, one: int, measured: Sequence[int]) -> tuple[int, bool]:
        """Index of the last look at a candidate, and whether it was dominated there; a baseline never is."""
        last = len(self.seen) - 1
        rival = race.rival([self.rivals[i] for i in measured], self.engines[one].coarse)
        if rival is None or self.engines[one].is_baseline:
            return last, False
        other = self.rivals.index(rival)
        stops = (i for i in range(len(self.seen)) if race.is_dominated(self.standing(one, other, i)))
        return next(((i, True) for i in stops), (last, False))

    def _outcome(self, measured: Sequence[int], looks_seen: Sequence[int]) -> Outcome:
        front = np.flatnonzero(front_of(self.losses))
        instead = {int(i): self._instead(int(i), measured) for i in front}
        corner = (HYPERVOLUME_MAP_SHARE * self.losses[:, 0].min(), 1.0)
        volume, kept = (hypervolume(self.losses[some], corner) for some in (front, list(measured)))
        seen = np.array(self.seen)[looks_seen] / self.count
        return Outcome(
            images=float(seen.mean()),
            late=float(seen[-LATE:].mean()),
            stopped=float((seen < 1).mean()),
            untimed=float((seen == 1).mean() - len(measured) / len(seen)),
            lost=float(np.mean([i not in measured for i in front])),
            beyond=float(np.mean([all(self._is_better(i, j) for j in some) for i, some in instead.items()])),
            regrets=[-self.losses[i, 0] + self.losses[some, 0].min() for i, some in instead.items()],
            hypervolume=kept / volume,
        )

    def _instead(self, one: int, measured: Sequence[int]) -> list[int]:
        """Those measured that are not slower, or not beyond the interval of both latencies."""
        mine = self.rivals[one].latency_ratio

        def margin(other: Interval) -> float:
            return math.hypot(mine.high - mine.value, other.value - other.low)

        ratios = {i: self.rivals[i].latency_ratio for i in measured}
        return [i for i, ratio in ratios.items() if ratio.value <= mine.value + margin(ratio)]

    def _is_better(self, one: int, other: int) -> bool:
        full = self.standing(one, other, len(self.seen) - 1)
        return full.difference > 1.96 * full.full_error


def main() -> None:
    arguments = _arguments()
    spec = load_study_file(arguments.study, arguments.set)
    engines = engines_of_study(results(spec).own_points, spec.cache, arguments.latency_width, arguments.coarse_width)
    with ProcessPoolExecutor() as pool:
        replays = list(pool.map(Replay, [engines] * ORDERS, range(ORDERS)))
    baselines = [i for i, engine in enumerate(engines) if engine.is_baseline]
    others = np.setdiff1d(np.arange(len(engines)), baselines)
    front = front_of(replays[0].losses).sum()
    print(f"{spec.name}: {len(engines)} engines, {front} on the front, {replays[0].count} images, looks at ", end="")
    print(f"{looks(replays[0].count)}, {arguments.studies} studies.\n")
    print("| confidence | tie | images | late | stopped | untimed | lost | beyond | mean regret | most | volume kept |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for confidence in CONFIDENCES:
        for tie in TIES:
            rng = np.random.default_rng(0)
            outcomes = [
                replays[i % ORDERS].run(Race(confidence=confidence, tie=tie), [*baselines, *rng.permutation(others)])
                for i in range(arguments.studies)
            ]
            print(_row(confidence, tie, outcomes), flush=True)


def engines_of_study(points: Sequence[Point], cache: Path, latency_width: float, coarse_width: float) -> list[Engine]:
    """The study's points, each with its matches: the cached ones whose scores are the measurement's to the last bit."""
    cached: dict[tuple[object, ...], Path] = {}
    for folder in (cache / "accuracy").glob("[!.]*"):
        kept = Accuracy.load(folder).score
        cached[kept.value, *kept.beside.values()] = folder
    engines = []
    for point in points:
        score, ratio = point.measurement.accuracy, point.measurement.timing.ratio
        interval = _interval(ratio.value, latency_width) if latency_width else ratio
        folder = cached[score.value, *score.beside.values()]
        rival = Rival(trial=point.trial, value=score.value, latency_ratio=interval, accuracy=folder)
        coarse = _interval(ratio.value, coarse_width)
        engines.append(Engine(rival, coarse, rival.matches(), point.baseline is not None))
    return engines


def _interval(ratio: float, width: float) -> Interval:
    return Interval(ratio, ratio * (1 - width / 2), ratio * (1 + width / 2))


def _row(confidence: float, tie: float, outcomes: Sequence[Outcome]) -> str:
    means = {
        name: float(np.mean([getattr(outcome, name) for outcome in outcomes]))
        for name in ("images", "late", "stopped", "untimed", "lost", "beyond", "hypervolume")
    }
    regrets = np.array([outcome.regrets for outcome in outcomes])
    shares = " | ".join(f"{100 * means[name]:.1f} %" for name in list(means)[:-1])
    return (
        f"| {confidence} | {tie} | {shares} | {regrets.mean():.4f} | {regrets.max():.4f} "
        f"| {100 * means['hypervolume']:.2f} % |"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="over the study file's value")
    parser.add_argument("--studies", type=int, default=480)
    parser.add_argument("--latency-width", type=float, default=0.01, help="of the ratio's 95 %% interval, relative")
    parser.add_argument("--coarse-width", type=float, default=0.03, help="likewise, while a candidate races")
    return parser.parse_args()


if __name__ == "__main__":
    main()
