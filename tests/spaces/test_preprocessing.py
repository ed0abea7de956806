from __future__ import annotations

import pytest

from qpareto.spaces.preprocessing import USUAL, Preprocessing


def test_the_usual_way_marks_nothing_and_any_other_marks_a_hash() -> None:
    ways = [
        Preprocessing(channels="bgr"),
        Preprocessing(fit="corner"),
        Preprocessing(padding=0),
        Preprocessing(divide=1),
        Preprocessing(mean=(0.5, 0.5, 0.5)),
        Preprocessing(std=(0.5, 0.5, 0.5)),
    ]
    assert USUAL.marks("hash") == Preprocessing().marks("hash") == "hash"
    assert len({way.marks("hash") for way in ways} | {"hash"}) == 7
    assert ways[0].marks("hash") != ways[0].marks("other")


def test_what_differs_is_told_by_name() -> None:
    assert Preprocessing(fit="stretch", divide=1.0).changed() == {"fit": "stretch", "divide": 1.0}
    assert Preprocessing(fit="stretch", divide=1.0).changed("channels", "divide") == {"divide": 1.0}


@pytest.mark.parametrize(
    ("way", "words"),
    [
        (USUAL, "RGB, 0 to 1, letterboxed with grey 114"),
        (Preprocessing(divide=1, fit="stretch"), "RGB, 0 to 255, stretched"),
        (Preprocessing(mean=(0.5, 0.5, 0.5), padding=0), "RGB, 0 to 1, less [0.5, 0.5, 0.5], over [1.0, 1.0, 1.0]"),
    ],
)
def test_it_is_told_in_words(way: Preprocessing, words: str) -> None:
    assert words in str(way)
