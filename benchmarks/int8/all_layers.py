"""What INT8 in every layer costs by each way to calibrate: mAP50-95 less that of float, on both sets of images.

python benchmarks/int8/all_layers.py STUDY.yaml [--calibrations max:256 mse:256+bias] [--keep-float REGEX]
    [--set KEY=VALUE]

Nothing is timed, so other programs may run meanwhile. What was built and scored before is found in the cache.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from qpareto.objectives.accuracy.bootstrap import accuracy_difference
from qpareto.objectives.engines.ref import EngineRef
from qpareto.objectives.score import Scorer
from qpareto.search.run.prepare import confirming, scorer_of_spec
from qpareto.search.study_file.loading import load_study_file
from qpareto.spaces.calibration import METHODS, CalibrationChoice
from qpareto.spaces.candidate import Candidate
from qpareto.spaces.layers import matching
from qpareto.spaces.masks import LayerMask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--calibrations", nargs="+", help="METHOD:SIZE or METHOD:SIZE+bias; all methods, both ways")
    parser.add_argument("--keep-float", nargs="+", default=[], help="layers or blocks that stay float")
    parser.add_argument("--set", nargs="+", default=[], dest="overrides")
    options = parser.parse_args()
    spec = load_study_file(options.study, options.overrides)
    largest = max(spec.space.calibration.sizes)
    usual = [f"{method}:{largest}{way}" for method in METHODS for way in ("", "+bias")]
    choices = [CalibrationChoice.parse(text) for text in options.calibrations or usual]
    searched = scorer_of_spec(spec, calibration_size=max(choice.size for choice in choices))
    scorers = [searched] + ([] if spec.data.confirm is None else [replace(confirming(spec, searched), build=0)])
    kept = matching(searched.layers, options.keep_float)
    mask = LayerMask.all([layer.name for layer in searched.layers]).without(kept)
    print(f"{spec.model.name}, {len(mask)} of {len(mask.layers)} layers in INT8, by {searched.options.kind}\n")
    print("| calibration |", " | ".join(f"{len(scorer.images)} images" for scorer in scorers), "|")
    print("| --- |", " | ".join("---" for _ in scorers), "|")
    for choice in choices:
        print(
            f"| {choice} |", " | ".join(change(scorer, Candidate(choice, mask)) for scorer in scorers), "|", flush=True
        )


def change(scorer: Scorer, candidate: Candidate) -> str:
    return change_of(scorer.engine(scorer.quantize(candidate)), scorer)


def change_of(engine: EngineRef, scorer: Scorer) -> str:
    """mAP50-95 less the reference's on the same images, with its 95 % interval."""
    found, reference = (scorer.evaluator.accuracy(one) for one in (engine, scorer.reference()))
    value, low, high = accuracy_difference(found.matches, reference.matches)
    return f"{value:+.4f} ({low:+.4f} to {high:+.4f})"


if __name__ == "__main__":
    main()
