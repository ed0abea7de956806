"""What else makes INT8 engines for OpenVINO, on the same engine and data as a study: NNCF, asked in several ways.

    pip install nncf
    python benchmarks/search/peers.py studies/yolo11n-coco-cpu.yaml studies/yolov5n-coco-cpu.yaml --out peers.json

Every engine is scored and timed as a study's candidates are, against the same float engine; `float` is that engine on
NNCF's way and must come out as its equal. NNCF calibrates on the first 300 images of the study's seeded order, its own
default, or on all if there are fewer; accuracy control validates on the study's evaluation images, as its user would.
Where the study file names `data.confirm`, each is then measured as a study's finalists are: made a second time, scored
on those images, timed in three processes of both builds (`confirmed` in the record).

Killed and started again, it goes on where it was. NNCF works beside other programs: `wall, s` leaves out what it waited
while engines were timed, and `CPU, s` is all that it used itself.
"""

from __future__ import annotations

import argparse
import datetime
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nncf_engine import COST, Material, Recipe, make_engine
from qpareto.errors import CandidateError
from qpareto.objectives.accuracy.bootstrap import accuracy_difference
from qpareto.objectives.accuracy.data.image_files import list_images
from qpareto.objectives.engines import engine_kind
from qpareto.objectives.engines.build import engine_bytes
from qpareto.objectives.engines.inspection import Inspection
from qpareto.objectives.engines.ref import EngineRef
from qpareto.objectives.finalist import TIMINGS
from qpareto.objectives.isolation.child import run_in_child
from qpareto.objectives.isolation.lock import device_lock
from qpareto.objectives.latency.paired import PairedLatency, combined
from qpareto.objectives.score import Scorer
from qpareto.objectives.store import content_key, write_whole
from qpareto.search.run.prepare import check_runs, confirming, scorer_of_spec
from qpareto.search.study_file.loading import load_study_file
from qpareto.spaces.masks import LayerMask

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


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What the engines of one study are made and measured with.

    Args:
        scorer: the study's, with NNCF's number of calibration images.
        again: the same on the images to confirm on, its engines built once more; None where the study names none.
        timeout_s: for making one engine.
    """

    scorer: Scorer
    again: Scorer | None
    timeout_s: float

    def engine(self, recipe: Recipe, *, build: int = 0) -> EngineRef:
        """The engine in the study's cache, made unless it is there.

        Args:
            build: engines of another number are made anew.
        """
        scorer = self.scorer
        material = Material(
            ir=scorer.reference().folder / "engine.xml",
            calibration=scorer.calibration.pixels,
            subset_size=len(scorer.calibration.hashes),
            pixels=scorer.images.pixels,
            dataset=scorer.images.dataset,
            head=scorer.head,
            head_block=scorer.layers[-1].block,
            device=scorer.kind.device_id(),
        )
        key = content_key(
            recipe=asdict(recipe),
            reference=scorer.reference().name,
            calibration=scorer.calibration.hashes,
            scored=[scorer.images.pixels.content_hash, scorer.images.dataset.content_hash],
            versions=versions_of(scorer),
            **({"build": build} if build else {}),
        )
        log_path = scorer.store.root / "logs" / f"peer-{key}.log"
        logging.info("%s: its log is %s", recipe, log_path)

        def fill(folder: Path) -> None:
            run_in_child(make_engine, material, recipe, folder, timeout_s=self.timeout_s, log_path=log_path)

        return EngineRef(scorer.store.make("peers", key, fill), scorer.options)

    def searched(self, recipe: Recipe) -> Row:
        """What the engine scores as a study's search would measure it, and what making it took."""
        scorer, engine = self.scorer, self.engine(recipe)
        ran = Inspection.of_layers(scorer.clock().layer_times(engine))
        return {
            **scored(scorer, engine, scorer.clock().latency(engine)),
            "int8_layers": ran.ran_as(LayerMask.all([layer.name for layer in scorer.layers])),
            "layers": len(scorer.layers),
            "engine_bytes": engine_bytes(engine.folder),
            **json.loads((engine.folder / COST).read_text(encoding="utf-8")),
        }

    def confirmed(self, recipe: Recipe) -> Row | None:
        """The same of a finalist; see `measure_finalist`. None where there are no images for it."""
        if self.again is None:
            return None
        scorer, engine = self.again, self.engine(recipe, build=1)
        timed = [self.engine(recipe), *[engine] * (TIMINGS - 1)]
        return scored(scorer, engine, combined([scorer.clock().latency(each) for each in timed]))


@dataclass(frozen=True)
class Record:
    """The file, its rows in the order of measuring."""

    path: Path
    rows: list[Row]

    @classmethod
    def opened(cls, path: Path) -> Record:
        """What there is; what failed, was killed or ran out of time is left out, and so is tried again."""
        held: list[Row] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        rows = [row for row in held if "failed" not in row]
        for row in rows:
            if "failed" in (row.get("confirmed") or {}):
                del row["confirmed"]
        return cls(path, rows)

    def row(self, study: str, peer: str) -> Row:
        """That of a peer; an empty one, to be filled, if it was not measured yet."""
        found = [row for row in self.rows if (row["study"], row["peer"]) == (study, peer)]
        if not found:
            found = [{}]
            self.rows.extend(found)
        return found[0]

    def keep(self) -> None:
        """Write the file; whoever is killed meanwhile leaves it as it was."""
        write_whole(self.path, json.dumps(self.rows, indent=1) + "\n")


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    arguments = _arguments()
    record = Record.opened(arguments.out)
    bench_of_study = cache(lambda path: _bench(path, arguments))
    for peer in arguments.peers:
        for study in arguments.studies:
            row = record.row(study.stem, peer)
            if "peer" not in row:
                row |= {"study": study.stem, "peer": peer, **_measured(bench_of_study(study), peer)}
                record.keep()
                logging.info("%s", _line(row))
            if "failed" not in row and "confirmed" not in row:
                row["confirmed"] = _confirmed(bench_of_study(study), peer)
                record.keep()
    _print_table(record.rows)


def _bench(study: Path, arguments: argparse.Namespace) -> Bench:
    spec = load_study_file(study, arguments.set)
    size = min(SUBSET_SIZE, len(list_images(spec.data.calibration)))
    with device_lock(engine_kind(spec.engine.kind).device_id(), exclusive=False):
        scorer = scorer_of_spec(spec, calibration_size=size)
        again = confirming(spec, scorer) if spec.data.confirm else None
    check_runs(scorer)
    return Bench(scorer=scorer, again=again, timeout_s=arguments.timeout_s)


def _measured(bench: Bench, peer: str) -> Row:
    """All that is told of a peer; a peer that fails is told of with its reason."""
    scorer, recipe = bench.scorer, PEERS[peer]
    told = {
        **asdict(recipe),
        "calibration_images": len(scorer.calibration.hashes),
        "device": scorer.kind.device_name(),
        "threads": scorer.options.cpu_threads,
        "engine": {"kind": scorer.kind.name, "recipe": scorer.kind.recipe},
        "versions": versions_of(scorer),
        "date": str(datetime.datetime.now(datetime.UTC).date()),
    }
    try:
        return told | bench.searched(recipe)
    except CandidateError as error:
        return told | {"failed": str(error)}


def _confirmed(bench: Bench, peer: str) -> Row | None:
    try:
        return bench.confirmed(PEERS[peer])
    except CandidateError as error:
        return {"failed": str(error)}


def versions_of(scorer: Scorer) -> dict[str, str]:
    """Of everything that decides what a peer's engine is and scores."""
    return {**scorer.versions, "nncf": version("nncf")}


def scored(scorer: Scorer, engine: EngineRef, latency: PairedLatency) -> Row:
    """What an engine scores against the reference, by the names that a measurement has for it."""
    accuracy, reference = map(scorer.evaluator.accuracy, (engine, scorer.reference()))
    change, *change_ci = accuracy_difference(accuracy.matches, reference.matches)
    return {
        "map50_95": accuracy.score.value,
        "map50": accuracy.score.beside["mAP50"][0],
        "map50_95_change": change,
        "map50_95_change_ci": change_ci,
        "latency_ratio": latency.ratio.value,
        "latency_ratio_ci": scorer.spread().around(latency.ratio, timings=latency.timings).ends,
        "latency_own_ci": latency.ratio.ends,
        "latency_timings": latency.timings,
        "latency_ms": latency.ratio.value * scorer.reference_ms(),
        "flags": latency.flags,
        "timing_foreign_load": latency.foreign_load,
        "images": len(scorer.images),
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
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), help="accuracy control takes hours")
    parser.add_argument("--timeout-s", type=float, default=6 * 3600.0, help="for making one engine")
    return parser.parse_args()


if __name__ == "__main__":
    main()
