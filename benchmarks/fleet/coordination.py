"""What coordination costs: a trial's storage time, trials per second of many workers, and a study of 10,000 trials.

PYTHONPATH=tests:benchmarks python benchmarks/fleet/coordination.py trial|rate|large [--workers 1 8 32 64] [--trials N]

On a real PostgreSQL on this machine, masks of 90 layers, a stand-in objective.

- trial: one worker; what begin, the looks, the graph and the end of a trial take, without its measurement.
- rate: finished trials per second over so many seconds, on an SQLite file, on PostgreSQL, and through Optuna's gRPC
  proxy (--storages), and how many workers had ended by then: a storage that stays locked ends its worker.
- large: a study (--trials 10000) is opened, the next candidate suggested, its front found; each in a new process.
"""

from __future__ import annotations

import argparse
import gc
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import optuna
from sqlalchemy import create_engine

from postgres import Postgres, proxy_of
from qpareto.objectives.objective import values_of
from qpareto.search.results.study_results import results_of_study
from qpareto.search.run.worker import Worker
from qpareto.search.samplers import Proposer
from qpareto.search.study.attributes import TrialAttributes
from qpareto.search.study.opening import open_study
from stand_in import IDENTITY, StandIn, stand_in_space, stand_in_spec, stand_in_worker
from stand_in_fleet import Fleet
from table import print_table

LAYERS, WRITTEN = 90, 200
STORAGES = ("sqlite", "postgresql", "grpc")
COLUMNS = {
    "trial_params": "param_name, param_value, distribution_json",
    "trial_values": "objective, value, value_type",
    "trial_user_attributes": "key, value_json",
}  # of Optuna's tables, beside the trial


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["trial", "rate", "large", "look"])
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 8, 32, 64])
    parser.add_argument("--storages", nargs="+", choices=STORAGES, default=STORAGES, help="for rate")
    parser.add_argument("--takes-s", type=float, default=0.05, help="of a trial, for rate (default: %(default)s)")
    parser.add_argument("--url", help="for look: the database of the large study")
    options = parser.parse_args()
    if options.what == "look":
        print(*_looked(options.url))
        return
    with tempfile.TemporaryDirectory() as folder:
        postgres = Postgres(Path(folder) / "pg")
        try:
            if options.what == "trial":
                _trial(postgres, options.trials)
            elif options.what == "rate":
                _rates(postgres, Path(folder), options)
            else:
                _large(postgres, options.trials)
        finally:
            postgres.stop()


def _trial(postgres: Postgres, trials: int) -> None:
    worker = stand_in_worker(stand_in_spec(postgres.url("trial"), "trial"), StandIn(takes_s=0), layers=LAYERS)
    spent: dict[str, list[float]] = {"storage time of a trial": [], "the whole trial": []}
    in_storage = [0.0]
    _time_storage(worker, in_storage)
    for i in range(trials):
        in_storage[0], start = 0.0, time.perf_counter()
        worker.run(trials=i + 1)
        spent["storage time of a trial"].append(in_storage[0])
        spent["the whole trial"].append(time.perf_counter() - start)
    print_table("One worker, 90 layers, PostgreSQL", spent, baseline="the whole trial")


def _time_storage(worker: Worker, total_s: list[float]) -> None:
    """Add up what all calls of the study's storage take."""
    storage = worker.study.storage

    def timed(call: Callable[..., object]) -> Callable[..., object]:
        def called(*arguments: object, **options: object) -> object:
            start = time.perf_counter()
            try:
                return call(*arguments, **options)
            finally:
                total_s[0] += time.perf_counter() - start

        return called

    for name in (
        "create_new_trial",
        "get_all_trials",
        "set_trial_user_attr",
        "set_trial_state_values",
        "get_trial_number_from_id",
        "get_trial_id_from_study_id_trial_number",
    ):
        setattr(storage, name, timed(getattr(storage, name)))


def _rates(postgres: Postgres, folder: Path, options: argparse.Namespace, *, seconds: float = 20.0) -> None:
    print("| workers | storage | trials finished | seconds | trials per second | workers that ended |")
    print("| ---: | --- | ---: | ---: | ---: | ---: |")
    for workers in options.workers:
        for kind in options.storages:
            name = f"{kind}-{workers}"
            home = folder / name
            home.mkdir()
            url = f"sqlite:///{home / 'study.db'}" if kind == "sqlite" else postgres.url(name)
            with proxy_of(url) if kind == "grpc" else nullcontext(url) as served:
                each = ("--takes-s", str(options.takes_s))
                fleet = Fleet(storage=served, name=name, workers=workers, trials=10**6, folder=home, options=each)
                finished, took_s, ended = _rate(fleet, seconds)
            print(f"| {workers} | {kind} | {finished} | {took_s:.1f} | {finished / took_s:.2f} | {ended} |", flush=True)


def _rate(fleet: Fleet, seconds: float) -> tuple[int, float, int]:
    """Finished trials from the moment on when every worker has measured something, and how many workers gave up."""
    with fleet:
        deadline = time.monotonic() + 120
        while len(fleet.at_work()) < fleet.workers and time.monotonic() < deadline:
            time.sleep(0.2)
        before, start = fleet.look().finished, time.monotonic()
        time.sleep(seconds)
        done, took_s = fleet.look().finished - before, time.monotonic() - start
        return done, took_s, fleet.workers - len(fleet.at_work())


def _large(postgres: Postgres, trials: int) -> None:
    url = postgres.url("large")
    _write_large(url)
    _multiply(url, trials // WRITTEN)
    rows: dict[str, list[float]] = {"open": [], "suggest": [], "front": [], "all three": [], "peak memory, GiB": []}
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, __file__, "look", "--url", url], check=True, capture_output=True, text=True
        )
        for row, value in zip(rows, map(float, done.stdout.split()), strict=True):
            rows[row].append(value)
    print_table(f"A study of {trials} trials of 90 layers, PostgreSQL", rows, baseline="all three")


def _write_large(url: str) -> None:
    """The first trials: random candidates with the stand-in's figures."""
    spec, space, rng = stand_in_spec(url, "large"), stand_in_space(LAYERS), random.Random(0)
    objective = StandIn(takes_s=0, unit_ms=20.0)
    study = open_study(spec, identity=IDENTITY, reference_ms=lambda: 20.0)
    choices: dict[str, list[Any]] = {"calibration.method": ["max", "entropy"], "calibration.size": [16, 32]}
    for _ in range(WRITTEN):
        params: dict[str, Any] = {
            name: rng.choice(choices.get(name, ["float", "int8"])) for name in space.distributions()
        }
        candidate = space.candidate(params)
        found = objective.measure(candidate, float_type="fp32", rivals=None)
        attrs = TrialAttributes(candidate=str(candidate), graph=found.engine.graph_hash, measurement=found).as_stored()
        study.study.add_trial(
            optuna.trial.create_trial(
                params=params,
                distributions=space.distributions(),
                values=values_of(found, study.objectives),
                user_attrs=attrs,
            )
        )


def _multiply(url: str, times: int) -> None:
    """Copy the trials in the database itself: Optuna would write 10,000 of them for half an hour."""
    trials = f"""
        INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete)
        SELECT number + {WRITTEN} * copy, study_id, state, datetime_start, datetime_complete
        FROM trials, generate_series(1, {times - 1}) AS copy ORDER BY copy, number"""
    with create_engine(url).begin() as connection:
        connection.exec_driver_sql(trials)
        for table, columns in COLUMNS.items():
            connection.exec_driver_sql(f"""
                INSERT INTO {table} (trial_id, {columns}) SELECT copied.trial_id, {columns}
                FROM {table} JOIN trials AS one USING (trial_id)
                JOIN trials AS copied ON mod(copied.number, {WRITTEN}) = one.number AND copied.number <> one.number""")


def _looked(url: str) -> tuple[float, ...]:
    gc.set_threshold(700, 10, 1000)  # as the command does
    spec, space = stand_in_spec(url, "large", sampler="auto"), stand_in_space(LAYERS)
    start = time.perf_counter()
    study = open_study(spec)
    now = study.look()
    opened = time.perf_counter()
    proposer = Proposer(space, directions=study.directions, sampler="auto", seed=0)
    proposer.propose(now.trials)
    suggested = time.perf_counter()
    assert results_of_study(study, now).front
    ended = time.perf_counter()
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # Linux tells KiB
    return opened - start, suggested - opened, ended - suggested, ended - start, peak_gib


if __name__ == "__main__":
    main()
