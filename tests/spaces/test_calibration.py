from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qpareto.errors import QParetoError
from qpareto.spaces.calibration import METHODS, CalibrationChoice, calibration_order

PATHS = [Path(f"/images/{i:03d}.jpg") for i in range(50)]


@given(st.sampled_from(METHODS), st.integers(1, 10_000), st.booleans())
def test_a_choice_is_read_back_from_its_text(method: str, size: int, bias_correction: bool) -> None:
    choice = CalibrationChoice(method, size, bias_correction)
    assert CalibrationChoice.parse(str(choice)) == choice


@pytest.mark.parametrize(
    "text", ["max", "max:", "max:-3", "max:0", "maxx:3", "max:3.5", ":4", "", "max:4+", "m+bias:4"]
)
def test_what_is_no_choice_is_refused(text: str) -> None:
    with pytest.raises(QParetoError):
        CalibrationChoice.parse(text)


def test_the_order_depends_on_the_seed_and_not_on_how_the_folder_is_listed() -> None:
    order = calibration_order(PATHS, seed=3)
    assert order == calibration_order(reversed(PATHS), seed=3)
    assert order != calibration_order(PATHS, seed=4)
    assert sorted(order) == PATHS
