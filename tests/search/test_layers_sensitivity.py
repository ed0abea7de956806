from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_line import qpareto


def test_each_layer_has_its_sensitivity(study_file: Path) -> None:
    found = qpareto("layers", study_file, "--sensitivity", "--images", "3", "--json")
    assert found.code == 0, found
    rows = json.loads(found.out)
    assert len(rows) == 7
    assert {"box_error", "score_error", "harm", "harm_se", "relief", "relief_se"} <= rows[0]["sensitivity"].keys()
    assert all(row["sensitivity"]["harm"] > 0 for row in rows)


def test_the_table_has_its_columns_and_the_plot_its_file(study_file: Path, tmp_path: Path) -> None:
    plot = tmp_path / "plots" / "sensitivity.html"
    found = qpareto("layers", study_file, "--sensitivity", "--images", "3", "--plot", plot)
    assert found.code == 0, found
    assert "harm" in found.out
    assert "relief" in found.out
    assert "±" in found.out
    assert "harm of INT8" in plot.read_text()


def test_the_calibration_is_the_spaces_largest_unless_another_is_chosen(study_file: Path) -> None:
    command = ("layers", study_file, "--sensitivity", "--images", "3", "--json")
    assert qpareto(*command, "--calibration", "max:4").out == qpareto(*command).out
    assert qpareto(*command, "--calibration", "max:2").out != qpareto(*command).out


def test_blocks_have_a_paired_change_of_map_on_demand(study_file: Path) -> None:
    command = ("layers", study_file, "--sensitivity", "--images", "3", "--labels", "4")
    outcome = qpareto(*command, "--json")
    assert outcome.code == 0, outcome
    rows = json.loads(outcome.out)
    changes = {row["block"]: row["block_change"] for row in rows}
    assert list(changes) == ["model.0", "model.1", "model.2", "model.3", "model.4"]
    assert all(low <= value <= high for value, low, high in changes.values())
    assert all(row["block_change"] == changes[row["block"]] for row in rows)
    assert f"{changes['model.4'][0]:+.4f} (" in qpareto(*command).out


@pytest.mark.parametrize("options", [("--plot", "x.html"), ("--calibration", "max:2"), ("--labels", "4")])
def test_what_belongs_to_sensitivity_is_refused_without_it(study_file: Path, options: tuple[str, str]) -> None:
    assert "belong to --sensitivity" in qpareto("layers", study_file, *options).sentence


def test_a_bare_model_has_no_images_to_be_sensitive_on(assets: Path) -> None:
    sentence = qpareto("layers", assets / "model.onnx", "--sensitivity").sentence
    assert "model.onnx is a model: name a study file" in sentence


def test_more_images_than_there_are_is_one_sentence(study_file: Path) -> None:
    assert "65 images was asked for" in qpareto("layers", study_file, "--sensitivity", "--images", "65").sentence
