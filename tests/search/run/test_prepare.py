"""What a study file names, read and checked; on the small study's real model and pictures."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from qpareto.errors import DatasetError, ModelError
from qpareto.objectives.accuracy.tasks import DETECT
from qpareto.objectives.quantization.calibrate import quantizable_layers
from qpareto.objectives.store import Store
from qpareto.search.run.prepare import (
    dataset_of_spec,
    detector_model,
    identity_of_study,
    scorer_of_spec,
    space_of_spec,
)
from qpareto.search.study.identity import Identity
from qpareto.search.study_file.loading import load_study_file
from qpareto.search.study_file.spec import StudySpec


@pytest.fixture
def spec(study_file: Path) -> StudySpec:
    return load_study_file(study_file)


@pytest.fixture
def calibration(assets: Path, tmp_path: Path) -> Path:
    """Four calibration pictures, to be spoilt."""
    folder = tmp_path / "calibration"
    folder.mkdir()
    for i in range(4):
        shutil.copy(assets / "calib" / f"{i}.png", folder)
    return folder


def test_a_scorer_has_what_the_study_file_names(spec: StudySpec) -> None:
    scorer = scorer_of_spec(spec)
    assert len(scorer.layers) == 7
    assert len(scorer.images) == len(scorer.images.pixels) == 6
    assert len(scorer.calibration.hashes) == 4  # the largest size, of 64 pictures
    assert (scorer.options.cpu_threads, scorer.budget.max_seconds, scorer.load.max_wait_s) == (1, 0.3, 0)
    assert scorer.head.kind == "yolov8"


def test_sizes_are_nested_and_the_seed_decides_the_order(study_file: Path) -> None:
    spec = load_study_file(study_file)
    four = scorer_of_spec(spec).calibration.hashes
    assert scorer_of_spec(spec, calibration_size=2).calibration.hashes == four[:2]
    assert scorer_of_spec(spec, calibration_size=9).calibration.hashes[:4] == four
    assert scorer_of_spec(load_study_file(study_file, ["search.seed=1"])).calibration.hashes != four


def test_bad_calibration_images_are_skipped_on_request_wherever_they_stand(
    study_file: Path, calibration: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (calibration / "1.png").write_bytes(b"")
    (calibration / "2.png").write_bytes(b"no image")
    for seed in range(4):  # the first image of the order is bad in some of them
        overrides = [f"search.seed={seed}", f"data.calibration={calibration}", "data.bad_images=skip"]
        spec = load_study_file(study_file, overrides)
        good = scorer_of_spec(spec, calibration_size=1).calibration
        assert len(good.hashes) == len(np.load(good.pixels)) == 1
    assert "2 images" in caplog.messages[0]
    assert "1.png" in caplog.messages[0]
    assert "skipped" in caplog.messages[0]


def test_skipped_images_do_not_count_towards_a_size(study_file: Path, calibration: Path) -> None:
    (calibration / "1.png").write_bytes(b"")
    spec = load_study_file(study_file, [f"data.calibration={calibration}", "data.bad_images=skip"])
    assert len(scorer_of_spec(spec, calibration_size=3).calibration.hashes) == 3
    with pytest.raises(DatasetError, match=r"4 images was asked for, but .* has 3"):
        scorer_of_spec(spec, calibration_size=4)


def test_images_are_prepared_as_the_study_file_says(study_file: Path) -> None:
    usual, other = (
        scorer_of_spec(load_study_file(study_file, said))
        for said in ([], ["preprocessing={channels: bgr, divide: 1, mean: [1, 2, 3]}"])
    )
    assert usual.model.key == usual.model.content_hash == other.model.content_hash != other.model.key
    assert str(other.model.preprocessing).startswith("BGR, 0 to 255, less [1.0, 2.0, 3.0]")
    pixels = [np.load(scorer.calibration.pixels) for scorer in (usual, other)]
    assert np.array_equal(pixels[0], pixels[1][..., ::-1])
    assert usual.images.pixels.content_hash != other.images.pixels.content_hash
    said = other.images.pixels.tensor([0]) + np.array([1, 2, 3], np.float32)[:, None, None]
    assert said[:, ::-1] == pytest.approx(usual.images.pixels.tensor([0]) * 255, abs=1e-3)


def test_an_ultralytics_data_yaml_is_a_data_set_too(assets: Path, study_file: Path, tmp_path: Path) -> None:
    images, labels = tmp_path / "images", tmp_path / "labels"
    shutil.copytree(assets / "eval", images)
    labels.mkdir()
    (labels / "0.txt").write_text("3 0.5 0.5 0.25 0.25\n")
    names = {i: f"class {i}" for i in range(20)}
    (tmp_path / "data.yaml").write_text(yaml.safe_dump({"val": "images", "names": names}))
    overrides = ["data.images=null", "data.annotations=null", f"data.yaml={tmp_path / 'data.yaml'}"]
    spec = load_study_file(study_file, overrides)
    found = dataset_of_spec(spec.data, Store(spec.cache), task=DETECT)
    assert len(found.images) == 6
    assert [a["bbox"] for a in found.annotations] == [[24.0, 24.0, 16.0, 16.0]]


def test_an_engines_batch_is_proven_once_and_calibrates_nothing_anew(study_file: Path, tmp_path: Path) -> None:
    cache = f"cache={tmp_path / 'cache'}"
    before = scorer_of_spec(load_study_file(study_file, [cache]))
    kept = sorted((tmp_path / "cache").glob("*/*"))
    assert not list((tmp_path / "cache").glob("batch-proofs/*"))
    for _ in range(2):
        spec = load_study_file(study_file, [cache, "engine.batch=8"])
        scorer = scorer_of_spec(spec)
        (proof,) = (tmp_path / "cache").glob("batch-proofs/*")
        assert sorted((tmp_path / "cache").glob("*/*")) == sorted([*kept, proof, *(tmp_path / "cache/logs").glob("b*")])
    assert (scorer.model, scorer.layers, scorer.options.batch) == (before.model, before.layers, 8)


def test_layers_are_in_graph_order(spec: StudySpec) -> None:
    store = Store(spec.cache)
    names = [layer.name for layer in quantizable_layers(detector_model(spec.model, store), store)]
    assert names[0] == "/model.0/conv/Conv"
    assert names == sorted(names)


def test_a_checkpoint_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no checkpoint"):
        detector_model(tmp_path / "absent.pt", Store(tmp_path))


def test_the_space_is_that_of_the_study_file(study_file: Path) -> None:
    spec = load_study_file(study_file, ["space.mask={groups: block, keep_float: [model.0]}"])
    space = space_of_spec(spec, scorer_of_spec(spec).layers)
    assert [len(names) for names in space.groups.values()] == [2, 1, 1, 2]
    assert (space.methods, space.sizes) == (("max",), (2, 4))


def identity_of(study_file: Path, *overrides: str) -> Identity:
    spec = load_study_file(study_file, overrides)
    scorer = scorer_of_spec(spec)
    return identity_of_study(spec, scorer, space_of_spec(spec, scorer.layers))


@pytest.mark.parametrize(
    ("override", "fact"),
    [
        ("data.limit=5", "dataset"),
        ("preprocessing.channels=bgr", "model"),
        ("search.seed=1", "calibration_images"),
        ("space.mask.groups=block", "space"),
        ("space.mask.keep_float=[model.0]", "space"),
        ("engine.threads=2", "engine"),
        ("engine.float_type=bf16", "engine"),
        ("engine.batch=2", "engine"),
    ],
)
def test_what_would_make_figures_incomparable_is_part_of_a_studys_identity(
    study_file: Path, override: str, fact: str
) -> None:
    one, other = identity_of(study_file), identity_of(study_file, override)
    assert [key for key, told in vars(one).items() if key != "keys" and told != vars(other)[key]] == [fact]


def test_a_changed_study_file_is_told_by_its_keys(study_file: Path) -> None:
    before, now = identity_of(study_file), identity_of(study_file, "space.calibration.sizes=[2, 3]", "data.limit=5")
    assert before.differences(now) == [
        "data.limit was None, now 5",
        "space.calibration.sizes was [2, 4], now [2, 3]",
    ]


def test_what_only_decides_how_long_a_study_takes_is_not(study_file: Path) -> None:
    budget = ["search.trials=9", "latency.max_seconds=1", "engine.run_timeout_s=9"]
    assert identity_of(study_file, *budget) == identity_of(study_file)
