"""The tables of what changed, which README and report share."""

from __future__ import annotations

from dataclasses import replace

from qpareto.objectives.accuracy.drift import ConfidenceShift, Counts, Drift, ImageDrift, PartDrift
from qpareto.search.ship.drift import CHANGED_IMAGES, WORST_CLASSES, drift_tables

SHIFT = ConfidenceShift(
    f1=(), reference_f1=(), best=0.3, reference_best=0.25, best_f1=0.7, reference_best_f1=0.71, f1_kept=0.69
)
CAT = PartDrift(name="cat", ap=0.5, reference_ap=0.6, change_ci=(-0.2, 0.00001), truths=7)
IMAGE = ImageDrift(
    index=3, file_name="3.jpg", f1_change=-0.25, counts=Counts(1, 2, 3), reference_counts=Counts(3, 0, 1)
)
DRIFT = Drift(
    confidence=SHIFT,
    classes=(CAT,) * (WORST_CLASSES + 1),
    sizes=(PartDrift(name="small", ap=0.1, reference_ap=0.1),),
    images=(IMAGE,) * (CHANGED_IMAGES + 1),
    images_changed=9,
    images_seen=40,
)


def test_sizes_classes_and_images_have_a_table_each() -> None:
    sizes, classes, images = drift_tables(DRIFT)
    assert sizes.rows == [("small", "0.1000", "+0.0000")]
    assert classes.rows == [("cat", "0.5000", "-0.1000", "-0.2000 to +0.0000", "7")] * WORST_CLASSES
    assert images.rows == [("3.jpg", "-0.250", "1, 2, 3", "3, 0, 1")] * CHANGED_IMAGES
    for table in (sizes, classes, images):
        assert {len(row) for row in table.rows} == {len(table.columns)}


def test_where_no_image_changed_there_is_no_table_of_images() -> None:
    assert len(drift_tables(replace(DRIFT, images=()))) == 2


def test_a_class_without_an_interval_has_a_dash() -> None:
    _, classes, _ = drift_tables(replace(DRIFT, classes=(replace(CAT, change_ci=None),)))
    assert classes.rows == [("cat", "0.5000", "-0.1000", "-", "7")]
