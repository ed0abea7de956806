"""What coordination costs: a trial's storage time, trials per second of many workers, and a study of 10,000 trials.

PYTHONPATH=tests:benchmarks python benchmarks/fleet/coordination.py trial|rate|large [--workers 1 8 32 64] [--trials N]

All on a real PostgreSQL on this machine, masks of 90 layers, a stand-in objective.

- trial: one worker; what begin, the looks, the graph and the end of a trial take, without its measurement.
- rate: finished trials per second over so many seconds, directly and through Optuna's gRPC proxy.
- large: a study of 10,000 trials is opened, the next candidate suggested, its front found; each in a new process.
"""

from __future__ import annotations

import argparse
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna

from postgres import Postgres
from qpareto.search.results import results_of_study
from qpareto.search.run.worker import Worker
from qpareto.search.samplers import Proposer
from qpareto.search.study_opening import open_study
from stand_in import IDENTITY, StandIn, stand_in_space, stand_in_spec, stand_in_worker
from stand_in_fleet import Fleet
from table import print_table

LAYERS, LARGE = 90, 10_000
PROXY = "from qpareto.search.api import serve_proxy; import sys; serve_proxy(sys.argv[1], port=int(sys.argv[2]))"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["trial", "rate", "large", "look"])
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 8, 32, 64])
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
                _rates(postgres, Path(folder), options.workers)
            else:
                _large(postgres)
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


def _rates(postgres: Postgres, folder: Path, counts: list[int], *, seconds: float = 20.0) -> None:
    print("| workers | storage | trials finished | seconds | trials per second |")
    print("| ---: | --- | ---: | ---: | ---: |")
    for workers in counts:
        for kind in ("postgresql", "grpc"):
            name = f"{kind}-{workers}"
            (folder / name).mkdir()
            url = postgres.url(name)
            proxy = None
            if kind == "grpc":
                port = _free_port()
                proxy = subprocess.Popen([sys.executable, "-c", PROXY, url, str(port)])
                url = f"grpc://127.0.0.1:{port}"
                time.sleep(5.0)
            try:
                fleet = Fleet(storage=url, name=name, workers=workers, trials=10**6, folder=folder / name)
                finished, took_s = _rate(fleet, seconds)
            finally:
                if proxy is not None:
                    proxy.terminate()
                    proxy.wait()
            print(f"| {workers} | {kind} | {finished} | {took_s:.1f} | {finished / took_s:.2f} |", flush=True)


def _rate(fleet: Fleet, seconds: float) -> tuple[int, float]:
    """Finished trials from the moment on when every worker has measured something."""
    with fleet:
        deadline = time.monotonic() + 120
        while len(fleet.at_work()) < fleet.workers and time.monotonic() < deadline:
            time.sleep(0.2)
        before, start = fleet.look().finished, time.monotonic()
        time.sleep(seconds)
        return fleet.look().finished - before, time.monotonic() - start


def _large(postgres: Postgres) -> None:
    url = postgres.url("large")
    _write_large(url)
    rows: dict[str, list[float]] = {"open": [], "suggest": [], "front": [], "all three": []}
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, __file__, "look", "--url", url], check=True, capture_output=True, text=True
        )
        for row, value in zip(rows, map(float, done.stdout.split()), strict=True):
            rows[row].append(value)
    print_table(f"A study of {LARGE} trials of 90 layers, PostgreSQL", rows, baseline="all three")


def _write_large(url: str) -> None:
    """Random candidates with the stand-in's figures."""
    spec, space, rng = stand_in_spec(url, "large"), stand_in_space(LAYERS), random.Random(0)
    study, objective = open_study(spec, identity=IDENTITY), StandIn(takes_s=0, unit_ms=20.0)
    choices: dict[str, list[Any]] = {"calibration.method": ["max", "entropy"], "calibration.size": [16, 32]}
    for number in range(LARGE):
        params: dict[str, Any] = {
            name: rng.choice(choices.get(name, ["float", "int8"])) for name in space.distributions()
        }
        candidate = space.candidate(params)
        found = objective.measure(candidate, float_type="fp32", rivals=None)
        attrs = {"candidate": str(candidate), "graph": found.graph_hash, "measurement": found.as_json()}
        study.study.add_trial(
            optuna.trial.create_trial(
                params=params,
                distributions=space.distributions(),
                values=found.values(study.objectives),
                user_attrs=attrs | ({} if number else {"unit_ms": 20.0}),
            )
        )


def _looked(url: str) -> tuple[float, float, float, float]:
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
    return opened - start, suggested - opened, ended - suggested, ended - start


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
