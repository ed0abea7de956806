"""What racing saves a real study, and whether its front is the same: one study with, one without, from the same start.

    python benchmarks/search/staged.py studies/yolo11n-coco-cpu.yaml --out runs/staged [--trials 60] [--set KEY=VALUE]

Both take turns, a few trials at a time, so that a drift of the machine hits them alike. Calibrations, images and
sensitivities are made beforehand and shared; engines and their accuracies are not. Killed and started again, it goes on
where it was; interrupted trials do not count. `seconds` are those of trials, from their beginning to their end.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from compare import is_held
from qpareto.objectives.store import Store
from qpareto.search.api import results, run_study
from qpareto.search.results.study_results import Results
from qpareto.search.run.known import graph_of_study
from qpareto.search.run.prepare import scorer_of_spec, space_of_spec
from qpareto.search.study.opening import open_study
from qpareto.search.study.outcome import Outcome
from qpareto.search.study.record import TrialRecord
from qpareto.search.study_file.loading import load_study_file
from qpareto.search.study_file.spec import StudySpec
from qpareto.spaces.calibration import CalibrationChoice
from qpareto.spaces.candidate import Candidate
from qpareto.spaces.masks import LayerMask

RUNS = ("raced", "unraced")
TURN = 5  # trials
OWN = ("engines", "accuracy", "logs")  # what of the cache each run makes for itself


@dataclass(frozen=True)
class Run:
    """A study so far.

    Args:
        seconds: of each finished trial, by its number.
    """

    found: Results
    seconds: dict[int, float]

    @property
    def finished(self) -> list[TrialRecord]:
        return [record for record in self.found.records if record.number in self.seconds]

    def seconds_of(self, records: Sequence[TrialRecord]) -> str:
        """Count and median."""
        spent = [self.seconds[record.number] for record in records]
        return f"{len(spent)}, {median(spent):.1f} s" if spent else "0"

    def images(self) -> int:
        """How many times an image was evaluated."""
        fresh = [record for record in self.finished if record.reused_from is None]
        in_full = sum(record.measurement.accuracy.images for record in fresh if record.measurement)
        return in_full + sum(record.stopped.standing.images for record in fresh if record.stopped)


def main() -> None:
    arguments = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    specs = {name: _spec(arguments, name) for name in RUNS}
    _share(load_study_file(arguments.study, arguments.set), [spec.cache for spec in specs.values()])
    for trials in [*range(TURN, arguments.trials, TURN), arguments.trials]:
        for name, spec in specs.items():
            found = run_study(spec, trials=trials)
            logging.info("%s: %d trials", name, len(found.records))
    runs = {name: _run(spec) for name, spec in specs.items()}
    _print(arguments.study.stem, runs)


def _spec(arguments: argparse.Namespace, name: str) -> StudySpec:
    folder = arguments.out.absolute() / name
    overrides = [f"name={name}", f"storage=sqlite:///{folder}/study.db", f"cache={folder}/cache", "data.confirm=null"]
    race = [] if name == "raced" else ["search.race=null"]
    return load_study_file(arguments.study, [*arguments.set, *overrides, *race])


def _share(spec: StudySpec, caches: Sequence[Path]) -> None:
    """Make what both runs share, and let their caches point to it."""
    scorer = scorer_of_spec(spec)
    space = space_of_spec(spec, scorer.layers)
    everything = LayerMask.all([layer.name for layer in scorer.layers])
    for method in space.methods:
        for size in space.sizes:
            scorer.quantize(Candidate(CalibrationChoice(method, size), everything))
    graph_of_study(scorer, space, spec.objectives)
    for cache in caches:
        cache.mkdir(parents=True, exist_ok=True)
        for kind in Store(spec.cache).root.iterdir():
            if kind.name not in OWN and not (cache / kind.name).exists():
                (cache / kind.name).symlink_to(kind.absolute())


def _run(spec: StudySpec) -> Run:
    study = open_study(spec)
    ended = {record.number for record in study.records() if record.outcome.counts}
    seconds = {
        trial.number: trial.duration.total_seconds()
        for trial in study.look().trials
        if trial.number in ended and trial.duration is not None
    }
    return Run(results(spec), seconds)


def _print(name: str, runs: dict[str, Run]) -> None:
    first = runs["unraced"].found.own_points[0].measurement
    print(f"{name} on {first.provenance.device}, {first.accuracy.images} images; {first.provenance.versions}\n")
    print("| | trials | seconds | baselines | in full | stopped | untimed | failed | images | hypervolume |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for label, run in runs.items():
        print(_row(label, run))
    totals = [(sum(run.seconds.values()), run.images()) for run in (runs[name] for name in RUNS)]
    seconds, images = (1 - raced / unraced for raced, unraced in zip(*totals, strict=True))
    print(f"\nRacing saves {seconds:.1%} of the time and {images:.1%} of the images.\n")
    _print_fronts(runs)


def _row(label: str, run: Run) -> str:
    """`stopped` on a part of the images; `untimed` on all of them."""
    others = [record for record in run.finished if not record.baseline]
    stopped = [(record, record.stopped.standing) for record in others if record.stopped]
    groups = (
        [record for record in run.finished if record.baseline],
        [record for record in others if record.outcome == Outcome.COMPLETE],
        [record for record, standing in stopped if standing.images < standing.of_images],
        [record for record, standing in stopped if standing.images == standing.of_images],
    )
    failed = sum(record.outcome.has_failed for record in run.finished)
    return (
        f"| {label} | {len(run.finished)} | {sum(run.seconds.values()):.0f} "
        f"| {' | '.join(map(run.seconds_of, groups))} | {failed} | {run.images()} | {run.found.hypervolume():.4f} |"
    )


def _print_fronts(runs: dict[str, Run]) -> None:
    """Every point of either front, and which points of the other are as good within the intervals of both."""
    print("| front | trial | change of mAP50-95, 95 % | ratio, 95 % | as good in the other |")
    print("| --- | ---: | --- | --- | --- |")
    for (label, run), other in zip(runs.items(), reversed(runs.values()), strict=True):
        for point in run.found.own_front:
            m = point.measurement
            (change, low, high), (ratio, least, most) = m.accuracy.change, m.timing.ratio
            equals = [each.trial for each in other.found.own_front if is_held(m.as_json(), each.measurement.as_json())]
            print(
                f"| {label} | {point.trial} | {change:+.4f} ({low:+.4f} to {high:+.4f}) "
                f"| {ratio:.3f} ({least:.3f} to {most:.3f}){'*' if m.timing.flags else ''} "
                f"| {', '.join(map(str, equals)) or 'none'} |"
            )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder of both studies; the same goes on")
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="over the study file's value")
    return parser.parse_args()


if __name__ == "__main__":
    main()
