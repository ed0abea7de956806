"""What a worker needs of whatever measures: the interface, and the real pipeline behind it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

from ...errors import CandidateError, EngineError
from ...objectives.accuracy.race import Stopped
from ...objectives.measurement import Measurement
from ...objectives.quantization.apply_mask import QuantizedModel
from ...objectives.score import Scorer
from ...objectives.staged import StagedScorer
from ...spaces.candidate import Candidate
from ...spaces.space import Space
from ..samplers.encoding import Graph
from ..study_file.spec import SearchSpec
from .baselines import Baseline, baselines
from .known import graph_of_study, warm_start
from .racing import staged_scorer

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Prior:
    """What is known of a space before any trial.

    Args:
        graph: for our own sampler; None if nothing is.
        first: candidates to try first.
    """

    graph: Graph | None = None
    first: tuple[Candidate, ...] = ()


class Objective(Protocol):
    """Measures candidates of one study."""

    @property
    def float_type(self) -> str:
        """What layers outside the mask run in, where a baseline does not say otherwise."""

    @property
    def races(self) -> bool:
        """Whether a candidate may be stopped before it is measured in full."""

    def recipes(self, space: Space) -> Sequence[Baseline]:
        """The baselines, in their order."""

    def prior(self, space: Space) -> Prior:
        """What is known beforehand."""

    def without_kernel(self) -> frozenset[str]:
        """Layers that have no INT8 kernel here, as far as builds have told: float in every candidate."""

    def graph_hash(self, candidate: Candidate) -> str:
        """What tells which candidates make the same engine. Quick.

        Raises:
            CandidateError: it cannot be quantized.
        """

    def measure(
        self, candidate: Candidate, *, float_type: str, rivals: Mapping[int, Measurement] | None
    ) -> Measurement | Stopped:
        """Measure a candidate.

        Args:
            float_type: what layers outside the mask run in; another than usual for some baselines.
            rivals: points of the front, by trial, that may stop it early; None to measure it in full.

        Raises:
            CandidateError: it cannot be measured.
            DeviceError: nothing can be measured here any more.
        """


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """The real objective: quantized by ModelOpt, built, timed and evaluated.

    Args:
        search: how the study is searched.
        objectives: the study's.
        known: candidates that are tried first.
    """

    scorer: Scorer
    search: SearchSpec
    objectives: Sequence[str]
    known: tuple[Candidate, ...] = ()

    @property
    def float_type(self) -> str:
        return self.scorer.options.float_type

    @property
    def races(self) -> bool:
        return self._staged is not None

    def recipes(self, space: Space) -> Sequence[Baseline]:
        if not self.search.baselines:
            return ()
        faster = self.scorer.kind.faster_float_type(self.scorer.options)
        return baselines(space, faster_float_type=faster)

    def prior(self, space: Space) -> Prior:
        predicted = self._predicted(space)
        return replace(predicted, first=tuple(dict.fromkeys((*self.known, *predicted.first))))

    def _predicted(self, space: Space) -> Prior:
        search = self.search
        if search.sampler != "auto" and not search.warm_start:
            if self.scorer.kind.chooses_kernels:  # otherwise what each layer saves is asked of the same engine
                self._learn_missing_kernels(space)
            return Prior()
        graph = graph_of_study(self.scorer, space, self.objectives)
        if not search.warm_start:
            return Prior(graph=graph)
        measured = [baseline.candidate for baseline in self.recipes(space)]
        first = warm_start(self.scorer, space, graph, self.objectives, count=search.warm_start, measured=measured)
        return Prior(graph=graph, first=first)

    def without_kernel(self) -> frozenset[str]:
        return frozenset(self.scorer.missing_kernels.known())

    def graph_hash(self, candidate: Candidate) -> str:
        return self._quantized(candidate).graph_hash

    def measure(
        self, candidate: Candidate, *, float_type: str, rivals: Mapping[int, Measurement] | None
    ) -> Measurement | Stopped:
        self.scorer.seconds.clear()  # what a trial that was stopped or failed before this one took
        quantized = self._quantized(candidate)
        try:
            if rivals is not None and self._staged is not None:
                return self._staged.measure(candidate, quantized, rivals)
            return self.scorer.measure(candidate, quantized, float_type=float_type)
        except EngineError:
            self.scorer.device.refuse_if_gone()
            raise

    def _learn_missing_kernels(self, space: Space) -> None:
        """Build the engine with all layers in INT8, before any trial fails of what that can tell."""
        try:
            self.scorer.all_int8(space.usual)
        except CandidateError as error:
            _log.warning("The search starts without the engine with all layers in INT8: %s", error)

    @cached_property
    def _staged(self) -> StagedScorer | None:
        return staged_scorer(self.search, self.scorer, self.objectives)

    @cached_property
    def _last(self) -> dict[Candidate, QuantizedModel]:
        return {}

    def _quantized(self, candidate: Candidate) -> QuantizedModel:
        if candidate not in self._last:
            self._last.clear()
            self._last[candidate] = self.scorer.quantize(candidate)
        return self._last[candidate]
