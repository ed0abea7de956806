"""Seeded rounds of a study whose workers and database are killed, stopped, cut off and restarted while it runs.

PYTHONPATH=tests python benchmarks/fleet/soak.py --out rounds.jsonl [--rounds 50] [--workers 8] [--trials 200]

Every round is a study of its own on a real PostgreSQL: worker processes with a stand-in objective of 50 ms, their
cache on a small disk, and 19 faults at random moments. Rounds that stand in the file are not run again. Lost: trials
that are missing of the asked ones. Duplicated: candidates that count twice. Measured twice: what a lost worker began.

The small disk needs the right to mount one: root on Linux.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from postgres import Postgres
from qpareto.search.study.outcome import Outcome
from small_disk import small_disk
from stand_in_fleet import Fleet, go_on, stop
from store_contents import flip_a_byte

LEASE_S = 6.0
FAULTS = {
    "worker killed": 10,
    "worker stopped past its lease": 1,
    "5 connections cut": 5,
    "server restarted": 1,
    "cache's disk filled": 1,
    "cache entry damaged": 1,
}
FULL_S = 3.0  # how long the disk stays full
ROUND_TIMEOUT_S = 300.0


class Round:
    """One study and what befalls it."""

    def __init__(self, seed: int, fleet: Fleet, postgres: Postgres, cache: Path) -> None:
        self.rng, self.fleet, self.postgres, self.cache = random.Random(seed), fleet, postgres, cache
        self.done: Counter[str] = Counter()
        self._asleep: list[tuple[float, Any]] = []
        self._ways: dict[str, Callable[[], bool]] = {
            "worker killed": self._kill,
            "worker stopped past its lease": self._stop,
            "5 connections cut": self._cut,
            "server restarted": self._restart,
            "cache's disk filled": self._fill,
            "cache entry damaged": self._damage,
        }

    def run(self) -> None:
        """Faults in a random order, spread over the trials; then until the study has ended."""
        faults = [name for name, count in FAULTS.items() for _ in range(count)]
        self.rng.shuffle(faults)
        every = self.fleet.trials // (len(faults) + 2)
        for i, fault in enumerate(faults, start=1):
            self.fleet.wait_for(i * every, timeout_s=60)
            self._wake()
            if self._ways[fault]():
                self.done[fault] += 1
        deadline = time.monotonic() + ROUND_TIMEOUT_S
        while self._wake() or self.fleet.tend():
            if time.monotonic() > deadline:
                raise TimeoutError(self.fleet.said())
            time.sleep(0.1)

    def _victim(self) -> Any:
        stopped = [process for _, process in self._asleep]
        awake = [process for process in self.fleet.at_work() if process not in stopped]
        return self.rng.choice(awake) if len(awake) > 1 else None

    def _kill(self) -> bool:
        if (victim := self._victim()) is not None:
            victim.kill()
        return victim is not None

    def _stop(self) -> bool:
        if (victim := self._victim()) is not None:
            stop(victim)
            self._asleep.append((time.monotonic() + 2 * LEASE_S, victim))
        return victim is not None

    def _wake(self) -> bool:
        """Let those go on whose lease is over; whether any still sleep."""
        for until_s, process in list(self._asleep):
            if time.monotonic() > until_s:
                go_on(process)
                self._asleep.remove((until_s, process))
        return bool(self._asleep)

    def _cut(self) -> bool:
        self.postgres.cut_connections(self.fleet.name, 5)
        return True

    def _restart(self) -> bool:
        self.postgres.restart()
        return True

    def _fill(self) -> bool:
        filler = self.cache / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:  # until there is no room
            while file.write(bytes(1 << 12)):
                pass
        end = time.monotonic() + FULL_S
        while time.monotonic() < end:
            self.fleet.tend()
            time.sleep(0.1)
        filler.unlink()
        return True

    def _damage(self) -> bool:
        flip_a_byte(self.cache / "stand-in" / "shared" / "kept", 3)
        return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--max-minutes", type=float, default=1e9, help="begin no round after this long")
    options = parser.parse_args()
    known = {line["seed"] for line in _lines(options.out)}
    until = time.monotonic() + 60 * options.max_minutes
    with tempfile.TemporaryDirectory() as folder:
        postgres = Postgres(Path(folder) / "pg")
        for seed in range(options.rounds):
            if seed not in known and time.monotonic() < until:
                line = _round(seed, postgres, Path(folder), workers=options.workers, trials=options.trials)
                with options.out.open("a") as file:
                    file.write(json.dumps(line) + "\n")
        postgres.stop()
    print_rounds(_lines(options.out))


def _round(seed: int, postgres: Postgres, folder: Path, *, workers: int, trials: int) -> dict[str, Any]:
    name, began = f"round-{seed}", time.monotonic()
    (folder / name).mkdir()
    with (
        small_disk(folder / name / "cache", mib=8) as cache,
        Fleet(
            storage=postgres.url(name),
            name=name,
            workers=workers,
            trials=trials,
            folder=folder / name,
            options=("--lease-s", str(LEASE_S), "--seed", str(seed), "--cache", str(cache)),
        ) as fleet,
    ):
        one = Round(seed, fleet, postgres, cache)
        one.run()
        records, measured = fleet.look().records, fleet.measured()
    counted = Counter(record.candidate for record in records if record.outcome.counts)
    return {
        "seed": seed,
        "seconds": round(time.monotonic() - began, 1),
        "faults": dict(one.done),
        "finished": counted.total(),
        "lost": trials - len(counted),
        "duplicated": counted.total() - len(counted),
        "still_running": sum(record.outcome == Outcome.RUNNING for record in records),
        "measured_twice": len(measured) - len({line["candidate"] for line in measured}),
        "ended_as": dict(Counter(record.outcome for record in records if not record.outcome.is_taken)),
        "dropped": fleet.said().count("its result is dropped"),
        "stopped_by_a_full_disk": fleet.said().count("DiskError: "),
        "damaged_entries_found": fleet.said().count("is not what was put there"),
    }


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


COUNTED = (
    "finished",
    "measured_twice",
    "dropped",
    "still_running",
    "stopped_by_a_full_disk",
    "damaged_entries_found",
)


def print_rounds(rounds: list[dict[str, Any]]) -> None:
    """One row a fact, summed over all rounds."""
    total: Counter[str] = Counter()
    for line in rounds:
        total.update({f"fault: {name}": count for name, count in line["faults"].items()})
        total.update({f"trials that do not count: {name}": count for name, count in line["ended_as"].items()})
        total.update({name: line[name] for name in COUNTED})
    print(f"{len(rounds)} rounds, {sum(line['seconds'] for line in rounds) / 60:.0f} minutes\n")
    print("| what | count |\n| --- | ---: |")
    for name, count in sorted(total.items()):
        print(f"| {name.replace('_', ' ')} | {count} |")
    print(f"| **trials lost** | {sum(line['lost'] for line in rounds)} |")
    print(f"| **trials duplicated** | {sum(line['duplicated'] for line in rounds)} |")


if __name__ == "__main__":
    main()
