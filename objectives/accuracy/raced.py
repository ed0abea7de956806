"""One engine's accuracy in a race: images in the race's order, given up at the first look that finds it dominated."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..engines.base import Infers
from .coco import Accuracy, MatchTable, score_matches
from .data.dataset import Dataset
from .data.evaluation_set import EvaluationSet
from .evaluate import matches_of_engine
from .heads import Head
from .matcher import Matches
from .race import Race, Rival, Standing, looks, race_order, standing_on_part
from .sample import Sampling


@dataclass(frozen=True, kw_only=True)
class Contest:
    """What a candidate races in. Small to hand to another process.

    Args:
        front: those whom it may race against.
        seed: of the order of the images.
    """

    race: Race
    front: tuple[Rival, ...]
    seed: int

    def standing_in_full(self, accuracy: Accuracy, rival: Rival) -> Standing:
        """How a candidate stands that has seen all images."""
        return standing_on_part(accuracy.matches, rival.matches(), self._order(len(accuracy.matches.truths)))

    def accuracy_of_engine(
        self,
        engine: Infers,
        images: EvaluationSet,
        head: Head,
        *,
        rival: Rival | None,
        threads: int = 1,
    ) -> Accuracy | Standing:
        """Run an engine on images until it is dominated, or else on all of them.

        Args:
            images, threads: as for `matches_of_engine`.
            rival: None: nobody stops it.

        Returns:
            Its accuracy, to the last bit what `evaluate.accuracy_of_engine` gives; or how it stood when it was stopped.

        Raises:
            EngineError: the engine failed.
        """
        order = self._order(len(images))
        against = rival.matches() if rival else None
        found: list[Matches] = []
        sampling = Sampling(len(order))
        ahead = matches_of_engine(engine, images, head, order=order.tolist(), threads=threads)
        with closing(ahead):
            for seen, image in zip(ahead, order.tolist(), strict=True):
                found.append(seen.matches)
                sampling.note(image, seen.found)
                if against is not None and len(found) in looks(len(order)):
                    part = order[: len(found)]
                    standing = standing_on_part(_matches_of_part(images.dataset, found, part), against, part)
                    if self.race.is_dominated(standing):
                        return standing
        return replace(score_matches(images.dataset, _in_data_set_order(found, order)), sample=sampling.sample())

    def _order(self, images: int) -> NDArray[np.intp]:
        return race_order(images, seed=self.seed)


def _matches_of_part(dataset: Dataset, found: Sequence[Matches], part: NDArray[np.intp]) -> MatchTable:
    """As if nothing had been detected on the other images."""
    nothing = Matches(found[0].classes[:0], found[0].scores[:0], found[0].matched[..., :0], found[0].ignored[..., :0])
    others = np.setdiff1d(np.arange(len(dataset.images)), part)
    everywhere = _in_data_set_order([*found, *[nothing] * len(others)], np.append(part, others))
    return score_matches(dataset, everywhere).matches


def _in_data_set_order(found: Sequence[Matches], order: NDArray[np.intp]) -> list[Matches]:
    return [found[place] for place in np.argsort(order)]
