"""A made-up detector to search: two noisy objectives over 90 layers on a YOLO-like graph, with a known truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from qpareto.spaces.precision import INT8
from qpareto.spaces.space import Space

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Vector = NDArray[np.float64]

FLOAT_MAP = 0.4147
ALL_INT8_LOSS = 0.017  # mAP50-95 under the worst calibration choice
ALL_INT8_SAVED = 0.5  # of the float model's time
LOSS_SPREAD, GAIN_SPREAD, BORDER_SPREAD = 1.5, 0.8, 0.6  # standard deviations of the logarithms
BORDER_COST = 0.004  # median, of the float model's time
MAP_NOISE, RATIO_NOISE = 0.0015, 0.005  # standard deviations
METHODS = {"max": 1.0, "entropy": 0.7}  # share of the loss that each calibration choice leaves
SIZES = {16: 1.15, 64: 1.0, 256: 1.05}


@dataclass(frozen=True)
class SyntheticProblem:
    """Layers with heavy-tailed losses in mAP, savings in time, and borders that cost time.

    mAP = float mAP - (sum of the INT8 layers' losses, plus 20 % of its square over the total) * calibration's share.
    Ratio = 1 - sum of the INT8 layers' savings + sum of the costs of edges with one INT8 end.

    Args:
        seed: decides losses, savings and costs.
        loss_error, gain_error: standard deviations of the logarithm of the errors in `effects`.
    """

    seed: int
    loss_error: float = 0.7
    gain_error: float = 0.4

    directions: ClassVar[tuple[Literal["maximize", "minimize"], ...]] = ("maximize", "minimize")
    border_cost: ClassVar[float | None] = BORDER_COST  # what is known of each
    reference: ClassVar[tuple[float, ...]] = (FLOAT_MAP - 1.1 * ALL_INT8_LOSS, 1.02)  # the hypervolume's worst corner

    @cached_property
    def blocks(self) -> tuple[tuple[str, ...], ...]:
        """22 blocks of one to six layers: stem and downsampling, and C2f-like ones; then three heads."""
        sizes = [1, 1, 4, 1, 4, 1, 6, 1, 6, 3, 5, 5, 4, 1, 4, 1, 6, *[6] * 6]
        ends = np.cumsum(sizes)
        return tuple(
            tuple(f"{i:03d}" for i in range(end - n, end)) for n, end in zip(sizes, ends.tolist(), strict=True)
        )

    @cached_property
    def layers(self) -> tuple[str, ...]:
        return tuple(layer for block in self.blocks for layer in block)

    @cached_property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """A chain in each block with a way around it, blocks in a row, three long ways to the neck, six heads."""
        blocks = self.blocks
        body = blocks[:17]
        chains = [pair for block in blocks for pair in pairwise(block)]
        around = [(block[0], block[-1]) for block in body if len(block) > 2]
        rows = [(one[-1], two[0]) for one, two in pairwise(body)]
        far = [(body[a][-1], body[b][0]) for a, b in ((6, 11), (4, 12), (9, 16))]
        heads = [(body[12 + 2 * (i // 2)][-1], head[0]) for i, head in enumerate(blocks[17:])]
        return tuple(dict.fromkeys([*chains, *around, *rows, *far, *heads]))

    @cached_property
    def losses(self) -> Vector:
        """(n_layers,) in mAP50-95, under the worst calibration choice."""
        drawn = self._rng(0).lognormal(0.0, LOSS_SPREAD, len(self.layers))
        scaled: Vector = drawn * ALL_INT8_LOSS / drawn.sum() / 1.2
        return scaled

    @cached_property
    def savings(self) -> Vector:
        """(n_layers,) in shares of the float model's time."""
        drawn = self._rng(1).lognormal(0.0, GAIN_SPREAD, len(self.layers))
        scaled: Vector = drawn * ALL_INT8_SAVED / drawn.sum()
        return scaled

    @cached_property
    def border_costs(self) -> Vector:
        """(n_edges,) in shares of the float model's time."""
        return self._rng(2).lognormal(np.log(BORDER_COST), BORDER_SPREAD, len(self.edges))

    @property
    def effects(self) -> tuple[Mapping[str, float], Mapping[str, float]]:
        """What a sensitivity analysis and a profile would tell: each layer's effect, off by a random factor."""
        rng = self._rng(3)
        loss = self.losses * rng.lognormal(0.0, self.loss_error, len(self.layers))
        saved = self.savings * rng.lognormal(0.0, self.gain_error, len(self.layers))
        return (
            dict(zip(self.layers, (-loss).tolist(), strict=True)),
            dict(zip(self.layers, (-saved).tolist(), strict=True)),
        )

    @cached_property
    def space(self) -> Space:
        groups = {layer: (layer,) for layer in self.layers}
        return Space(layers=self.layers, groups=groups, methods=tuple(METHODS), sizes=tuple(SIZES))

    def distributions(self) -> dict[str, BaseDistribution]:
        return self.space.distributions()

    def truth(self, params: Mapping[str, Any]) -> tuple[float, float]:
        """mAP50-95 and latency ratio without noise."""
        on = np.array([params[layer] == INT8.name for layer in self.layers])
        lost = float(self.losses[on].sum())
        lost = (lost + 0.2 * lost**2 / float(self.losses.sum())) * self._left_by_calibration(params)
        ends = self._edge_indices
        border = on[ends[:, 0]] != on[ends[:, 1]]
        return FLOAT_MAP - lost, float(1 - self.savings[on].sum() + self.border_costs[border].sum())

    def evaluate(self, params: Mapping[str, Any], rng: np.random.Generator) -> tuple[float, float]:
        """mAP50-95 and latency ratio as a trial would measure them."""
        accuracy, ratio = self.truth(params)
        return accuracy + float(rng.normal(0, MAP_NOISE)), ratio + float(rng.normal(0, RATIO_NOISE))

    @staticmethod
    def _left_by_calibration(params: Mapping[str, Any]) -> float:
        return METHODS[params["calibration.method"]] * SIZES[params["calibration.size"]]

    @cached_property
    def _edge_indices(self) -> NDArray[np.intp]:
        position = {layer: i for i, layer in enumerate(self.layers)}
        return np.array([(position[a], position[b]) for a, b in self.edges])

    def _rng(self, part: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, part])
