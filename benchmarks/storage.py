"""Writing a trial with a 90-layer mask: one transaction, against one `suggest` a layer.

python benchmarks/storage.py [--url sqlite:///...] [--layers N] [--trials N]
"""

from __future__ import annotations

import argparse
import tempfile
import time

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState, create_trial

from qpareto.search.storage import open_storage
from table import print_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="default: a new SQLite file")
    parser.add_argument("--layers", type=int, default=90)
    parser.add_argument("--trials", type=int, default=10)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        storage = open_storage(options.url or f"sqlite:///{folder}/study.db")
        study = optuna.create_study(
            storage=storage, directions=["maximize", "minimize"], sampler=optuna.samplers.RandomSampler(seed=0)
        )
        study_id = storage.get_study_id_from_name(study.study_name)
        switches = {f"{i:03d}": CategoricalDistribution(("float", "int8")) for i in range(options.layers)}
        seconds: dict[str, list[float]] = {"suggest, one by one": [], "one transaction": []}
        for _ in range(options.trials):  # interleaved, so that both meet the same machine
            seconds["suggest, one by one"].append(_suggested(study, switches))
            seconds["one transaction"].append(_begun(study, storage, study_id, switches))
    print_table(f"A trial of {options.layers} layers written and told", seconds, baseline="suggest, one by one")


def _suggested(study: optuna.Study, switches: dict[str, CategoricalDistribution]) -> float:
    start = time.perf_counter()
    trial = study.ask()
    for name, switch in switches.items():
        trial.suggest_categorical(name, switch.choices)
    study.tell(trial, (0.5, 1.0))
    return time.perf_counter() - start


def _begun(
    study: optuna.Study,
    storage: optuna.storages.BaseStorage,
    study_id: int,
    switches: dict[str, CategoricalDistribution],
) -> float:
    start = time.perf_counter()
    template = create_trial(
        state=TrialState.RUNNING,
        params=dict.fromkeys(switches, "int8"),
        distributions=dict(switches),
        user_attrs={"candidate": "all"},
    )
    number = storage.get_trial_number_from_id(storage.create_new_trial(study_id, template))
    study.tell(number, (0.5, 1.0))
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
