"""The study files that come along are read as they are, whatever batch they are given."""

from __future__ import annotations

from pathlib import Path

import pytest

from qpareto.search.study_file.loading import load_study_file

STUDIES = sorted((Path(__file__).resolve().parents[2] / "studies").glob("*.yaml"))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_study_file_is_read_at_another_batch(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QPARETO_ASSETS", str(tmp_path))
    spec = load_study_file(path, ["engine.batch=8"])
    assert spec.name == path.stem
    assert spec.engine.batch == 8
    assert spec.model.parent == tmp_path / "models"
