from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from qpareto.errors import DatasetError
from qpareto.objectives.store import Store
from qpareto.search.draft.data import PartedData, parted_data
from qpareto.search.study_file.spec import EvaluationSpec

Draw = Callable[..., list[Path]]
Label = Callable[[list[Path]], Path]


@pytest.fixture
def part(tmp_path: Path) -> Callable[..., PartedData]:
    def parted(calibration: Path | None = None, **source: Path) -> PartedData:
        return parted_data(EvaluationSpec(**source), calibration, Store(tmp_path / "cache"))

    return parted


def test_pictures_that_the_annotations_do_not_name_calibrate(
    draw: Draw, label: Label, part: Callable[..., PartedData]
) -> None:
    images = draw("all", 20)
    annotations = label(images[:11])
    found = part(images=images[0].parent, annotations=annotations)
    assert (found.annotations, found.scored) == (annotations, 11)
    assert found.calibration == tuple(images[11:])
    assert found.calibrating == 9


def test_a_quarter_of_the_labelled_pictures_calibrates_where_there_are_no_others(
    draw: Draw, label: Label, part: Callable[..., PartedData]
) -> None:
    images = draw("all", 38)
    found = part(images=images[0].parent, annotations=label(images[:36]))
    assert isinstance(found.annotations, dict)
    scored = {entry["file_name"] for entry in found.annotations["images"]}
    assert isinstance(found.calibration, tuple)
    calibrating = {path.name for path in found.calibration}
    assert (found.scored, found.calibrating) == (len(scored), len(calibrating)) == (27, 9)
    assert scored | calibrating == {path.name for path in images[:36]}
    assert not scored & calibrating


def test_named_calibration_images_are_taken_as_they_are(
    draw: Draw, label: Label, part: Callable[..., PartedData]
) -> None:
    images, own = draw("all", 20), draw("own", 3)
    found = part(own[0].parent, images=images[0].parent, annotations=label(images))
    assert (found.calibration, found.calibrating, found.scored) == (own[0].parent, 3, 20)


def data_yaml(folder: Path, **splits: Any) -> Path:
    (folder / "data.yaml").write_text(yaml.safe_dump({"names": ["noise"], **splits}))
    return folder / "data.yaml"


def with_labels(images: list[Path]) -> list[Path]:
    folder = images[0].parent.parent.parent / "labels" / images[0].parent.name
    folder.mkdir(parents=True)
    for image in images:
        (folder / f"{image.stem}.txt").write_text("0 0.5 0.5 0.25 0.25\n")
    return images


def test_the_train_split_calibrates_and_the_val_split_is_scored(
    tmp_path: Path, draw: Draw, part: Callable[..., PartedData]
) -> None:
    train, val = draw("images/train", 10), with_labels(draw("images/val", 5))
    source = data_yaml(tmp_path, train="images/train", val="images/val")
    found = part(yaml=source)
    assert (found.yaml, found.images, found.scored) == (source, None, len(val))
    assert (found.calibration, found.calibrating) == (train[0].parent, 10)


@pytest.mark.parametrize("train", [{"train": "images/val"}, {}], ids=["the same pictures", "no train split"])
def test_a_data_yaml_without_other_pictures_to_train_on_is_parted(
    tmp_path: Path, draw: Draw, part: Callable[..., PartedData], train: dict[str, str]
) -> None:
    val = with_labels(draw("images/val", 32))
    found = part(yaml=data_yaml(tmp_path, val="images/val", **train))
    assert (found.yaml, found.images, found.scored, found.calibrating) == (None, val[0].parent, 24, 8)
    assert isinstance(found.annotations, dict)
    (box, *_) = found.annotations["annotations"]
    assert box["bbox"] == pytest.approx([18, 12, 12, 8])
    json.dumps(found.annotations)


def test_too_few_pictures_are_refused(draw: Draw, label: Label, part: Callable[..., PartedData]) -> None:
    images = draw("all", 20)
    with pytest.raises(DatasetError, match="has 20 images, too few to calibrate with some"):
        part(images=images[0].parent, annotations=label(images))
