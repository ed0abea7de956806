"""A study as one data file without its machine, and back: what published figures come from (`publish.py`).

    python benchmarks/results/kept_study.py keep STUDY [--set KEY=VALUE] [--peers FILE] --out recorded/NAME.json
    python benchmarks/results/kept_study.py restore recorded/NAME.json --into FOLDER; qpareto report FOLDER/NAME.yaml

The file holds all trials with what they measured, why they failed, when they began and ended, what the study was made
with (device, engine recipe, versions, space), its confirmations, and other tools' engines beside it. It leaves out
where that was: hosts, process ids, paths of logs, the folder that holds model and data. A trial that was running when
it was written is told as interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
import yaml
from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from kept_peers import Row, refuse_strangers
from qpareto.objectives.objective import directions_of
from qpareto.objectives.store import write_whole
from qpareto.search.show.view import StudyView, view_of_study
from qpareto.search.study.opening import open_study
from qpareto.search.study.outcome import Outcome
from qpareto.search.study.search_study import SearchStudy
from qpareto.search.study_file.loading import load_study_file

FORMAT = 1
RECORDED = Path(__file__).resolve().parent / "recorded"
CONFIRMED = "confirmed:"  # how the names of a study's confirmations begin
LEFT_OUT = frozenset({"worker", "kept_worker", "beat", "token"})  # of a trial's attributes: hosts, process ids, tokens
_LOG = re.compile(r" Its log: \S+")

Document = dict[str, Any]


def kept_study(study: SearchStudy, *, peers: Sequence[Row] = ()) -> Document:
    """What is kept of a study, JSON-able.

    Args:
        peers: rows of benchmarks/search/peers.py, on the same device and data; those of other studies are left out.

    Raises:
        SystemExit: a peer does not compare with the study.
    """
    trials = list(study.look().trials)
    attributes = dict(study.study.user_attrs)
    layers = _layers([*_measurements(trials), *_confirmations(attributes)])
    own = [row for row in peers if row["study"] == study.study.study_name]
    if peers and not own:
        raise SystemExit(f"None of these peers is of the study '{study.study.study_name}': name its own file.")
    refuse_strangers(own, attributes["identity"])
    space = {name: each for trial in trials for name, each in trial.distributions.items()}
    workers: dict[str, int] = {}
    attributes["identity"] = without_folder(attributes["identity"])
    return {
        "format": FORMAT,
        "name": study.study.study_name,
        "objectives": list(study.objectives),
        "layers": layers,
        "attributes": {name: _without_names(told, layers) for name, told in attributes.items()},
        **({"peers": own} if own else {}),
        "space": {name: json.loads(distribution_to_json(each)) for name, each in space.items()},
        "trials": [_kept_trial(trial, space, layers, workers) for trial in trials],
    }


def write_document(document: Document, path: Path) -> None:
    """Write it with a trial a line, so that versions of it can be compared."""
    head = {name: told for name, told in document.items() if name != "trials"}
    trials = ",\n".join(json.dumps(trial) for trial in document["trials"])
    write_whole(path, f'{json.dumps(head)[:-1]},\n"trials": [\n{trials}\n]}}\n')


def read_document(path: Path) -> Document:
    """Inverse of `write_document`.

    Raises:
        SystemExit: the file is of another format.
    """
    document: Document = json.loads(path.read_text(encoding="utf-8"))
    if document["format"] != FORMAT:
        raise SystemExit(f"{path} is of format {document['format']}, but this script reads format {FORMAT}.")
    return document


def restored_study(path: Path, folder: Path) -> Path:
    """Put a kept study into a new database in the folder; the study file beside it, for `front` and `report`.

    Model and images are not there, so nothing can be measured or exported from it.
    """
    document = read_document(path)
    name = document["name"]
    study_file, database = folder / f"{name}.yaml", folder.absolute() / f"{name}.db"
    if database.exists():
        raise SystemExit(f"{database} is there already: name another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    data = {"images": "eval", "annotations": "instances.json", "calibration": "calib"}
    told = {"version": 1, "name": name, "model": "model.onnx", "data": data, "storage": f"sqlite:///{database}"}
    study_file.write_text(yaml.safe_dump(told | {"objectives": document["objectives"]}), encoding="utf-8")
    _fill(document, f"sqlite:///{database}")
    return study_file


def kept_view(document: Document) -> StudyView:
    """A kept study as it is shown."""
    storage = optuna.storages.InMemoryStorage()
    _fill(document, storage)
    study = optuna.load_study(storage=storage, study_name=document["name"])
    return view_of_study(SearchStudy(study, storage))


def without_folder(identity: Document) -> Document:
    """What a study was made with; its paths below the folder that holds them all."""
    keys = identity.get("keys", {})
    paths = {name: told for name, told in keys.items() if isinstance(told, str) and Path(told).is_absolute()}
    if not paths:
        return identity
    folder = os.path.commonpath([Path(told).parent for told in paths.values()])
    return identity | {"keys": keys | {name: os.path.relpath(told, folder) for name, told in paths.items()}}


def _fill(document: Document, storage: str | BaseStorage) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    directions = directions_of(document["objectives"])
    study = optuna.create_study(storage=storage, study_name=document["name"], directions=directions)
    for name, told in document["attributes"].items():
        study.set_user_attr(name, _with_names(told, document["layers"]))
    space = {name: json_to_distribution(json.dumps(each)) for name, each in document["space"].items()}
    study.add_trials([_restored_trial(told, space, document["layers"]) for told in document["trials"]])


def _kept_trial(
    trial: FrozenTrial, space: Mapping[str, BaseDistribution], layers: Sequence[str | None], workers: dict[str, int]
) -> Document:
    signature = json.dumps([trial.user_attrs.get(name) for name in ("worker", "kept_worker")], sort_keys=True)
    attributes = {name: told for name, told in trial.user_attrs.items() if name not in LEFT_OUT}
    if not trial.state.is_finished():
        attributes |= {"outcome": Outcome.INTERRUPTED, "reason": "It was running when the study was kept."}
    if "reason" in attributes:
        attributes["reason"] = _LOG.sub("", attributes["reason"])
    return {
        "state": trial.state.name if trial.state.is_finished() else TrialState.FAIL.name,
        "values": trial.values,
        "begun": _utc(trial.datetime_start),
        "ended": _utc(trial.datetime_complete),
        "worker": workers.setdefault(signature, len(workers)),
        "params": [_stored(trial, name, each) for name, each in space.items()] if trial.params else None,
        "attributes": {name: _without_names(told, layers) for name, told in attributes.items()},
        "system": dict(trial.system_attrs),
    }


def _restored_trial(told: Document, space: Mapping[str, BaseDistribution], layers: Sequence[str | None]) -> FrozenTrial:
    stored = dict(zip(space, told["params"] or [None] * len(space), strict=True))
    params = {name: space[name].to_external_repr(value) for name, value in stored.items() if value is not None}
    attributes = {name: _with_names(each, layers) for name, each in told["attributes"].items()}
    trial = optuna.trial.create_trial(
        state=TrialState[told["state"]],
        values=told["values"],
        params=params,
        distributions={name: space[name] for name in params},
        user_attrs=attributes | {"kept_worker": told["worker"]},
        system_attrs=told["system"],
    )
    trial.datetime_start = _local(told["begun"])
    trial.datetime_complete = _local(told["ended"]) or trial.datetime_start
    return trial


def _stored(trial: FrozenTrial, name: str, distribution: BaseDistribution) -> float | None:
    if name not in trial.params:
        return None
    number = distribution.to_internal_repr(trial.params[name])
    return int(number) if number == int(number) else number


def _layers(measured: Iterable[Document]) -> list[str | None]:
    """Names of the layers that masks are told over, in the network's order; None for one that was never INT8."""
    found: dict[int, str] = {}
    for each in measured:
        found |= dict(zip(_bits(each["mask"]), each["int8_layers"], strict=True))
    return [found.get(i) for i in range(max(found, default=-1) + 1)]


def _without_names(told: Any, layers: Sequence[str | None]) -> Any:
    """A measurement without the names of its INT8 layers, which its mask tells; anything else as it is."""
    if not _is_measurement(told):
        return told
    assert told["int8_layers"] == [layers[i] for i in _bits(told["mask"])]
    return {name: each for name, each in told.items() if name != "int8_layers"}


def _with_names(told: Any, layers: Sequence[str | None]) -> Any:
    return told | {"int8_layers": [layers[i] for i in _bits(told["mask"])]} if _is_measurement(told) else told


def _is_measurement(told: Any) -> bool:
    return isinstance(told, dict) and "map50_95" in told and "mask" in told


def _measurements(trials: Iterable[FrozenTrial]) -> Iterator[Document]:
    yield from (trial.user_attrs["measurement"] for trial in trials if "measurement" in trial.user_attrs)


def _confirmations(attributes: Mapping[str, Any]) -> Iterator[Document]:
    yield from (told for name, told in attributes.items() if name.startswith(CONFIRMED) and _is_measurement(told))


def _bits(mask: str) -> list[int]:
    bits = int(mask, 16)
    return [i for i in range(bits.bit_length()) if bits >> i & 1]


def _utc(when: datetime | None) -> str | None:
    """Optuna's times are of the local clock, without a zone."""
    return None if when is None else when.astimezone(UTC).isoformat(timespec="milliseconds")


def _local(told: str | None) -> datetime | None:
    return None if told is None else datetime.fromisoformat(told).astimezone().replace(tzinfo=None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    keep = commands.add_parser("keep", help="write a study to a data file")
    keep.add_argument("study", type=Path)
    keep.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="over the study file's value")
    keep.add_argument("--peers", type=Path, metavar="FILE", help="what benchmarks/search/peers.py wrote")
    keep.add_argument("--out", type=Path, required=True)
    restore = commands.add_parser("restore", help="put a data file into a new database")
    restore.add_argument("file", type=Path)
    restore.add_argument("--into", type=Path, required=True, metavar="FOLDER")
    options = parser.parse_args()
    if options.command == "keep":
        study = open_study(load_study_file(options.study, options.set))
        peers = json.loads(options.peers.read_text(encoding="utf-8")) if options.peers else ()
        write_document(kept_study(study, peers=peers), options.out)
        print(options.out)
    else:
        print(restored_study(options.file, options.into))


if __name__ == "__main__":
    main()
