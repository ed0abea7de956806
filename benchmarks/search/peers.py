"""What else makes INT8 engines for OpenVINO, on the same engine and data as a study: NNCF, asked in several ways.

    pip install nncf
    python benchmarks/search/peers.py studies/yolo11n-coco-cpu.yaml studies/yolov5n-coco-cpu.yaml --out peers.json

Every engine is scored and timed as a study's candidates are, against the same float engine; `float` is that engine on
NNCF's way and must come out as its equal. NNCF calibrates on the first 300 images of the study's seeded order, its own
default, or on all if there are fewer; accuracy control validates on the study's evaluation images, as its user would.

Killed and started again, it goes on where it was. NNCF works beside other programs: `wall, s` leaves out what it waited
while engines were timed, and `CPU, s` is all that it used itself.
"""

from __future__ import annotations

import argparse
import datetime
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nncf_engine import COST, Material, Recipe, make_engine
from qpareto.errors import CandidateError
from qpareto.objectives.accuracy.bootstrap import map_difference
from qpareto.objectives.accuracy.image_files import list_images
from qpareto.objectives.engines import engine_kind
from qpareto.objectives.engines.build import engine_bytes
from qpareto.objectives.engines.child import run_in_child
from qpareto.objectives.engines.inspection import Inspection
from qpareto.objectives.latency.lock import device_lock
from qpareto.objectives.score import Scorer
from qpareto.objectives.store import content_key, write_whole
from qpareto.search.run.prepare import check_runs, scorer_of_spec
from qpareto.search.study_file import load_study_file

SUBSET_SIZE = 300  # NNCF's default
PEERS: Mapping[str, Recipe] = {  # in the order of measuring: the quick ones first
    "float": Recipe(preset=None),
    "mixed": Recipe(preset="mixed"),
    "performance": Recipe(preset="performance"),
    "mixed, float decode": Recipe(preset="mixed", float_decode=True),
    "performance, float decode": Recipe(preset="performance", float_decode=True),
    "accuracy control 0.005, float decode": Recipe(preset="mixed", float_decode=True, max_drop=0.005),
    "accuracy control 0.005": Recipe(preset="mixed", max_drop=0.005),
    "accuracy control 0.01, float decode": Recipe(preset="mixed", float_decode=True, max_drop=0.01),
    "accuracy control 0.01": Recipe(preset="mixed", max_drop=0.01),
}

Row = dict[str, Any]


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    arguments = _arguments()
    held: list[Row] = json.loads(arguments.out.read_text(encoding="utf-8")) if arguments.out.exists() else []
    rows = [row for row in held if "failed" not in row]  # whoever was killed, or ran out of time, is tried again
    scorer_of_study = cache(lambda path: _scorer(path, arguments.set))
    for peer in arguments.peers:
        for study in arguments.studies:
            if any((row["study"], row["peer"]) == (study.stem, peer) for row in rows):
                continue
            row = _measured(scorer_of_study(study), peer, arguments.timeout_s)
            rows.append({"study": study.stem, "peer": peer, **row})
            write_whole(arguments.out, json.dumps(rows, indent=1) + "\n")
            logging.info("%s", _line(rows[-1]))
    _print_table(rows)


def _scorer(study: Path, overrides: Sequence[str]) -> Scorer:
    spec = load_study_file(study, overrides)
    size = min(SUBSET_SIZE, len(list_images(spec.data.calibration)))
    with device_lock(engine_kind(spec.engine.kind).device_id(), exclusive=False):
        scorer = scorer_of_spec(spec, calibration_size=size)
    check_runs(scorer)
    return scorer


def _measured(scorer: Scorer, peer: str, timeout_s: float) -> Row:
    """All that is told of a peer; a peer that fails is told of with its reason."""
    recipe = PEERS[peer]
    told = {
        **asdict(recipe),
        "calibration_images": len(scorer.calibration.hashes),
        "images": len(scorer.dataset.images),
        "device": scorer.kind.device_name(),
        "versions": _versions(scorer),
        "date": str(datetime.datetime.now(datetime.UTC).date()),
    }
    try:
        return told | _scored(scorer, _engine(scorer, recipe, timeout_s))
    except CandidateError as error:
        return told | {"failed": str(error)}


def _versions(scorer: Scorer) -> dict[str, str]:
    return {**scorer.versions, "nncf": version("nncf")}


def _engine(scorer: Scorer, recipe: Recipe, timeout_s: float) -> Path:
    """The engine's folder in the study's cache, made unless it is there."""
    material = Material(
        ir=scorer.reference / "engine.xml",
        calibration=scorer.calibration.pixels,
        subset_size=len(scorer.calibration.hashes),
        pixels=scorer.pixels,
        dataset=scorer.dataset,
        head=scorer.head,
        head_block=scorer.layers[-1].block,
        device=scorer.kind.device_id(),
    )
    key = content_key(
        recipe=asdict(recipe),
        reference=scorer.reference.name,
        calibration=scorer.calibration.hashes,
        scored=[scorer.pixels.content_hash, scorer.dataset.content_hash],
        versions=_versions(scorer),
    )
    log_path = scorer.store.root / "logs" / f"peer-{key}.log"
    logging.info("%s: its log is %s", recipe, log_path)

    def fill(folder: Path) -> None:
        run_in_child(make_engine, material, recipe, folder, timeout_s=timeout_s, log_path=log_path)

    return scorer.store.make("peers", key, fill)


def _scored(scorer: Scorer, engine: Path) -> Row:
    accuracy, reference = (scorer.accuracy(each, scorer.options) for each in (engine, scorer.reference))
    latency = scorer.clock.latency(engine, scorer.options)
    ran = Inspection.of_layers(scorer.clock.layer_times(engine, scorer.options))
    change, *change_ci = map_difference(accuracy.matches, reference.matches)
    return {
        "map50_95": accuracy.score.map50_95,
        "map50": accuracy.score.map50,
        "map50_95_change": change,
        "map50_95_change_ci": change_ci,
        "latency_ratio": latency.ratio,
        "latency_ratio_ci": latency.ratio_ci,
        "latency_ms": latency.ratio * scorer.reference_ms,
        "flags": latency.flags,
        "timing_foreign_load": latency.foreign_load,
        "int8_layers": ran.ran_in_int8([layer.name for layer in scorer.layers]),
        "layers": len(scorer.layers),
        "engine_bytes": engine_bytes(engine),
        **json.loads((engine / COST).read_text(encoding="utf-8")),
    }


def _print_table(rows: Sequence[Row]) -> None:
    print("| study | peer | mAP50-95 | change, 95 % | ratio, 95 % | INT8 | wall, s | CPU, s | others | images scored |")
    print("| --- | --- | ---: | --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        print(_line(row))


def _line(row: Row) -> str:
    start = f"| {row['study']} | {row['peer']} "
    if "failed" in row:
        return start + f"| failed: {row['failed']} |"
    (low, high), (least, most) = row["map50_95_change_ci"], row["latency_ratio_ci"]
    others = "unknown" if row["foreign_load"] is None else f"{100 * row['foreign_load']:.0f} %"
    return start + (
        f"| {row['map50_95']:.4f} | {row['map50_95_change']:+.4f} ({low:+.4f} to {high:+.4f}) "
        f"| {row['latency_ratio']:.3f} ({least:.3f} to {most:.3f}){'*' if row['flags'] else ''} "
        f"| {row['int8_layers']} of {row['layers']} | {row['wall_s']:.0f} | {row['cpu_s']:.0f} | {others} "
        f"| {row['images_scored']} |"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True, help="what was measured already is not measured again")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="over the study files' values")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--timeout-s", type=float, default=6 * 3600.0, help="for making one engine")
    return parser.parse_args()


if __name__ == "__main__":
    main()
