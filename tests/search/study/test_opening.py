"""Studies that are made by one worker, joined by others, and held to what they were made with."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Literal

import optuna
import pytest

from command_line import qpareto
from made_up_trials import measured
from qpareto.errors import StorageError, StudyError
from qpareto.search.study import opening
from qpareto.search.study.attributes import StudyAttributes
from qpareto.search.study.identity import FORMAT
from qpareto.search.study.opening import devices_of_study, open_study
from qpareto.search.study.search_study import SearchStudy
from qpareto.search.study_file.loading import load_study_file
from qpareto.search.study_file.spec import StudySpec
from qpareto.spaces.calibration import CalibrationChoice
from qpareto.spaces.candidate import Candidate
from qpareto.spaces.masks import LayerMask
from stand_in import IDENTITY, stand_in_space

SPACE = stand_in_space(3)
CANDIDATE = Candidate(CalibrationChoice("max", 16), LayerMask.all(SPACE.layers))


@pytest.fixture
def spec(study_file: Path) -> StudySpec:
    return load_study_file(study_file)


def test_a_study_file_of_each_device_has_a_study_for_every_one(spec: StudySpec) -> None:
    each = spec.model_copy(update={"devices": "each"})
    with pytest.raises(StorageError):
        devices_of_study(each)
    mine, theirs = (open_study(each, identity=replace(IDENTITY, device=name)) for name in ("A GPU", "Another GPU"))
    assert mine.study.study_name != theirs.study.study_name
    assert devices_of_study(each) == ["A GPU", "Another GPU"]
    assert open_study(each, device="A GPU").study.study_name == mine.study.study_name
    for unknown in (None, "A CPU"):
        with pytest.raises(StudyError, match="name one of 'A GPU', 'Another GPU'"):
            open_study(each, device=unknown)


def test_the_front_of_one_of_several_device_models_is_shown_when_it_is_named(study_file: Path) -> None:
    spec = load_study_file(study_file, ["devices=each"])
    for device, figures in (("A GPU", measured(0.4, 0.6)), ("Another GPU", measured(0.3, 0.5))):
        study = open_study(spec, identity=replace(IDENTITY, device=device))
        assert study.finish(study.begin(space=SPACE, candidate=CANDIDATE), figures)
    front = "front", study_file, "--set", "devices=each", "--json"
    assert "name one of 'A GPU', 'Another GPU'" in qpareto(*front).sentence
    shown = json.loads(qpareto(*front, "--device", "Another GPU").out)
    assert [point["map50_95"] for point in shown] == [0.3]


def test_of_many_that_open_a_study_at_once_one_makes_it_and_all_have_it(spec: StudySpec) -> None:
    with ThreadPoolExecutor(6) as pool:
        opened = list(pool.map(lambda _: open_study(spec, identity=IDENTITY), range(6)))
    assert len({study.study._study_id for study in opened}) == 1
    assert all(study.identity.model == IDENTITY.model for study in opened)


def test_a_study_that_is_not_there_is_said_to_be_missing(spec: StudySpec) -> None:
    with pytest.raises(StorageError, match=r"There is no study yet at sqlite.*: `qpareto run` makes one"):
        open_study(spec)
    assert list(Path(spec.storage.removeprefix("sqlite:///")).parent.glob("*.db")) == []
    open_study(spec, identity=IDENTITY)
    with pytest.raises(StudyError, match="holds no study named 'other'"):
        open_study(spec.model_copy(update={"name": "other"}))


def test_the_unit_of_latencies_is_told_once_by_who_makes_the_study(spec: StudySpec) -> None:
    """Every worker would time another one; all begin at once, and none finds the study there."""
    together = threading.Barrier(6)

    def timed(unit_ms: float) -> Callable[[], float]:
        def found() -> float:
            together.wait(timeout=60)
            return unit_ms

        return found

    with ThreadPoolExecutor(6) as pool:
        opened = list(pool.map(lambda i: open_study(spec, identity=IDENTITY, reference_ms=timed(12.0 + i)), range(6)))
    assert len({study.reference_ms for study in opened}) == 1
    late = open_study(spec, identity=IDENTITY, reference_ms=lambda: pytest.fail("it is known"))
    assert late.reference_ms == open_study(spec).reference_ms == opened[0].reference_ms


def test_of_many_that_find_a_study_whose_maker_was_killed_one_makes_it(spec: StudySpec) -> None:
    optuna.create_study(study_name=spec.name, storage=spec.storage, directions=["maximize", "minimize"])
    together, signed = threading.Barrier(5), []
    sign = opening._sign

    def counted(study: SearchStudy, signature: StudyAttributes) -> None:
        signed.append(signature.reference_ms)
        sign(study, signature)

    def opened(unit_ms: float) -> float | None:
        together.wait(timeout=60)
        return open_study(spec, identity=IDENTITY, reference_ms=lambda: unit_ms).reference_ms

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(5) as pool:
        patch.setattr(opening, "_sign", counted)
        found = list(pool.map(opened, [10.0, 11.0, 12.0, 13.0, 14.0]))
    assert len(signed) == 1
    assert set(found) == set(signed)


def test_a_study_is_held_to_what_it_was_made_with(spec: StudySpec) -> None:
    study, changed = open_study(spec, identity=IDENTITY), replace(IDENTITY, device="Another", model="other")
    for refused in (lambda: open_study(spec, identity=changed), lambda: study.hold_to(changed)):
        with pytest.raises(StudyError) as caught:
            refused()
        assert str(caught.value) == (
            "The study 'small' was made otherwise (the model differs; device was 'A stand-in', now 'Another'): its "
            "figures would not compare, so undo the change, or give the changed study another `name`."
        )


def test_other_objectives_are_another_study(spec: StudySpec) -> None:
    open_study(spec, identity=IDENTITY)
    with pytest.raises(StudyError, match=r"objectives was \['map50_95', 'latency_ms'\], now \['map50_95'\]"):
        open_study(spec.model_copy(update={"objectives": ("map50_95",)}), identity=IDENTITY)
    assert open_study(spec).objectives == ("map50_95", "latency_ms")


@pytest.mark.parametrize("objectives", [1, 2])
@pytest.mark.parametrize("trials", [0, 1])
def test_a_study_of_somebody_else_is_left_alone_unless_it_is_blank(
    spec: StudySpec, objectives: int, trials: int
) -> None:
    directions: list[Literal["maximize", "minimize"]] = ["maximize", "minimize"]
    theirs = optuna.create_study(study_name=spec.name, storage=spec.storage, directions=directions[:objectives])
    if trials:
        theirs.add_trial(optuna.trial.create_trial(values=[1.0] * objectives))
    with pytest.raises(StudyError, match="not made by qpareto"):
        open_study(spec)
    if trials or objectives == 1:
        with pytest.raises(StudyError, match="not made by qpareto"):
            open_study(spec, identity=IDENTITY)
        assert theirs.user_attrs == {}
    else:
        assert open_study(spec, identity=IDENTITY).records() == []


def test_a_study_of_a_newer_format_is_refused_by_who_reads_it_too(spec: StudySpec) -> None:
    newer = StudyAttributes(identity=replace(IDENTITY, objectives=tuple(spec.objectives), format=FORMAT + 1))
    open_study(spec, identity=IDENTITY).keep(newer)
    for identity in (None, IDENTITY):
        with pytest.raises(
            StudyError, match=rf"is of format {FORMAT + 1}, and this qpareto reads up to {FORMAT}: inst"
        ):
            open_study(spec, identity=identity)
