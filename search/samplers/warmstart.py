"""What to try before a sampler has anything to learn from.

Recipe masks under the calibration choices that differ most, then one block at a time taken back to float.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...spaces.calibration import CalibrationChoice
from ...spaces.candidate import Candidate
from ...spaces.layers import Layer
from ...spaces.masks import LayerMask
from ...spaces.space import Space


def first_candidates(space: Space, layers: Sequence[Layer], recipes: Sequence[LayerMask]) -> Iterator[Candidate]:
    """Candidates in the order in which to try them; those that the space does not hold are left out.

    Args:
        layers: all layers that can run in INT8, in graph order.
        recipes: masks that are known to do well, best first; its blocks are the ones taken back to float.
    """
    sizes = dict.fromkeys((max(space.sizes), min(space.sizes)))
    choices = [CalibrationChoice(method, size) for size in sizes for method in reversed(space.methods)]
    blocks = dict.fromkeys(layer.block for layer in layers)
    whole = [Candidate(choice, mask) for mask in recipes for choice in choices]
    without = [Candidate(choices[0], recipes[0] - LayerMask.from_blocks(layers, [block])) for block in blocks]
    return (candidate for candidate in (*whole, *without) if space.accepts(candidate))
