"""What a study's trials say about one search space: what was measured, what runs, and what not to try again."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from .encoding import Encoding, Rows

RowKey = Callable[[tuple[int, ...]], Hashable]


@dataclass(frozen=True)
class History:
    """The trials whose parameters lie in the space.

    Args:
        measured: (n, n_parameters) rows of complete trials with finite values.
        values: (n, m) theirs, smaller is better.
        running: rows of trials that have begun.
        tried: keys of all trials, in any state.
    """

    measured: Rows
    values: NDArray[np.float64]
    running: Rows
    tried: frozenset[Hashable]

    @classmethod
    def from_trials(
        cls, trials: Iterable[FrozenTrial], encoding: Encoding, key: RowKey, signs: NDArray[np.float64]
    ) -> History:
        """Read trials; those without all parameters of the space, or with other values, are passed over.

        Args:
            key: tells which rows are the same thing.
            signs: (m,) what to multiply values by so that smaller is better.
        """
        measured, values, running, tried = [], [], [], set()
        for trial in trials:
            row = encoding.row(trial.params)
            if row is None:
                continue
            tried.add(key(row))
            if trial.state == TrialState.COMPLETE and np.isfinite(trial.values).all():
                measured.append(row)
                values.append(trial.values)
            elif trial.state == TrialState.RUNNING:
                running.append(row)
        return cls(
            measured=_rows(measured, encoding),
            values=np.array(values, dtype=np.float64).reshape(-1, len(signs)) * signs,
            running=_rows(running, encoding),
            tried=frozenset(tried),
        )

    @property
    def known(self) -> Rows:
        """Measured rows, then running ones."""
        return np.vstack([self.measured, self.running])


def _rows(rows: Sequence[Sequence[int]], encoding: Encoding) -> Rows:
    return np.array(rows, dtype=np.int16).reshape(len(rows), len(encoding.names))
