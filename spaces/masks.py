"""Masks: which layers are INT8; the others are float."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import total_ordering
from pathlib import Path

from ..errors import QParetoError
from .layers import Layer


@total_ordering
@dataclass(frozen=True)
class LayerMask:
    """A set of INT8 layers out of a model's ordered layers. A value: hashable, ordered, printable.

    Args:
        layers: names of all layers that could be INT8, in graph order.
        bits: bit i set means that layer i is INT8; 0 <= bits < 2**len(layers).
    """

    layers: tuple[str, ...]
    bits: int

    def __post_init__(self) -> None:
        if len(set(self.layers)) != len(self.layers):
            raise ValueError("layer names must be distinct")
        if not 0 <= self.bits < 1 << len(self.layers):
            raise ValueError(f"bits must lie in 0..2**{len(self.layers)}-1, got {self.bits}")

    @classmethod
    def none(cls, layers: Sequence[str]) -> LayerMask:
        return cls(tuple(layers), 0)

    @classmethod
    def all(cls, layers: Sequence[str]) -> LayerMask:
        return cls(tuple(layers), (1 << len(layers)) - 1)

    @classmethod
    def from_names(cls, layers: Sequence[str], int8: Iterable[str]) -> LayerMask:
        """The mask whose INT8 layers are the named ones.

        Raises:
            QParetoError: a name is none of the layers.
        """
        position = {name: i for i, name in enumerate(layers)}
        names = set(int8)
        if unknown := sorted(names - position.keys()):
            raise QParetoError(
                f"{len(unknown)} of the mask's names are no layer that can run in INT8, the first is '{unknown[0]}': "
                "`qpareto layers` lists those that can."
            )
        return cls(tuple(layers), sum(1 << position[name] for name in names))

    @classmethod
    def from_blocks(cls, layers: Sequence[Layer], blocks: Iterable[str]) -> LayerMask:
        """The mask whose INT8 layers are those of the named blocks; a block without layers is refused."""
        wanted = set(blocks)
        if unknown := sorted(wanted - {layer.block for layer in layers}):
            raise QParetoError(f"There is no block '{unknown[0]}': `qpareto layers` lists the blocks.")
        return cls.from_names([x.name for x in layers], [x.name for x in layers if x.block in wanted])

    @classmethod
    def from_word(cls, layers: Sequence[str], word: str) -> LayerMask:
        """The mask that prints as this word; inverse of `word`.

        Raises:
            QParetoError: the word is not hexadecimal, or belongs to a model with another number of layers.
        """
        digits = _word_length(len(layers))
        if not re.fullmatch(r"[0-9a-fA-F]+", word):
            raise QParetoError(f"'{word}' is no mask word: a word has {digits} hexadecimal digits.")
        bits = int(word, 16)
        if len(word) != digits or bits >= 1 << len(layers):
            raise QParetoError(
                f"The mask word '{word}' does not fit this model: {len(layers)} layers make a word of {digits} digits."
            )
        return cls(tuple(layers), bits)

    @classmethod
    def from_file(cls, layers: Sequence[str], path: Path) -> LayerMask:
        """Read INT8 layers from a text file, one name a line; empty lines and lines from `#` on do not count."""
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise QParetoError(f"The mask file {path} cannot be read ({error}).") from error
        names = [re.sub(r"(^|\s)#.*", "", line).strip() for line in lines]
        return cls.from_names(layers, [name for name in names if name])

    def to_file(self, path: Path) -> None:
        path.write_text("".join(f"{name}\n" for name in self), encoding="utf-8")

    @property
    def word(self) -> str:
        """The bits in hexadecimal, layer 0 in the last digit; as long for every mask of a model."""
        return f"{self.bits:0{_word_length(len(self.layers))}x}"

    def __iter__(self) -> Iterator[str]:
        """The INT8 layers' names, in graph order."""
        return (name for i, name in enumerate(self.layers) if self.bits >> i & 1)

    def __len__(self) -> int:
        """How many layers are INT8."""
        return self.bits.bit_count()

    def __contains__(self, name: object) -> bool:
        return name in self.layers and bool(self.bits >> self.layers.index(str(name)) & 1)

    def __bool__(self) -> bool:
        return self.bits != 0

    def __or__(self, other: LayerMask) -> LayerMask:
        return LayerMask(self.layers, self.bits | self._bits_of(other))

    def __and__(self, other: LayerMask) -> LayerMask:
        return LayerMask(self.layers, self.bits & self._bits_of(other))

    def __sub__(self, other: LayerMask) -> LayerMask:
        return LayerMask(self.layers, self.bits & ~self._bits_of(other))

    def __xor__(self, other: LayerMask) -> LayerMask:
        return LayerMask(self.layers, self.bits ^ self._bits_of(other))

    def __invert__(self) -> LayerMask:
        return LayerMask.all(self.layers) - self

    def __lt__(self, other: LayerMask) -> bool:
        """Order of the bits as a number, among masks of one model."""
        return self.bits < self._bits_of(other)

    def __str__(self) -> str:
        return self.word

    def _bits_of(self, other: LayerMask) -> int:
        if other.layers != self.layers:
            raise ValueError("masks of two models cannot be combined or compared")
        return other.bits


def _word_length(n_layers: int) -> int:
    return max(1, -(-n_layers // 4))
