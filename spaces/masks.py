"""Masks: which layers run in which precision."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import QParetoError
from .precision import FLOAT, INT8, Precision


@dataclass(frozen=True)
class LayerMask:
    """Which of a model's layers run in which precision. A value: hashable, printable; its items are quantized layers.

    Args:
        layers: names of all layers that can be quantized, in graph order.
        precisions: what each of them runs in.
    """

    layers: tuple[str, ...]
    precisions: tuple[Precision, ...]

    def __post_init__(self) -> None:
        if len(set(self.layers)) != len(self.layers):
            raise ValueError("layer names must be distinct")
        if len(self.precisions) != len(self.layers):
            raise ValueError(f"{len(self.layers)} layers cannot have {len(self.precisions)} precisions")

    @classmethod
    def none(cls, layers: Sequence[str]) -> LayerMask:
        return cls.of(layers, {})

    @classmethod
    def all(cls, layers: Sequence[str], precision: Precision = INT8) -> LayerMask:
        return cls.of(layers, dict.fromkeys(layers, precision))

    @classmethod
    def of(cls, layers: Sequence[str], precisions: Mapping[str, Precision]) -> LayerMask:
        """The mask that gives the named layers these precisions; the others are float."""
        return cls(tuple(layers), tuple(precisions.get(name, FLOAT) for name in layers))

    @classmethod
    def from_names(cls, layers: Sequence[str], names: Iterable[str], precision: Precision = INT8) -> LayerMask:
        """The mask whose quantized layers are the named ones.

        Raises:
            QParetoError: a name is none of the layers.
        """
        chosen = dict.fromkeys(names, precision)
        if unknown := sorted(chosen.keys() - set(layers)):
            raise QParetoError(
                f"{len(unknown)} of the mask's names are no layer that can run in {precision.title}, the first is "
                f"'{unknown[0]}': `qpareto layers` lists those that can."
            )
        return cls.of(layers, chosen)

    @classmethod
    def from_word(cls, layers: Sequence[str], word: str) -> LayerMask:
        """The mask that prints as this word; inverse of `word`.

        Raises:
            QParetoError: the word is not hexadecimal, or belongs to a model with another number of layers.
        """
        digits = _word_length(len(layers))
        if not re.fullmatch(r"[0-9a-fA-F]+", word):
            raise QParetoError(f"'{word}' is no mask word: a word has {digits} hexadecimal digits.")
        chosen = layers_of_word(word)
        if len(word) != digits or max(chosen, default=0) >= len(layers):
            raise QParetoError(
                f"The mask word '{word}' does not fit this model: {len(layers)} layers make a word of {digits} digits."
            )
        return cls.from_names(layers, [layers[i] for i in chosen])

    @classmethod
    def from_file(cls, layers: Sequence[str], path: Path) -> LayerMask:
        """Read INT8 layers from a text file, one name a line; empty lines and lines from `#` on do not count."""
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise QParetoError(f"The mask file {path} cannot be read ({error}).") from error
        names = [re.sub(r"(^|\s)#.*", "", line).strip() for line in lines]
        return cls.from_names(layers, [name for name in names if name])

    @property
    def word(self) -> str:
        """The INT8 layers as a hexadecimal number, layer 0 in its last bit; as long for every mask of a model."""
        bits = sum(1 << i for i, precision in enumerate(self.precisions) if precision == INT8)
        return f"{bits:0{_word_length(len(self.layers))}x}"

    def by_layer(self) -> dict[str, Precision]:
        """What each layer runs in, in graph order."""
        return dict(zip(self.layers, self.precisions, strict=True))

    def without(self, names: Collection[str]) -> LayerMask:
        """The same mask, but these layers are float."""
        return LayerMask.of(self.layers, {name: p for name, p in self.by_layer().items() if name not in names})

    def __iter__(self) -> Iterator[str]:
        """The quantized layers' names, in graph order."""
        return (name for name, precision in self.by_layer().items() if precision != FLOAT)

    def __len__(self) -> int:
        """How many layers are quantized."""
        return len(self.precisions) - self.precisions.count(FLOAT)

    def __contains__(self, name: object) -> bool:
        return self.by_layer().get(str(name), FLOAT) != FLOAT

    def __str__(self) -> str:
        return self.word


def layers_of_word(word: str) -> list[int]:
    """Which layers a mask's word quantizes, counted from 0 in graph order."""
    bits = int(word, 16)
    return [i for i in range(bits.bit_length()) if bits >> i & 1]


def _word_length(n_layers: int) -> int:
    return max(1, -(-n_layers // 4))
