"""Sensitivity: how long it takes, and how well the harm of a mask foretells the mAP that a study measured.

python benchmarks/sensitivity.py STUDY.yaml [--images N] [--set KEY=VALUE ...]
The study is one that has run; its calibrations are found in its cache.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qpareto.objectives.quantization.calibrate import calibrated_model
from qpareto.objectives.quantization.sensitivity import Sensitivity
from qpareto.objectives.score import Scorer
from qpareto.objectives.store import Store
from qpareto.search.api import results
from qpareto.search.run.prepare import scorer_of_spec
from qpareto.search.study_file.loading import load_study_file
from qpareto.spaces.calibration import CalibrationChoice
from qpareto.spaces.masks import layers_of_word

Floats = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path)
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    spec = load_study_file(options.study, options.set)
    scorer = scorer_of_spec(spec)
    offered = spec.space.calibration
    found = {
        method: _timed(scorer, CalibrationChoice(method, max(offered.sizes)), options.images)
        for method in offered.methods
    }
    harms, drops = [], []
    for point in results(spec).own_points:
        measured = point.measurement
        engine = measured.engine
        if engine.calibration and engine.float_type == spec.engine.float_type:
            sensitivity = found[CalibrationChoice.parse(engine.calibration).method]
            harms.append(sensitivity.harm[layers_of_word(engine.mask)].sum())
            drops.append(-measured.accuracy.change.value)
    _print_foretold(np.array(harms), np.array(drops))


def _timed(scorer: Scorer, choice: CalibrationChoice, images: int) -> Sensitivity:
    """Measured anew, though the study may have it; the calibration, which counts as its own step, is not."""
    calibrated_model(scorer.model, scorer.calibration, choice, scorer.store)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "calibrated").symlink_to(scorer.store.root / "calibrated")
        anew = replace(scorer, store=Store(Path(folder)))
        wall, cpu = time.perf_counter(), _cpu_s()
        found = anew.sensitivity(choice, images=images)
        wall, cpu = time.perf_counter() - wall, _cpu_s() - cpu
    print(
        f"{choice}: {len(found.layers)} layers, {found.images} images: {wall:.1f} s, {cpu:.1f} s of CPU time, ", end=""
    )
    print(f"{os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}")
    print(f"harm of all layers, summed {found.harm.sum():.3e}")
    box, score = found.all_int8
    print(f"errors of all layers at once: box {box:.4f}, score {score:.4f};", end=" ")
    root = np.sqrt((found.one_at_a_time**2).sum(axis=0))
    print(f"roots of the squares' sums: box {root[0]:.4f}, score {root[1]:.4f}")
    return found


def _cpu_s() -> float:
    used: Any = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return float(sum(u.ru_utime + u.ru_stime for u in used))


def _print_foretold(harms: Floats, drops: Floats) -> None:
    slope = float(harms @ drops / (harms @ harms))
    left = float(np.sqrt(np.mean((drops - slope * harms) ** 2)))
    print("\n| trials | Spearman | Pearson | drop = slope x harm | left over, mAP | spread of drops |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    spearman, pearson = np.corrcoef(_ranks(harms), _ranks(drops))[0, 1], np.corrcoef(harms, drops)[0, 1]
    print(f"| {len(drops)} | {spearman:.2f} | {pearson:.2f} | {slope:.2f} | {left:.4f} | {drops.std():.4f} |")


def _ranks(values: Floats) -> Floats:
    """Equal values share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks


if __name__ == "__main__":
    main()
