"""Heads of one's own: found by their import paths, or one sentence says why not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qpareto.errors import ModelError
from qpareto.objectives.accuracy.heads.head_kinds import head_named, head_of_model
from qpareto.objectives.accuracy.heads.own_heads import code_of_head
from qpareto.objectives.accuracy.heads.plain_heads import Yolov8Head

EXAMPLE = Path(__file__).resolve().parents[4] / "examples" / "own_head" / "yolo_nas_head.py"
OWN = "yolo_nas_head:YoloNasHead"
SHAPES = [(1, 100, 4), (1, 100, 3)]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """One on the search path, with the example's head in it; its modules are forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / EXAMPLE.name).write_text(EXAMPLE.read_text())
    yield tmp_path
    for module in set(sys.modules) - before:
        del sys.modules[module]


def test_a_head_is_named_by_its_import_path_and_is_of_the_outputs_that_it_fits() -> None:
    head = head_of_model(SHAPES, None, {}, OWN)
    assert (head.kind, head.output, head.classes) == (OWN, 0, 3)
    assert head_named("yolov8") is Yolov8Head
    with pytest.raises(ModelError, match=rf"^Outputs \[1, 7, 100\] are not those of {OWN}: its `fit` gives 0 heads"):
        head_of_model([(1, 7, 100)], None, {}, OWN)


def test_what_its_file_holds_tells_one_version_of_a_head_from_another(folder: Path) -> None:
    head = head_of_model(SHAPES, None, {}, OWN)
    first = code_of_head(head)
    (folder / EXAMPLE.name).write_text(EXAMPLE.read_text() + "\n# changed\n")
    assert first is not None
    assert code_of_head(head) != first
    assert code_of_head(Yolov8Head(0, 3)) is None


@pytest.mark.parametrize(
    ("path", "code", "said"),
    [
        ("absent:Mine", "", r"absent:Mine cannot be imported \(No module named 'absent'\): correct"),
        ("mine:Mine", "raise RuntimeError('at import')", r"mine:Mine cannot be imported \(at import\)"),
        ("mine:Mine", "", r"mine has no Mine: correct the path"),
        ("mine:Mine", "Mine = 3", r"mine:Mine is no class of heads"),
        ("mine:Mine", "class Mine: ...", r"mine:Mine is no class of heads"),
        (
            "mine:Mine",
            "from qpareto.objectives.accuracy.heads import Head\nclass Mine(Head): layout = ''",
            r"mine:Mine has no candidates and no dense and no fit and no iou_limit: see docs/extending\.md",
        ),
        (
            "mine:Mine",
            "from qpareto.objectives.accuracy.heads.plain_heads import Yolov8Head as Mine",
            r"mine:Mine calls itself 'yolov8': leave its `kind` out",
        ),
    ],
)
def test_what_cannot_be_imported_or_is_no_head_is_told_in_a_sentence(
    folder: Path, path: str, code: str, said: str
) -> None:
    (folder / "mine.py").write_text(code)
    with pytest.raises(ModelError, match=f"^head: {said}"):
        head_named(path)


def test_a_name_that_no_head_has_is_told_with_those_that_are() -> None:
    with pytest.raises(ModelError, match=r"^There is no head 'yolo9000': set head to one of yolov8, "):
        head_named("yolo9000")
