"""Studies and trials written to Optuna's tables in bulk: a trial with a hundred parameters in a few statements."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from optuna.distributions import distribution_to_json

from . import tables
from .tables import IntermediateType, ValueType

if TYPE_CHECKING:
    from optuna.study._frozen import FrozenStudy
    from optuna.trial import FrozenTrial
    from sqlalchemy.engine import Connection


def insert_study(connection: Connection, study: FrozenStudy) -> int:
    """Write a study without its trials; returns its id.

    Raises:
        IntegrityError: the name is taken.
    """
    study_id = _insert(connection, tables.STUDIES, {"study_name": study.study_name})
    directions = [{"objective": i, "direction": one} for i, one in enumerate(study.directions)]
    _insert_all(connection, tables.DIRECTIONS, directions, study_id=study_id)
    for table, attributes in ((tables.STUDY_USER, study.user_attrs), (tables.STUDY_SYSTEM, study.system_attrs)):
        _insert_all(connection, table, _rows_of_attributes(attributes), study_id=study_id)
    return study_id


def insert_trial(connection: Connection, study_id: int, trial: FrozenTrial) -> tuple[int, int]:
    """Write a trial with all that it holds; its number is the study's next.

    Returns:
        Its id and its number.

    Raises:
        KeyError: there is no such study.
    """
    trials, studies = tables.TRIALS.c, tables.STUDIES.c
    locked = sa.select(studies.study_id).where(studies.study_id == study_id).with_for_update()
    if connection.execute(locked).first() is None:
        raise KeyError(study_id)
    numbers = sa.select(trials.number).where(trials.study_id == study_id).order_by(trials.trial_id.desc())
    last = connection.execute(numbers.limit(1)).scalar()
    number = 0 if last is None else int(last) + 1
    row: dict[str, Any] = {"study_id": study_id, "number": number, "state": trial.state}
    row |= {name: _as_stored(getattr(trial, name)) for name in ("datetime_start", "datetime_complete")}
    trial_id = _insert(connection, tables.TRIALS, row)
    for table, rows in (
        (tables.PARAMS, _rows_of_params(trial)),
        (tables.VALUES, _rows_of_values(trial)),
        (tables.INTERMEDIATE, _rows_of_intermediate_values(trial)),
        (tables.USER, _rows_of_attributes(trial.user_attrs)),
        (tables.SYSTEM, _rows_of_attributes(trial.system_attrs)),
    ):
        _insert_all(connection, table, rows, trial_id=trial_id)
    return trial_id, number


def _rows_of_params(trial: FrozenTrial) -> list[dict[str, Any]]:
    of_distribution: dict[int, str] = {}  # many switches share one
    rows = []
    for name, value in trial.params.items():
        distribution = trial.distributions[name]
        told = of_distribution.get(id(distribution)) or distribution_to_json(distribution)
        of_distribution[id(distribution)] = told
        stored = distribution.to_internal_repr(value)
        rows.append({"param_name": name, "param_value": stored, "distribution_json": told})
    return rows


def _rows_of_values(trial: FrozenTrial) -> list[dict[str, Any]]:
    rows = []
    for objective, value in enumerate(trial.values or ()):
        stored, kind = _stored_number(value)
        rows.append({"objective": objective, "value": stored, "value_type": ValueType[kind]})
    return rows


def _rows_of_intermediate_values(trial: FrozenTrial) -> list[dict[str, Any]]:
    rows = []
    for step, value in trial.intermediate_values.items():
        stored, kind = _stored_number(value)
        told = {"intermediate_value": stored, "intermediate_value_type": IntermediateType[kind]}
        rows.append({"step": step, **told})
    return rows


def _rows_of_attributes(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value_json": json.dumps(value)} for key, value in attributes.items()]


def _insert(connection: Connection, table: sa.Table, row: Mapping[str, Any]) -> int:
    inserted = connection.execute(sa.insert(table).values(row)).inserted_primary_key
    assert inserted is not None
    return int(inserted[0])


def _insert_all(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], **owner: int) -> None:
    if rows:
        connection.execute(sa.insert(table), [{**owner, **row} for row in rows])


def _stored_number(value: float) -> tuple[float | None, str]:
    if math.isnan(value):
        return None, "NAN"
    if math.isinf(value):
        return None, "INF_POS" if value > 0 else "INF_NEG"
    return value, "FINITE"


def _as_stored(when: datetime | None) -> datetime | None:
    """Naive local time, as trials have it, in naive UTC, as the tables do."""
    return None if when is None else when.astimezone(UTC).replace(tzinfo=None)
