"""Everything that the published tables of one CPU study are made from, in one folder; then kept, for `make results`.

    python benchmarks/results/measure.py studies/yolov5n-coco-cpu.yaml --into FOLDER [--set KEY=VALUE ...]

On a machine that does nothing else: the search, its confirmation, NNCF's engines measured in the same way, and what is
published of all that, in `recorded/`. Killed at any moment and given again, it goes on where it was. FOLDER gets the
study's database, NNCF's figures, the cache (or `--set cache=...`) and `NAME.log` with the seconds of each step.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from kept_study import RECORDED

ROOT = Path(__file__).resolve().parents[2]
QPARETO = Path(sys.executable).with_name("qpareto")
# Accuracy control is left out: it takes up to half an hour an engine.
PEERS = ("performance, float decode", "mixed, float decode", "performance", "mixed")
STEPS = ("run", "confirm", "peers", "keep")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is measured, and where to.

    Args:
        study: a study file of the engine kind `openvino`.
        folder: gets what is measured.
        recorded: gets what is published.
        overrides: over the study file's values, `key=value` each.
        peers: of `benchmarks/search/peers.py`.
    """

    study: Path
    folder: Path
    recorded: Path
    overrides: Sequence[str]
    peers: Sequence[str]

    @property
    def name(self) -> str:
        return self.study.stem

    def command(self, step: str) -> list[str]:
        """The command line of one of `STEPS`; each of them goes on where it was."""
        held = [f"cache={self.folder / 'cache'}", f"storage=sqlite:///{self.folder / self.name}.db"]
        settings = [word for each in [*held, *self.overrides] for word in ("--set", each)]
        study, measured = str(self.study), self.folder / f"{self.name}-peers.json"
        script = {
            "peers": ROOT / "benchmarks" / "search" / "peers.py",
            "keep": ROOT / "benchmarks" / "results" / "kept_study.py",
        }
        if step in ("run", "confirm"):
            return [str(QPARETO), step, study, *settings]
        if step == "peers":
            return [sys.executable, str(script[step]), study, *settings, "--out", str(measured), "--peers", *self.peers]
        kept = ["--peers", str(measured)] if measured.exists() else []
        return [sys.executable, str(script[step]), "keep", study, *settings, *kept, "--out", str(self.kept)]

    @property
    def kept(self) -> Path:
        return self.recorded / f"{self.name}.json"


def main() -> None:
    plan, steps = _arguments()
    plan.folder.mkdir(parents=True, exist_ok=True)
    with (plan.folder / f"{plan.name}.log").open("a", encoding="utf-8") as log:
        for step in steps:
            command, start = plan.command(step), time.monotonic()
            _tell(log, f"{step}: {shlex.join(command)}")
            done = subprocess.run(command, check=False)
            _tell(log, f"{step}: exit code {done.returncode} after {time.monotonic() - start:.0f} s")
            if done.returncode:
                raise SystemExit(f"{step} ended with exit code {done.returncode}: mend it, and give the command again.")
    print(f"{plan.kept} is what is published. Now: make results")


def _tell(log: TextIO, line: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {line}", file=sys.stderr, flush=True)
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {line}", file=log, flush=True)


def _arguments() -> tuple[Plan, Sequence[str]]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--into", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="over the study file's value")
    parser.add_argument("--peers", nargs="+", default=list(PEERS), help="of benchmarks/search/peers.py")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS), help="only these, in this order")
    parser.add_argument("--recorded", type=Path, default=RECORDED, help="where what is published goes")
    found = parser.parse_args()
    plan = Plan(
        study=found.study,
        folder=found.into.absolute(),
        recorded=found.recorded,
        overrides=found.set,
        peers=found.peers,
    )
    return plan, found.steps


if __name__ == "__main__":
    main()
