from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from qpareto.objectives.accuracy.heads.plain_heads import EndToEndHead, Yolov8Head
from qpareto.objectives.engines.openvino.kind import OpenVinoOptions
from qpareto.search.draft.data import HELD_OUT, PartedData
from qpareto.search.draft.file import StudyDraft, files_of_draft
from qpareto.search.study_file.loading import load_study_file
from qpareto.search.study_file.spec import StudySpec
from qpareto.spaces.model import DetectorModel, read_model

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples" / "study.yaml"
QUICKSTART = ROOT / "studies" / "quickstart"
NAMES = "{0: 'circle', 1: 'ring'}"


@pytest.fixture
def draft(tmp_path: Path) -> StudyDraft:
    return StudyDraft(
        source=tmp_path / "best.onnx",
        model=DetectorModel(
            path=tmp_path / "best.onnx",
            content_hash="0",
            input_name="images",
            input_shape=(4, 3, 320, 640),
            output_shapes=((4, 6, 2100),),
            metadata={"names": NAMES},
        ),
        head=Yolov8Head(0, 2),
        head_named=False,
        data=PartedData(
            images=tmp_path / "all",
            annotations=tmp_path / "instances.json",
            scored=100,
            classes=("circle", "ring"),
            calibration=tmp_path / "other",
            calibrating=40,
            origin="as named",
        ),
        engine=OpenVinoOptions(batch=4, threads=3),
    )


def written(draft: StudyDraft, study: Path) -> str:
    files = files_of_draft(draft, study)
    assert list(files)[-1] == study
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    return files[study]


def test_keys_that_may_be_wanted_are_ones_when_they_are_uncommented(draft: StudyDraft, tmp_path: Path) -> None:
    text = written(draft, tmp_path / "study.yaml")
    assert text.count("## ") == 8
    spec = StudySpec.model_validate(yaml.safe_load(text.replace("## ", "")))
    assert (spec.data.limit, spec.search.max_hours, spec.space.mask.keep_float) == (100, 8, ("NAME",))
    assert spec.data.confirm is not None
    assert spec.data.expect_map == 0.3


def test_the_study_file_that_the_documentation_shows_is_what_a_draft_is(draft: StudyDraft, tmp_path: Path) -> None:
    model = read_model(QUICKSTART / "shapes-yolo11n.onnx")
    images = tmp_path / "images"
    data = replace(
        draft.data,
        images=images,
        annotations={},
        scored=150,
        classes=model.class_names or (),
        calibration=(images / "0.jpg",),
        calibrating=50,
        origin=HELD_OUT,
    )
    engine = OpenVinoOptions(threads=2)
    shown = replace(draft, model=model, head=Yolov8Head(0, 12), data=data, engine=engine)
    assert files_of_draft(shown, tmp_path / "study.yaml")[tmp_path / "study.yaml"] == EXAMPLE.read_text()


def test_a_draft_says_what_was_found(draft: StudyDraft, tmp_path: Path) -> None:
    text = written(draft, tmp_path / "mine.yaml")
    assert "# The model: 640x320 pixels, a yolov8 head (no NMS in the graph), 2 classes (circle, ring).\n" in text
    spec = load_study_file(tmp_path / "mine.yaml")
    assert (spec.engine.batch, spec.engine.cpu_threads, spec.head) == (4, 3, "auto")
    assert spec.space.calibration.sizes == (40,)
    assert spec.storage == f"sqlite:///{tmp_path}/mine.db"


def test_a_head_that_was_named_and_nms_in_the_graph_are_told(draft: StudyDraft, tmp_path: Path) -> None:
    text = written(replace(draft, head=EndToEndHead(0, None), head_named=True), tmp_path / "study.yaml")
    assert "the graph suppresses overlapping boxes itself" in text
    assert load_study_file(tmp_path / "study.yaml").head == "end2end"


def test_what_the_model_is_known_to_score_is_kept_in_the_file(draft: StudyDraft, tmp_path: Path) -> None:
    written(replace(draft, expect_map=0.37), tmp_path / "study.yaml")
    assert load_study_file(tmp_path / "study.yaml").data.expect_map == 0.37


def test_classes_of_other_names_are_told(draft: StudyDraft, tmp_path: Path) -> None:
    data = replace(draft.data, classes=("o", "x"))
    text = written(replace(draft, data=data), tmp_path / "study.yaml").replace("\n# ", " ")
    assert "The data names them otherwise (o, x): they are matched in the order of ids, so check that." in text


@pytest.mark.parametrize("folder", ["two words", "a: #1", "'quoted'", "yes", "Bilder ä"])
def test_folders_of_any_name_are_found_again(draft: StudyDraft, tmp_path: Path, folder: str) -> None:
    images = tuple(tmp_path / folder / f"{i}.png" for i in range(3))
    data = replace(draft.data, images=tmp_path / folder, calibration=images, calibrating=3)
    (tmp_path / folder).mkdir()
    written(replace(draft, data=data), tmp_path / folder / "study.yaml")
    spec = load_study_file(tmp_path / folder / "study.yaml")
    assert spec.data.images == tmp_path / folder
    assert spec.data.annotations == tmp_path / "instances.json"
    assert spec.space.calibration.sizes == (3,)
    assert (tmp_path / folder / "study-calibration.txt").read_text() == "0.png\n1.png\n2.png\n"


@pytest.mark.parametrize(("asked", "line"), [(320, "imgsz: 320"), ((480, 640), "imgsz: [480, 640]")])
def test_a_size_that_was_asked_for_is_in_the_file(
    draft: StudyDraft, tmp_path: Path, asked: int | tuple[int, int], line: str
) -> None:
    assert f"\n{line}\n" in written(replace(draft, imgsz=asked), tmp_path / "study.yaml")
    assert load_study_file(tmp_path / "study.yaml").imgsz == asked
