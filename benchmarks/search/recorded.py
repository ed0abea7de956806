"""A recording as a problem to search: a surrogate, fitted on its measured candidates, stands in for model and device.

    python benchmarks/search/recorded.py recorded/yolo11n-coco-cpu.jsonl       tells how far the surrogate errs

Each objective is a Gaussian process over the switches and the calibration choice: a linear part, a smooth one that
knows of combinations, and noise; its few scales are learned by maximum likelihood (scikit-learn). It shares nothing
with the model that our own sampler learns, which has borders and effects known beforehand. The mean is the truth of a
replay, and the learned noise, what masks differ by beyond it, is drawn anew for every trial.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from qpareto.spaces.precision import INT8
from qpareto.spaces.space import Space
from recording import OBJECTIVES, Line, Recording, candidate_of_line

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Floats = NDArray[np.float64]

FOLDS = 10


class RecordedProblem:
    """What a recording's candidates would score, and what was known of them beforehand."""

    directions: ClassVar[tuple[Literal["maximize", "minimize"], ...]] = ("maximize", "minimize")
    border_cost: ClassVar[float | None] = None  # nothing is known of borders beforehand

    def __init__(self, recording: Recording) -> None:
        self._recording, told = recording, recording.space
        groups = {switch: tuple(layers) for switch, layers in told["groups"].items()}
        names = tuple(layer for layers in groups.values() for layer in layers)
        self.space = Space(
            layers=names,
            groups=groups,
            methods=tuple(told["methods"]),
            sizes=tuple(told["sizes"]),
            bias_correction=tuple(told.get("bias_correction", (False,))),  # older recordings do not tell it
        )
        self.layers = tuple(groups)
        self.edges = tuple((a, b) for a, b in told["edges"])
        self.blocks = tuple(tuple(block) for block in told["blocks"])
        self.effects: tuple[Mapping[str, float], ...] = tuple(told["effects"])

    @property
    def reference(self) -> tuple[float, ...]:
        """The worst corner, in the objectives' own units."""
        accuracy, ratio = self._recording.corner.tolist()
        return -accuracy, ratio

    def distributions(self) -> dict[str, BaseDistribution]:
        return self.space.distributions()

    def truth(self, params: Mapping[str, Any]) -> tuple[float, ...]:
        """The surrogate's mAP50-95 and latency ratio."""
        row = self._row(params)[None]
        return tuple(float(model.predict(row)[0]) for model in self._models)

    def evaluate(self, params: Mapping[str, Any], rng: np.random.Generator) -> tuple[float, ...]:
        """The same with noise, as a trial would measure them."""
        found = zip(self.truth(params), self.noise, strict=True)
        return tuple(value + float(rng.normal(0, noise)) for value, noise in found)

    @cached_property
    def noise(self) -> tuple[float, ...]:
        """Standard deviation of each objective around the surrogate."""
        return tuple(model.noise for model in self._models)

    @cached_property
    def measured(self) -> tuple[list[Line], Floats, Floats]:
        """Lines of the distinct candidates in the study's own float type, as rows (n, n_features) and values (n, 2)."""
        found = {line["graph_hash"]: (line, candidate_of_line(line, self.space)) for line in self._recording.measured}
        held = [(line, candidate) for line, candidate in found.values() if self.space.accepts(candidate)]
        rows = np.array([self._row(self.space.params(candidate)) for _, candidate in held])
        return [line for line, _ in held], rows, np.array([[line[name] for name in OBJECTIVES] for line, _ in held])

    @cached_property
    def _models(self) -> tuple[Surrogate, ...]:
        _, rows, values = self.measured
        return tuple(Surrogate(rows, values[:, j]) for j in range(values.shape[1]))

    def _row(self, params: Mapping[str, Any]) -> Floats:
        """Switches as 0 or 1, then the calibration: its method's position, and the logarithm of its size, 0..1."""
        largest = np.log2(max(self.space.sizes))
        method = self.space.methods.index(params["calibration.method"])
        switches = [float(params[switch] == INT8.name) for switch in self.space.groups]
        return np.array([*switches, method, np.log2(params["calibration.size"]) / max(largest, 1.0)])


class Surrogate:
    """One objective, learned from (n, n_features) rows and (n,) values."""

    def __init__(self, rows: Floats, values: Floats) -> None:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, WhiteKernel

        linear, smooth = ConstantKernel(0.1) * DotProduct(), ConstantKernel(1.0) * RBF(5.0, (1.0, 100.0))
        kernel = linear + smooth + WhiteKernel(0.1)
        self._centre, self._scale = float(values.mean()), float(values.std()) or 1.0
        self._process = GaussianProcessRegressor(kernel, n_restarts_optimizer=1, random_state=0)
        with warnings.catch_warnings(category=ConvergenceWarning, action="ignore"):  # a scale at the end of its range
            self._process.fit(rows, (values - self._centre) / self._scale)

    @property
    def noise(self) -> float:
        """Standard deviation of a measurement around the truth."""
        variance = float(np.exp(self._process.kernel_.theta[-1]))
        return float(np.sqrt(variance)) * self._scale

    def predict(self, rows: Floats) -> Floats:
        """(n,) for (n, n_features) rows."""
        found: Floats = self._process.predict(rows) * self._scale + self._centre
        return found


def errors_of_folds(rows: Floats, values: Floats) -> Floats:
    """(n,) what the surrogate, fitted on the other folds, predicts for each candidate less what it measured."""
    fold = np.random.default_rng(0).permutation(len(rows)) % FOLDS
    errors = np.empty(len(rows))
    for k in range(FOLDS):
        held = fold == k
        errors[held] = Surrogate(rows[~held], values[~held]).predict(rows[held]) - values[held]
    return errors


def print_errors(problem: RecordedProblem) -> None:
    """One row an objective: how far the surrogate errs on candidates that it did not see."""
    lines, rows, values = problem.measured
    print(f"{len(lines)} distinct candidates, {FOLDS} folds\n")
    print("| objective | spread | error, root mean square | explained | rank correlation | noise |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for j, name in enumerate(OBJECTIVES):
        errors = errors_of_folds(rows, values[:, j])
        size, spread = float(np.sqrt((errors**2).mean())), float(values[:, j].std())
        ranks = _rank_correlation(errors + values[:, j], values[:, j])
        print(f"| {name} | {spread:.4f} | {size:.4f} | {1 - (size / spread) ** 2:.2f} | {ranks:.2f} |", end="")
        print(f" {problem.noise[j]:.4f} |")


def _rank_correlation(one: Floats, other: Floats) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(one, other).statistic)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", type=Path)
    print_errors(RecordedProblem(Recording.opened(parser.parse_args(arguments).recording)))


if __name__ == "__main__":
    main()
