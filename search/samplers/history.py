"""What a study's trials say about one search space: what was measured, what runs, and what not to try again."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from .encoding import Encoding, Rows

RowKey = Callable[[tuple[int, ...]], Hashable]
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What was seen of a trial without values.

    Args:
        values: one an objective, in its own unit and direction; NaN where it was not seen.
        deviations: how unsure each is beyond what a measurement is: a standard deviation, finite and at least 0.
    """

    values: tuple[float, ...]
    deviations: tuple[float, ...]


Observer = Callable[[FrozenTrial], Observation | None]


@dataclass(frozen=True)
class History:
    """The trials whose parameters lie in the space.

    Args:
        measured: (n, n_parameters) rows of complete trials with finite values.
        values: (n, m) theirs, smaller is better.
        glimpsed: (k, n_parameters) rows of pruned trials of which something was seen.
        glimpses: (k, m) what was, smaller is better; NaN where an objective was not seen.
        doubts: (k, m) standard deviations, see `Observation`.
        running: rows of trials that have begun.
        tried: keys of all trials, in any state.
    """

    measured: Rows
    values: Floats
    glimpsed: Rows
    glimpses: Floats
    doubts: Floats
    running: Rows
    tried: frozenset[Hashable]

    @classmethod
    def from_trials(
        cls,
        trials: Iterable[FrozenTrial],
        encoding: Encoding,
        key: RowKey,
        signs: Floats,
        *,
        partial: Observer | None = None,
    ) -> History:
        """Read trials; those without all parameters of the space, or with other values, are passed over.

        Args:
            key: tells which rows are the same thing.
            signs: (m,) what to multiply values by so that smaller is better.
            partial: what was seen of a pruned trial; nothing if None.
        """
        measured, values, running, tried = [], [], [], set()
        glimpsed: list[tuple[tuple[int, ...], Observation]] = []
        for trial in trials:
            row = encoding.row(trial.params)
            if row is None:
                continue
            tried.add(key(row))
            if trial.state == TrialState.COMPLETE and np.isfinite(trial.values).all():
                measured.append(row)
                values.append(trial.values)
            elif trial.state == TrialState.PRUNED and partial and (seen := partial(trial)):
                glimpsed.append((row, seen))
            elif trial.state == TrialState.RUNNING:
                running.append(row)
        return cls(
            measured=_rows(measured, encoding),
            values=_table(values, signs) * signs,
            glimpsed=_rows([row for row, _ in glimpsed], encoding),
            glimpses=_table([seen.values for _, seen in glimpsed], signs) * signs,
            doubts=_table([seen.deviations for _, seen in glimpsed], signs),
            running=_rows(running, encoding),
            tried=frozenset(tried),
        )

    @property
    def observations(self) -> tuple[Rows, Floats, Floats]:
        """Rows that something is known of, with its values and how unsure these are beyond what measurements are."""
        doubts = np.vstack([np.zeros_like(self.values), self.doubts])
        return np.vstack([self.measured, self.glimpsed]), np.vstack([self.values, self.glimpses]), doubts

    @property
    def known(self) -> Rows:
        """Measured rows, then running ones."""
        return np.vstack([self.measured, self.running])


def _rows(rows: Sequence[Sequence[int]], encoding: Encoding) -> Rows:
    return np.array(rows, dtype=np.int16).reshape(len(rows), len(encoding.names))


def _table(values: Sequence[Sequence[float]], signs: Floats) -> Floats:
    return np.array(values, dtype=np.float64).reshape(len(values), len(signs))
