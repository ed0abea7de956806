"""Optuna's tables, of the one version that is read and written here in bulk; any other is left to Optuna's own ways."""

from __future__ import annotations

from enum import Enum

import sqlalchemy as sa
from optuna.study import StudyDirection
from optuna.trial import TrialState

KNOWN_VERSION = "v3.2.0.a"  # as alembic tells it
ValueType = Enum("ValueType", ["FINITE", "INF_POS", "INF_NEG"])
IntermediateType = Enum("IntermediateType", ["FINITE", "INF_POS", "INF_NEG", "NAN"])

_schema = sa.MetaData()
STUDIES = sa.Table(
    "studies",
    _schema,
    sa.Column("study_id", sa.Integer, primary_key=True),
    sa.Column("study_name", sa.String),
)
DIRECTIONS = sa.Table(
    "study_directions",
    _schema,
    sa.Column("study_direction_id", sa.Integer, primary_key=True),
    sa.Column("study_id", sa.Integer),
    sa.Column("objective", sa.Integer),
    sa.Column("direction", sa.Enum(StudyDirection)),
)
TRIALS = sa.Table(
    "trials",
    _schema,
    sa.Column("trial_id", sa.Integer, primary_key=True),
    sa.Column("number", sa.Integer),
    sa.Column("study_id", sa.Integer),
    sa.Column("state", sa.Enum(TrialState)),
    sa.Column("datetime_start", sa.DateTime),
    sa.Column("datetime_complete", sa.DateTime),
)
VALUES = sa.Table(
    "trial_values",
    _schema,
    sa.Column("trial_value_id", sa.Integer, primary_key=True),
    sa.Column("trial_id", sa.Integer),
    sa.Column("objective", sa.Integer),
    sa.Column("value", sa.Double),
    sa.Column("value_type", sa.Enum(ValueType, name="trialvaluetype")),
)
PARAMS = sa.Table(
    "trial_params",
    _schema,
    sa.Column("param_id", sa.Integer, primary_key=True),
    sa.Column("trial_id", sa.Integer),
    sa.Column("param_name", sa.String),
    sa.Column("param_value", sa.Double),
    sa.Column("distribution_json", sa.Text),
)
INTERMEDIATE = sa.Table(
    "trial_intermediate_values",
    _schema,
    sa.Column("trial_intermediate_value_id", sa.Integer, primary_key=True),
    sa.Column("trial_id", sa.Integer),
    sa.Column("step", sa.Integer),
    sa.Column("intermediate_value", sa.Double),
    sa.Column("intermediate_value_type", sa.Enum(IntermediateType, name="trialintermediatevaluetype")),
)


def _attributes(of: str, kind: str) -> sa.Table:
    return sa.Table(
        f"{of}_{kind}_attributes",
        _schema,
        sa.Column(f"{of}_{kind}_attribute_id", sa.Integer, primary_key=True),
        sa.Column(f"{of}_id", sa.Integer),
        sa.Column("key", sa.String),
        sa.Column("value_json", sa.Text),
    )


USER, SYSTEM = _attributes("trial", "user"), _attributes("trial", "system")
STUDY_USER, STUDY_SYSTEM = _attributes("study", "user"), _attributes("study", "system")
