"""The masks to try first: the front that harm and gain predict before anything is measured.

With the harm h_i and the saved time g_i of each switch, and the cost b of a border (an edge whose ends differ), a mask
of the predicted front saves the most of all that harm no more than a budget:

    maximize   sum_i g_i x_i - b sum_(i,j) y_ij
    such that  sum_i h_i x_i <= budget,  y_ij >= x_i - x_j,  y_ij >= x_j - x_i,  x_i in {0, 1}

HiGHS solves it to proof (`scipy.optimize.milp`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from ...spaces.candidate import Candidate
from ...spaces.space import Space
from .encoding import Graph

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

BORDER_SHARE = 7.5e-4  # of all that INT8 saves: fitted to 173 measured masks of YOLO11n, and to 18 of YOLOv5n (7e-4)
SOLVES = 4  # at most, for each mask that is asked for: several budgets may have one best mask
GAP = 1e-4  # share of what the best mask saves that the proof leaves open: far less than is known of either
TIME_LIMIT_S = 15.0  # of one solve; 90 layers take 0.06 s (median), 1.2 s at worst: a busy machine finds the same masks


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What n switches are expected to do.

    Args:
        harm: (n,) what turning a switch on costs, in any unit; what is below 0 counts as 0.
        saved: (n,) what it saves, in any unit; below 0 where it costs.
        edges: (n_edges, 2) pairs of switches.
        border_cost: in the unit of `saved`, at least 0: what it costs that an edge's ends differ.
    """

    harm: Floats
    saved: Floats
    edges: NDArray[np.intp]
    border_cost: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "harm", np.maximum(self.harm, 0.0))

    @classmethod
    def from_graph(cls, graph: Graph, *, accuracy: int, latency: int, border_cost: float | None = None) -> Expectation:
        """What is known of a study's switches.

        Args:
            accuracy, latency: the positions of these objectives among the graph's effects; INT8 lowers both.
            border_cost: in the unit of the latency's effects; `BORDER_SHARE` of all that is saved if None.
        """
        switches = graph.switches or ()
        position = {name: i for i, name in enumerate(switches)}
        harm, saved = (np.array([-graph.effects[j].get(name, 0.0) for name in switches]) for j in (accuracy, latency))
        return cls(
            harm=harm,
            saved=saved,
            edges=np.array([(position[a], position[b]) for a, b in graph.edges], dtype=np.intp).reshape(-1, 2),
            border_cost=max(BORDER_SHARE * float(saved.sum()), 0.0) if border_cost is None else border_cost,
        )


def candidates_of_masks(space: Space, masks: Bools) -> tuple[Candidate, ...]:
    """The masks with calibrations that take turns: every method, so that they are compared early, at the largest size.

    Those calibrations are there already where the recipes are measured, and a larger size is seldom worse.

    Args:
        masks: (count, n) over the space's groups, in their order.
    """
    return tuple(
        Candidate(
            replace(space.usual, method=space.methods[i % len(space.methods)]),
            space.mask_of(compress(space.groups, mask.tolist())),
        )
        for i, mask in enumerate(masks)
    )


def predicted_front(expected: Expectation, count: int) -> Bools:
    """(at most count, n) distinct masks, the first few already all along the front; none is empty or full.

    By boxes (Hamacher, Pedersen, Ruzika, 'Finding representative systems for discrete bicriterion optimization
    problems', 2007): a box is a stretch of harm and of saved time in which masks of the front may lie. The box with
    the largest area is asked for its best mask within half its harm, which leaves two smaller boxes.

    There are fewer masks where the front has fewer.
    """
    mask = best_within(expected, float(expected.harm.sum()))
    boxes = [_Box(_Point(0.0, 0.0), _Point.of(expected, mask))]
    found: dict[bytes, Bools] = {}
    for _ in range(SOLVES * count):
        if 0 < mask.sum() < len(mask):
            found.setdefault(mask.tobytes(), mask)
        box = max(boxes, key=_Box.area)
        if len(found) == count or box.area() == 0:
            break
        budget = (box.low.harm + box.high.harm) / 2
        mask = best_within(expected, budget)
        point = _Point.of(expected, mask)
        boxes.remove(box)
        boxes += [_Box(box.low, point), _Box(_Point(budget, point.saved), box.high)]
    return np.array(list(found.values()), dtype=bool).reshape(-1, len(expected.harm))


def best_within(expected: Expectation, budget: float) -> Bools:
    """(n,) the mask that saves the most, borders paid, of those that harm no more than a budget.

    Where `TIME_LIMIT_S` ends before the proof it is the best one found by then, if any: empty otherwise.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array, eye_array, hstack, vstack

    edges = expected.edges if expected.border_cost > 0 else expected.edges[:0]
    n, n_edges = len(expected.harm), len(edges)
    unit_of_harm, unit_of_saved = (float(np.abs(x).max()) or 1.0 for x in (expected.harm, expected.saved))
    ends = (np.tile(np.arange(n_edges), 2), edges.T.ravel())
    differences = coo_array((np.repeat([1.0, -1.0], n_edges), ends), shape=(n_edges, n))
    harm = np.append(expected.harm, np.zeros(n_edges)) / unit_of_harm
    borders = eye_array(n_edges)
    rows = vstack([hstack([differences, -borders]), hstack([-differences, -borders]), harm[None]])
    solved = milp(
        np.append(-expected.saved, np.full(n_edges, expected.border_cost)) / unit_of_saved,
        integrality=np.append(np.ones(n), np.zeros(n_edges)),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(rows.tocsc(), -np.inf, np.append(np.zeros(2 * n_edges), budget / unit_of_harm)),
        options={"time_limit": TIME_LIMIT_S, "mip_rel_gap": GAP},
    )
    found: Bools = np.zeros(n, dtype=bool) if solved.x is None else solved.x[:n] > 0.5
    return found


@dataclass(frozen=True)
class _Point:
    """What a mask is expected to do."""

    harm: float
    saved: float

    @classmethod
    def of(cls, expected: Expectation, mask: Bools) -> _Point:
        borders = int((mask[expected.edges[:, 0]] != mask[expected.edges[:, 1]]).sum())
        return cls(float(expected.harm[mask].sum()), float(expected.saved[mask].sum()) - borders * expected.border_cost)


@dataclass(frozen=True)
class _Box:
    """A stretch of the front of which only the ends are known."""

    low: _Point
    high: _Point

    def area(self) -> float:
        return max(self.high.harm - self.low.harm, 0.0) * max(self.high.saved - self.low.saved, 0.0)
