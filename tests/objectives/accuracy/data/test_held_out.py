from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from coco_scenes import Truth, scene_of
from qpareto.errors import DatasetError
from qpareto.objectives.accuracy.data.coco_file import read_coco
from qpareto.objectives.accuracy.data.dataset import Dataset, ImageRecord
from qpareto.objectives.accuracy.data.held_out import coco_of_images, held_out


def pictures(count: int, *, ids_from: int = 0) -> Dataset:
    """So many images with a box each, that lie nowhere."""
    made_up = scene_of([([Truth(0, (1, 1, 2, 2))], [])] * count, classes=3).dataset
    images = tuple(
        ImageRecord(image.image_id + ids_from, Path(f"/images/{i:03}.jpg"), image.width, image.height)
        for i, image in enumerate(made_up.images)
    )
    moved = tuple({**entry, "image_id": entry["image_id"] + ids_from} for entry in made_up.annotations)
    return Dataset(
        name="pictures",
        images=images,
        category_ids=made_up.category_ids,
        category_names=made_up.category_names,
        annotations=moved,
        content_hash="",
    )


@pytest.mark.parametrize(("count", "calibrating"), [(32, 8), (40, 10), (1024, 256), (1100, 256)])
def test_a_quarter_calibrates_and_at_most_256_and_all_others_are_scored(count: int, calibrating: int) -> None:
    dataset = pictures(count)
    scored, held = held_out(dataset)
    assert len(held) == calibrating
    assert {*scored, *held} == set(dataset.images)
    assert not {*scored} & {*held}
    assert [image.image_id for image in scored] == sorted(image.image_id for image in scored)


def test_names_decide_and_neither_ids_nor_folders_nor_order_do() -> None:
    first, second = pictures(40), pictures(40, ids_from=500)
    names = [image.path.name for image in held_out(first)[1]]
    assert [image.path.name for image in held_out(second)[1]] == names
    assert names != sorted(names), "the first by name may be all of one scene"
    shuffled = random.Random(0).sample(first.images, 40)
    object.__setattr__(second, "images", tuple(shuffled))
    assert [image.path.name for image in held_out(second)[1]] == names


def test_too_few_images_are_refused() -> None:
    with pytest.raises(DatasetError, match=r"pictures has 31 images, too few .* --calibration, or add .* there are 32"):
        held_out(pictures(31))


def test_the_coco_file_of_some_images_holds_just_their_boxes() -> None:
    dataset = pictures(32)
    found = coco_of_images(dataset, dataset.images[:2], folder=Path("/"))
    assert [entry["file_name"] for entry in found["images"]] == ["images/000.jpg", "images/001.jpg"]
    assert [entry["image_id"] for entry in found["annotations"]] == [image.image_id for image in dataset.images[:2]]
    assert [entry["id"] for entry in found["categories"]] == list(dataset.category_ids)


def test_the_coco_file_of_some_images_keeps_the_root_and_what_was_remarked(tmp_path: Path) -> None:
    dataset = replace(pictures(32), remarks=("So it is.",), root=0)
    rooted = replace(dataset, category_ids=(0, *dataset.category_ids), category_names=("a", *dataset.category_names))
    for each, root in ((rooted, 0), (replace(dataset, root=None), None)):
        (tmp_path / "part.json").write_text(json.dumps(coco_of_images(each, each.images[:2], folder=Path("/"))))
        found = read_coco(tmp_path / "part.json")
        assert (found.root(), found.remarks) == (root, dataset.remarks)
