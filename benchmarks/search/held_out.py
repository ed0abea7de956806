r"""What a recorded front is worth on images that no search saw: the change in mAP50-95, before and after.

    python benchmarks/search/held_out.py studies/yolo11n-coco-cpu.yaml recorded/yolo11n-coco-cpu.jsonl \
        --run ours+warm --set data.confirm.images=DIR --set data.confirm.annotations=FILE

Every recipe and every point of a run's front is built afresh and scored on `data.confirm`; what the search saw of it
stands beside that. Nothing is timed, so other programs do no harm.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from compare import OURS, front_of_lines, measured
from qpareto.objectives.accuracy.bootstrap import accuracy_difference
from qpareto.objectives.score import Scorer
from qpareto.search.run.prepare import confirming, scorer_of_spec, space_of_spec
from qpareto.search.study_file.loading import load_study_file
from qpareto.spaces.space import Space
from recording import Line, Recording, candidate_of_line


def change_of_line(line: Line, scorer: Scorer, space: Space) -> tuple[float, float, float]:
    """The change in mAP50-95 against the float engine on the scorer's images, with its 95 % interval."""
    quantized = scorer.quantize(candidate_of_line(line, space))
    if quantized.graph_hash != line["graph_hash"]:
        raise ValueError(f"the mask {line['mask']} makes another graph than was recorded: record anew")
    found = scorer.evaluator.accuracy(scorer.engine(quantized))
    return accuracy_difference(found.matches, scorer.evaluator.accuracy(scorer.reference()).matches)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("recording", type=Path)
    parser.add_argument("--run", default=OURS, help="whose front is looked at")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="over the study file's value")
    arguments = parser.parse_args()
    spec = load_study_file(arguments.study, arguments.set)
    if spec.data.confirm is None:
        parser.error("the study file names no data.confirm: --set data.confirm.images=DIR and .annotations=FILE")
    searched = scorer_of_spec(spec)
    scorer, space = confirming(spec, searched), space_of_spec(spec, searched.layers)
    recording = Recording.opened(arguments.recording)
    front = front_of_lines(measured(recording.of_run(arguments.run)))
    lines = {name: line for name, line in recording.baselines.items() if line["float_type"] == recording.float_type}
    lines |= {f"{arguments.run}, {line['mask']}": line for line in front}
    print(f"{len(searched.images)} images searched on, {len(scorer.images)} that no search saw\n")
    print("| | latency ratio | change where it was searched | change on images that no search saw |")
    print("| --- | ---: | --- | --- |")
    for name, line in lines.items():
        low, high = line["map50_95_change_ci"]
        change, least, most = change_of_line(line, scorer, space)
        seen = f"{line['map50_95_change']:+.4f} ({low:+.4f} to {high:+.4f})"
        print(f"| {name} | {line['latency_ratio']:.3f} | {seen} | {change:+.4f} ({least:+.4f} to {most:+.4f}) |")


if __name__ == "__main__":
    main()
