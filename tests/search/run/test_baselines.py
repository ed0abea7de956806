from __future__ import annotations

from qpareto.search.run.baselines import baselines, ultralytics_mask
from qpareto.spaces.calibration import CalibrationChoice
from qpareto.spaces.masks import LayerMask
from qpareto.spaces.space import Space

# The heads of YOLO11 as Ultralytics names them, and layers that only look like them.
FLOAT = ("/model.23/cv2.0/cv2.0.2/Conv", "/model.23/cv3.1/cv3.1.2/Conv", "/model.23/dfl/conv/Conv")
INT8 = (
    "/model.0/conv/Conv",
    "/model.2/Conv_1",
    "/model.23/cv2.0/cv2.0.2/Conv_1",
    "/model.12/conv/Conv",
    "/dfl_like/Conv",
)
LAYERS = (*INT8, *FLOAT)
SPACE = Space(layers=LAYERS, groups={name: (name,) for name in LAYERS}, methods=("max",), sizes=(16, 64))


def test_the_reference_comes_first_and_every_recipe_has_a_name_of_its_own() -> None:
    found = baselines(SPACE, faster_float_type=None)
    assert [b.name for b in found] == ["float", "modelopt-max", "modelopt-entropy", "ultralytics"]
    assert not found[0].candidate.mask


def test_recipes_are_calibrated_as_their_authors_do_with_the_images_given() -> None:
    by_name = {b.name: b.candidate for b in baselines(SPACE, faster_float_type=None)}
    assert by_name["modelopt-max"].calibration == by_name["ultralytics"].calibration == CalibrationChoice("max", 64)
    assert by_name["modelopt-entropy"].calibration == CalibrationChoice("entropy", 64)
    assert by_name["modelopt-max"].mask == by_name["modelopt-entropy"].mask == LayerMask.all(LAYERS)


def test_ultralytics_keeps_the_ends_of_its_heads_and_the_dfl_float() -> None:
    assert tuple(LayerMask.all(LAYERS).without(ultralytics_mask(LAYERS))) == FLOAT


def test_on_a_model_with_other_names_the_recipe_is_the_full_mask() -> None:
    assert ultralytics_mask(INT8) == LayerMask.all(INT8)


def test_a_faster_float_type_of_the_device_is_a_recipe_without_int8() -> None:
    last = baselines(SPACE, faster_float_type="bf16")[-1]
    assert (last.name, last.float_type, len(last.candidate.mask)) == ("bf16", "bf16", 0)
    assert all(b.float_type is None for b in baselines(SPACE, faster_float_type=None))
