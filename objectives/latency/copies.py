"""Copies of one engine in one process, which run in turn: where its memory lies makes an engine faster or slower.

On an H200 twelve copies of YOLO11n's FP16 engine at batch 1, loaded one after the other, took 0.642 to 0.670 ms, each
the same again whenever it ran; in the next process, which asked for the same memory in the same order, each copy took
what its like had taken. So one copy in process after process looks sure to 0.02 %, and is up to 4 % off; an engine that
was timed against itself took 0.990 of its own time. At batch 8 and 32 the same ratio is 1 to within 0.1 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..engines import Engine

T = TypeVar("T")

_PART_OF_FREE = 0.5  # of the device's free memory: others may need some


@dataclass(frozen=True, eq=False)
class Copies:
    """Copies of an engine, of which each turn is another's.

    Args:
        engines: at least one, the inputs of each loaded as `inputs_of_copy` tells.
    """

    engines: tuple[Engine, ...]

    @property
    def first(self) -> Engine:
        """The one that has all inputs."""
        return self.engines[0]

    def run_once_ms(self, turn: int = 0) -> float:
        """As of the engine whose turn it is, on the input whose turn it is; for all copies of a kind the same."""
        turn_of_copy, copy = divmod(turn, len(self.engines))
        return self.engines[copy].run_once_ms(turn_of_copy if copy else turn)


def inputs_of_copy(inputs: Sequence[T], copy: int, copies: int) -> Sequence[T]:
    """What a copy is timed on: the first may need all inputs, any other needs those of its turns, at least one.

    Args:
        inputs: at least one.
        copy: from 0, below `copies`.
    """
    if copy == 0:
        return inputs
    return inputs[copy::copies] or [inputs[copy % len(inputs)]]


def copies_that_fit(wanted: int, *, before: int, after: int) -> int:
    """How many copies of a pair of engines may be loaded, the first pair included.

    Args:
        wanted: at most so many; at least 1.
        before, after: bytes of the device's memory that were free before the first pair was loaded, and then.
    """
    more = int(_PART_OF_FREE * after / max(before - after, 1))
    return min(wanted, 1 + more)
