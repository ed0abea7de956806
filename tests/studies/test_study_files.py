"""The study files that come along are read as they are, whatever batch they are given."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from qpareto.errors import DatasetError
from qpareto.search.api import run_study
from qpareto.search.study_file.loading import load_study_file

FOLDER = Path(__file__).resolve().parents[2] / "studies"
STUDIES, QUICKSTART = sorted(FOLDER.glob("*.yaml")), FOLDER / "quickstart"


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_study_file_is_read_at_another_batch(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QPARETO_ASSETS", str(tmp_path))
    spec = load_study_file(path, ["engine.batch=8"])
    assert spec.name == path.stem
    assert spec.engine.batch == 8
    assert spec.model.parent == tmp_path / "models"


def test_the_quickstart_before_its_pictures_are_drawn_says_where_it_is_told_how(tmp_path: Path) -> None:
    folder = tmp_path / "quickstart"
    shutil.copytree(QUICKSTART, folder, ignore=shutil.ignore_patterns("data"))
    with pytest.raises(DatasetError, match="make this one first, if the study file's first lines say how"):
        run_study(load_study_file(folder / "quickstart.yaml"))
    first_lines = (folder / "quickstart.yaml").read_text(encoding="utf-8").splitlines()[:2]
    assert "python studies/quickstart/pictures.py --out studies/quickstart/data" in first_lines[1]
