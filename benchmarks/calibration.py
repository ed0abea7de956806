"""What a calibration takes: seconds and peak memory by method and number of images.

python benchmarks/calibration.py STUDY.yaml [--methods max entropy] [--sizes 16 64 343]

Each case is one process of its own, with an empty cache of calibrated models.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from qpareto.objectives.quantization.calibrate import calibrated_model
from qpareto.objectives.store import Store
from qpareto.search.run.prepare import scorer_of_spec
from qpareto.search.study_file.loading import load_study_file
from qpareto.spaces.calibration import CalibrationChoice


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path)
    parser.add_argument("--methods", nargs="+", default=["max", "entropy"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[16, 64, 343])
    options = parser.parse_args()
    print("| method | images | seconds | peak memory, MiB |\n| --- | ---: | ---: | ---: |")
    for method in options.methods:
        for size in options.sizes:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                seconds, mib = pool.apply(calibrate, (options.study, CalibrationChoice(method, size)))
            print(f"| {method} | {size} | {seconds:.1f} | {mib:.0f} |", flush=True)


def calibrate(study: Path, choice: CalibrationChoice) -> tuple[float, float]:
    """Seconds and peak MiB of the child process that calibrates."""
    scorer = scorer_of_spec(load_study_file(study), calibration_size=choice.size)
    with tempfile.TemporaryDirectory() as folder:
        scorer = replace(scorer, store=Store(Path(folder)))
        start = time.perf_counter()
        calibrated_model(scorer.model, scorer.calibration, choice, scorer.store)
        seconds = time.perf_counter() - start
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


if __name__ == "__main__":
    main()
