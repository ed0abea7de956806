"""A study's baselines and front as the Markdown table of docs/results.md, with machine, date and versions.

python benchmarks/results.py STUDY.yaml
"""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

from qpareto.search.api import results
from qpareto.search.points import Point
from qpareto.search.study_file import load_study_file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path)
    options = parser.parse_args()
    spec = load_study_file(options.study)
    found = results(spec)
    first = found.own_points[0].measurement
    versions = ", ".join(f"{name} {number}" for name, number in first.versions.items())
    print(
        f"{spec.name}: {len(found.records)} trials on {first.device}, {first.threads} threads, batch {first.batch}, "
        f"{first.images} images; {versions}; {datetime.datetime.now(datetime.UTC).date()}.\n"
    )
    print("| | trial | mAP50-95 | change, 95 % | latency, ms | ratio, 95 % | INT8 | calibration |")
    print("| --- | ---: | ---: | --- | ---: | --- | ---: | --- |")
    for point in found.baselines:
        print(_row(point, f"{point.baseline}{', on the front' if point in found.front else ''}"))
    for point in found.front:
        if not point.baseline:
            print(_row(point, "front"))
    print(f"\nHypervolume {found.hypervolume():.4f}.")
    for remark in found.remarks():
        print(remark)


def _row(point: Point, name: str) -> str:
    m = point.decisive
    (low, high), (least, most) = m.map50_95_change_ci, m.latency_ratio_ci
    return (
        f"| {name} | {point.trial} | {m.map50_95:.4f} | {m.map50_95_change:+.4f} ({low:+.4f} to {high:+.4f}) "
        f"| {m.latency_ms:.2f} | {m.latency_ratio:.3f} ({least:.3f} to {most:.3f}){'*' if m.flags else ''} "
        f"| {len(m.int8_layers)} | {m.calibration or '-'} |"
    )


if __name__ == "__main__":
    main()
