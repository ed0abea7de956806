"""What can be done with an engine that is to be shipped: export it from its study, verify what was exported."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

from ...errors import DatasetError, StudyError
from ...objectives.accuracy.dataset import Dataset
from ...objectives.engines.build import find_engine
from ...objectives.measurement import Measurement
from ...objectives.score import Scorer
from ...objectives.store import Store
from ...spaces.candidate import Candidate
from ..results import Point, Results, results_of_study
from ..run.prepare import check_runs, dataset_of_spec, identity_of_study, scorer_of_spec, space_of_spec
from ..ship.choice import Choice, chosen, figures
from ..ship.layouts import Layout
from ..ship.manifest import DataFacts, Manifest, StudyFacts
from ..ship.package import Package, Story, write_package
from ..ship.verify import Check, verify_package
from ..show.headline import headline
from ..spec import EvaluationSpec, StudySpec
from .study import study_of_this_device, view_of_this_device

_log = logging.getLogger(__name__)


def export_from_study(
    spec: StudySpec, choice: Choice, folder: Path, *, layout: Layout | None = None, confirm: bool = True
) -> Manifest:
    """Write the chosen trial's engine, quantized ONNX and manifest to a folder that is not there yet.

    Args:
        layout: Ultralytics' where it reads such an engine, else the raw one, if None.
        confirm: build the engine anew and measure it in full first; else the study's figures stand.

    Raises:
        StudyError: nothing satisfies the choice, the winner measured anew does not, the folder is there, or what would
            be built here and now is not what the study measured.
        EngineError: the winner cannot be built or measured any more.
    """
    study = study_of_this_device(spec)
    found = results_of_study(study)
    winner, why = chosen(found, choice)
    scorer = scorer_of_spec(spec)
    study.hold_to(identity_of_study(scorer, space_of_spec(spec, scorer.layers)))
    if confirm:
        check_runs(scorer)
        scorer = replace(scorer, unit_ms=study.look().unit_ms)
    candidate = winner.measurement.candidate([layer.name for layer in scorer.layers])
    package = Package(
        folder=folder,
        scorer=_building_anew(scorer, candidate, winner.measurement.float_type) if confirm else scorer,
        candidate=candidate,
        data=spec.data,
        float_type=winner.measurement.float_type,
        layout=layout,
    )
    measurement = _measured_anew(package, found, winner, choice) if confirm else winner.measurement
    story = Story(
        chosen=" ".join([why, *found.verdict()]),
        afresh=confirm,
        study=_study_facts(spec, winner),
        searched=winner.measurement,
        confirmed=winner.confirmed if isinstance(winner.confirmed, Measurement) else None,
    )
    return write_package(package, measurement, story)


def choice_of_answer(spec: StudySpec) -> Choice:
    """The engine that the study's answer names: what to export where nobody says.

    Raises:
        StudyError: nothing is measured yet.
    """
    view = view_of_this_device(spec)
    head = headline(view)
    _log.info("no engine is named, so it is the answer's: %s", head.sentences[0])
    if head.best is not None:
        return Choice(trial=head.best.point.trial)
    if view.results.reference is None:
        raise StudyError("The study has measured no engine that could be named: say which one, such as --trial N.")
    return Choice(reference=True)


def verify_folder(folder: Path, *, source: EvaluationSpec | None = None, quick: bool = False) -> Iterator[Check]:
    """Check an exported folder, a check at a time; it is what it says if all of them pass.

    Args:
        source: where the evaluation images lie here; where they lay as it was measured if None.
        quick: hashes and parity only.

    Raises:
        DatasetError: there are no images, or they are damaged.
        DiskError: the disk is full.
    """

    def find_images(facts: DataFacts, store: Store, limit: int | None) -> Dataset:
        recorded = EvaluationSpec(images=facts.images, annotations=facts.annotations, yaml=facts.yaml)
        _refuse_absent(source or recorded)
        return dataset_of_spec(source or recorded, store, bad_images=facts.bad_images, limit=limit)

    return verify_package(folder, find_images, quick=quick)


def _building_anew(scorer: Scorer, candidate: Candidate, float_type: str) -> Scorer:
    """The scorer as it builds an engine of this candidate that nobody has built before."""
    graph, options = scorer.quantize(candidate).graph_hash, scorer.build_options(float_type)
    unused = (n for n in count(scorer.build + 1) if find_engine(graph, options, scorer.store, build=n) is None)
    return replace(scorer, build=next(unused))


def _measured_anew(package: Package, found: Results, winner: Point, choice: Choice) -> Measurement:
    """Raises StudyError if the winner turns out not to be what was asked for."""
    _log.info("building trial %d anew and measuring it in full (--no-confirm skips this)", winner.trial)
    scorer, candidate = package.scorer, package.candidate
    measurement = scorer.measure(candidate, scorer.quantize(candidate), float_type=package.float_type)
    if reason := choice.refusal(measurement, found):
        raise StudyError(
            f"Trial {winner.trial} was chosen by {figures(winner.measurement)}, but built and measured anew {reason}: "
            f"allow more, or take it all the same with --trial {winner.trial}."
        )
    return measurement


def _study_facts(spec: StudySpec, winner: Point) -> StudyFacts:
    return StudyFacts(
        name=spec.name,
        trial=winner.trial,
        baseline=winner.baseline,
        objectives=spec.objectives,
        sampler=spec.search.sampler,
        seed=spec.search.seed,
    )


def _refuse_absent(source: EvaluationSpec) -> None:
    absent = [path for path in (source.images, source.annotations, source.yaml) if path and not path.exists()]
    if absent:
        raise DatasetError(
            f"There is no {absent[0]} here: name the evaluation images with --images and --annotations, or with --data."
        )
