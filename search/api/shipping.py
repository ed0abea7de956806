"""What can be done with an engine that is to be shipped: export it from its study, verify what was exported."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from ...errors import CandidateError, DatasetError, StudyError
from ...objectives.accuracy.data.dataset import Dataset
from ...objectives.accuracy.tasks import Task
from ...objectives.engines.build import find_engine
from ...objectives.measurement import Measurement
from ...objectives.score import Scorer
from ...objectives.store import Store
from ...spaces.candidate import Candidate
from ..results.points import Point
from ..results.study_results import Results
from ..run.confirm import confirm_points
from ..run.prepare import check_runs, dataset_of_spec, identity_of_study, scorer_of_spec, space_of_spec
from ..ship.choice import Choice, chosen, settled
from ..ship.facts import DataFacts, StudyFacts, figures_facts
from ..ship.layouts import Layout
from ..ship.manifest import Manifest
from ..ship.package import Package, Story, write_package
from ..ship.verify import Check, verify_package
from ..show.headline import headline
from ..show.view import StudyView, view_of_study
from ..study.attributes import StudyAttributes
from ..study.search_study import SearchStudy
from ..study_file.spec import EvaluationSpec, StudySpec
from .study import study_of_this_device

_log = logging.getLogger(__name__)


def export_from_study(
    spec: StudySpec, choice: Choice | None, folder: Path, *, layout: Layout | None = None, confirm: bool = True
) -> Manifest:
    """Write the chosen trial's engine, quantized ONNX and manifest to a folder that is not there yet.

    Args:
        choice: the engine that the study's answer names if None.
        layout: Ultralytics' where it reads such an engine, else the raw one, if None.
        confirm: build the engine anew and measure it in full first; a winner that its new figures refute gives way to
            the next one. Else the study's figures stand.

    Raises:
        StudyError: nothing satisfies the choice, or nothing does that was measured anew, the folder is there, or what
            would be built here and now is not what the study measured.
        EngineError: the winner cannot be built or measured any more.
    """
    study = study_of_this_device(spec)
    view = view_of_study(study)

    def wish(now: Results) -> Choice:
        return choice or _choice_of_answer(replace(view, results=now))

    if choice is None:
        _log.info("no engine is named, so it is the answer's: %s", headline(view).sentences[0])
    winner, why = chosen(view.results, wish(view.results))
    scorer = scorer_of_spec(spec)
    study.hold_to(identity_of_study(spec, scorer, space_of_spec(spec, scorer.layers)))
    export = Export(spec=spec, study=study, scorer=scorer, folder=folder, layout=layout)
    package = export.package(winner, scorer)
    if confirm:
        check_runs(scorer)
        _, winner, why = settled(view.results, wish, export.measured_anew)
        package = export.packages[winner.trial]
    story = _story(spec, winner, why, afresh=confirm)
    measurement = winner.fresh if confirm and winner.fresh is not None else winner.measurement
    return write_package(package, measurement, story)


def verify_folder(folder: Path, *, source: EvaluationSpec | None = None, quick: bool = False) -> Iterator[Check]:
    """Check an exported folder, a check at a time; it is what it says if all of them pass.

    Args:
        source: where the evaluation images lie here; where they lay as it was measured if None.
        quick: hashes and parity only.

    Raises:
        DatasetError: there are no images, or they are damaged.
        DiskError: the disk is full.
    """

    def find_images(facts: DataFacts, store: Store, limit: int | None, task: Task) -> Dataset:
        paths = {"images": facts.images, "annotations": facts.annotations, "yaml": facts.yaml, "folder": facts.folder}
        recorded = EvaluationSpec(**paths)
        _refuse_absent(source or recorded)
        return dataset_of_spec(source or recorded, store, task=task, bad_images=facts.bad_images, limit=limit)

    return verify_package(folder, find_images, quick=quick)


@dataclass(frozen=True, kw_only=True)
class Export:
    """What an export hands over, and where to: packages of the points that were measured anew for it.

    Args:
        packages: by trial number.
    """

    spec: StudySpec
    study: SearchStudy
    scorer: Scorer
    folder: Path
    layout: Layout | None
    packages: dict[int, Package] = field(default_factory=dict)

    def package(self, point: Point, scorer: Scorer) -> Package:
        """Raises StudyError if the folder is there, or nobody could read the layout."""
        return Package(
            folder=self.folder,
            scorer=scorer,
            candidate=self._candidate(point),
            data=self.spec.data,
            float_type=point.measurement.engine.float_type,
            layout=self.layout,
        )

    def measured_anew(self, point: Point) -> Point:
        """The point with the figures of an engine built for this export; confirmed too, if there are other images.

        Raises:
            CandidateError: it cannot be built or measured any more.
        """
        _log.info("building trial %s anew and measuring it in full (--no-confirm skips this)", point.title)
        scorer = self._building_anew(point)
        package = self.packages[point.trial] = self.package(point, scorer)
        candidate = package.candidate
        fresh = scorer.measure(candidate, scorer.quantize(candidate), float_type=package.float_type)
        self.study.keep(StudyAttributes(exported={point.trial: fresh}))
        return replace(point, fresh=fresh, confirmed=point.confirmed or self._confirmed(point))

    def _confirmed(self, point: Point) -> Measurement | CandidateError | None:
        """On the images that the search never saw, which the study keeps; None without any."""
        if self.spec.data.confirm is None:
            return None
        confirm_points(self.spec, self.study, self.scorer, [point])
        return self.study.stored.confirmed[point.trial]

    def _building_anew(self, point: Point) -> Scorer:
        """The scorer as it builds an engine of this point that nobody has built before."""
        scorer = replace(self.scorer, unit_ms=self.study.reference_ms)
        graph, options = point.measurement.engine.graph_hash, scorer.build_options(point.measurement.engine.float_type)
        unused = (n for n in count(scorer.build + 1) if find_engine(graph, options, scorer.store, build=n) is None)
        return replace(scorer, build=next(unused))

    def _candidate(self, point: Point) -> Candidate:
        return point.measurement.engine.candidate([layer.name for layer in self.scorer.layers])


def _choice_of_answer(view: StudyView) -> Choice:
    """The engine that the study's answer names: what to export where nobody says.

    Raises:
        StudyError: nothing is measured yet.
    """
    if (best := headline(view).best) is not None:
        return Choice(trial=best.trial, by_answer=True)
    if view.results.reference is None:
        raise StudyError("The study has measured no engine that could be named: say which one, such as --trial N.")
    return Choice(reference=True, by_answer=True)


def _story(spec: StudySpec, winner: Point, why: str, *, afresh: bool) -> Story:
    return Story(
        chosen=why,
        afresh=afresh,
        study=StudyFacts(
            name=spec.name,
            trial=winner.trial,
            baseline=winner.baseline,
            objectives=spec.objectives,
            sampler=spec.search.sampler,
            seed=spec.search.seed,
        ),
        searched=winner.measurement,
        confirmed=winner.again,
        figures=figures_facts(winner.figures),
    )


def _refuse_absent(source: EvaluationSpec) -> None:
    absent = [path for _, path in source if path and not path.exists()]
    if absent:
        raise DatasetError(
            f"There is no {absent[0]} here: name the evaluation images with --images and --annotations, or with --data."
        )
