from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qpareto.errors import QParetoError
from qpareto.spaces.masks import LayerMask
from qpareto.spaces.precision import FLOAT, INT8

NAMES = tuple(f"layer{i}" for i in range(11))
masks = st.sets(st.sampled_from(NAMES)).map(lambda names: LayerMask.from_names(NAMES, names))


@given(masks)
def test_a_mask_is_read_back_from_its_word_and_from_its_names(mask: LayerMask) -> None:
    assert LayerMask.from_word(NAMES, mask.word) == mask
    assert LayerMask.from_names(NAMES, list(mask)) == mask
    assert len(mask.word) == 3


@given(masks, masks)
def test_a_mask_is_a_set_of_its_quantized_layers(one: LayerMask, other: LayerMask) -> None:
    a, b = set(one), set(other)
    assert list(one.without(other)) == [name for name in NAMES if name in a - b]
    assert (len(one), bool(one)) == (len(a), bool(a))
    assert all((name in one) == (name in a) for name in NAMES)


@given(st.lists(masks))
def test_masks_are_hashable(found: list[LayerMask]) -> None:
    assert len(set(found)) == len({mask.word for mask in found})


def test_every_layer_of_a_mask_has_a_precision() -> None:
    mask = LayerMask.from_names(NAMES, ["layer1", "layer7"])
    assert mask.by_layer() == dict.fromkeys(NAMES, FLOAT) | {"layer1": INT8, "layer7": INT8}
    assert LayerMask.of(NAMES, mask.by_layer()) == mask
    with pytest.raises(ValueError, match="11 layers cannot have 1 precisions"):
        LayerMask(NAMES, (INT8,))


def test_comments_and_empty_lines_of_a_mask_file_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "mask.txt").write_text("# by hand\n\n  layer3  # the stem\n  # indented\n")
    assert list(LayerMask.from_file(NAMES, tmp_path / "mask.txt")) == ["layer3"]


def test_what_is_no_mask_of_this_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    calls: list[Callable[[], LayerMask]] = [
        lambda: LayerMask.from_names(NAMES, ["layer99"]),
        lambda: LayerMask.from_word(NAMES, "xyz"),
        lambda: LayerMask.from_word(NAMES, "fff"),
        lambda: LayerMask.from_word(NAMES, "1"),
        lambda: LayerMask.from_word(NAMES, "-01"),
        lambda: LayerMask.from_word(NAMES, "+01"),
        lambda: LayerMask.from_file(NAMES, tmp_path / "absent"),
        lambda: LayerMask.from_file(NAMES, tmp_path / "binary"),
    ]
    for call in calls:
        with pytest.raises(QParetoError):
            call()
