"""Whether an engine's speed depends on the image: the 64 images of a timing in turn, against one again and again.

    python benchmarks/images.py STUDY

For the reference of a study file and the engine with all layers in INT8. Where the ratio is off 1 by more than
`--within`, beyond its interval, latency is that of the evaluation images, and other images may give another.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from qpareto.objectives.accuracy.sample import turns
from qpareto.objectives.engines.ref import EngineRef
from qpareto.objectives.promises.measuring import verdict_on_images
from qpareto.objectives.score import Scorer
from qpareto.search.run.prepare import scorer_of_spec, space_of_spec
from qpareto.search.study_file.loading import load_study_file


def main() -> None:
    options = _arguments()
    spec = load_study_file(options.study, options.set)
    scorer = scorer_of_spec(spec)
    calibration = space_of_spec(spec, scorer.layers).calibrations[-1]
    engines = {"reference": scorer.reference(), f"all INT8, {calibration}": scorer.all_int8(calibration)}
    batch = scorer.options.batch
    print(f"{scorer.kind.device_name()}, {len(turns(len(scorer.images), batch))} inputs of batch {batch} against one\n")
    print("| engine | pairs | in turn over one | 95 % | its speed | disturbed by |")
    print("| --- | ---: | ---: | ---: | --- | --- |")
    for name, engine in engines.items():
        print(_row(name, engine, scorer, within=options.within))


def _row(name: str, engine: EngineRef, scorer: Scorer, *, within: float) -> str:
    timed = scorer.clock().images_against_one(engine)
    ratio, low, high = timed.ratio
    disturbed = ", ".join(timed.flags) or "nothing"
    told = f"| {name} | {timed.pairs} | {ratio:.4f} | {low:.4f} to {high:.4f}"
    return f"{told} | {verdict_on_images(timed, within=within)} | {disturbed} |"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("study", type=Path, help="study file")
    parser.add_argument("--within", type=float, default=0.01, help="part of the latency that is no difference")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    return parser.parse_args()


if __name__ == "__main__":
    main()
