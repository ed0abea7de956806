"""The space of a study: its candidates, and their form as Optuna parameters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product, starmap
from typing import TYPE_CHECKING, Any, Literal

from ..errors import ModelError, QParetoError
from .calibration import CalibrationChoice
from .candidate import Candidate
from .layers import Layer, matching
from .masks import LayerMask
from .precision import FLOAT, INT8, Precision

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

_CORRECTION = "calibration.bias_correction"


@dataclass(frozen=True, kw_only=True)
class Space:
    """Which candidates a study may try.

    Args:
        layers: names of all layers that can be quantized, in graph order: what masks are told over.
        groups: parameter name -> the layers that it turns, in graph order; disjoint. Layers in no group stay float.
        methods, sizes, bias_correction: the calibration choices, at least one of each. A parameter of trials says
            whether biases are corrected only where that is to be chosen.
        precision: what a group that is not float runs in.
    """

    layers: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]
    methods: tuple[str, ...]
    sizes: tuple[int, ...]
    bias_correction: tuple[bool, ...] = (False,)
    precision: Precision = INT8

    def __post_init__(self) -> None:
        if not self.groups:
            raise ModelError("The space has no layer to search: loosen `space.mask.layers` or `keep_float`.")
        for choice in self.calibrations:
            CalibrationChoice.__post_init__(choice)

    @property
    def calibrations(self) -> tuple[CalibrationChoice, ...]:
        return tuple(starmap(CalibrationChoice, product(self.methods, self.sizes, self.bias_correction)))

    @property
    def usual(self) -> CalibrationChoice:
        """What is known before any trial is measured with."""
        return CalibrationChoice.usual(self.methods, self.sizes, self.bias_correction)

    @property
    def searched(self) -> LayerMask:
        """The mask with every searched layer quantized: the most that a candidate can have."""
        return self.mask_of(self.groups)

    def mask_of(self, groups: Iterable[str]) -> LayerMask:
        """The mask whose quantized layers are those of the named groups."""
        names = [name for group in groups for name in self.groups[group]]
        return LayerMask.from_names(self.layers, names, self.precision)

    def distributions(self) -> dict[str, BaseDistribution]:
        """Optuna's distributions: the calibration choice, and one switch between float and `precision` a group."""
        from optuna.distributions import CategoricalDistribution

        choices: dict[str, BaseDistribution] = {
            "calibration.method": CategoricalDistribution(self.methods),
            "calibration.size": CategoricalDistribution(self.sizes),
        }
        if len(self.bias_correction) > 1:
            choices[_CORRECTION] = CategoricalDistribution(self.bias_correction)
        switch = CategoricalDistribution((FLOAT.name, self.precision.name))
        return choices | dict.fromkeys(self.groups, switch)

    def candidate(self, params: Mapping[str, Any]) -> Candidate:
        """The candidate that a trial's parameters stand for; inverse of `params`."""
        correction = params.get(_CORRECTION, self.bias_correction[0])
        choice = CalibrationChoice(params["calibration.method"], params["calibration.size"], correction)
        return Candidate(choice, self.mask_of([group for group in self.groups if params[group] == self.precision.name]))

    def params(self, candidate: Candidate) -> dict[str, Any]:
        """The parameters that stand for a candidate.

        Raises:
            QParetoError: the candidate is not in the space: part of a group is quantized, a layer that stays float is,
                or its calibration choice is not offered.
        """
        quantized = set(candidate.mask)
        switches = {
            group: (self.precision if quantized.issuperset(names) else FLOAT).name
            for group, names in self.groups.items()
        }
        choice = candidate.calibration
        correction = {_CORRECTION: choice.bias_correction} if len(self.bias_correction) > 1 else {}
        params = {"calibration.method": choice.method, "calibration.size": choice.size, **correction, **switches}
        if choice not in self.calibrations or self.candidate(params).mask != candidate.mask:
            raise QParetoError(f"{candidate} is not in this study's space: see `space:` in the study file.")
        return params

    def accepts(self, candidate: Candidate) -> bool:
        """Whether the space holds this candidate."""
        try:
            self.params(candidate)
        except QParetoError:
            return False
        return True


def space_of_layers(
    layers: Sequence[Layer],
    *,
    methods: Sequence[str],
    sizes: Sequence[int],
    only: Literal["all"] | Sequence[str] = "all",
    keep_float: Sequence[str] = (),
    groups: Literal["layer", "block"] = "layer",
) -> Space:
    """The space that a study file's `space:` section describes.

    Args:
        layers: those that can run in INT8, in graph order.
        only: `all`, or regular expressions of names or blocks that may be INT8.
        keep_float: regular expressions of names or blocks that stay float.
        groups: whether each layer has a switch of its own, or each block one.

    Raises:
        ModelError: a pattern matches nothing, or nothing is left to search.
    """
    chosen = {x.name for x in layers} if only == "all" else set(matching(layers, only))
    chosen -= set(matching(layers, keep_float))
    switches: dict[str, list[Layer]] = {}
    for layer in layers:
        if layer.name in chosen:
            switches.setdefault(layer.block if groups == "block" else layer.name, []).append(layer)
    return Space(
        layers=tuple(x.name for x in layers),
        groups={
            f"{i:03d} {_short(key)}": tuple(x.name for x in turned) for i, (key, turned) in enumerate(switches.items())
        },
        methods=tuple(methods),
        sizes=tuple(sizes),
    )


def _short(name: str) -> str:
    """`model.23.cv3.0.1.0` of `/model.23/cv3.0/cv3.0.1/cv3.0.1.0/conv/Conv`: what is told once is enough."""
    parts = re.sub(r"(/conv)?/Conv$", "", name).strip("/").split("/")
    return ".".join(
        part for part, following in zip(parts, [*parts[1:], ""], strict=True) if not following.startswith(part)
    )
