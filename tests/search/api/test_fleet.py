"""A launch, asked for by a program."""

from __future__ import annotations

from pathlib import Path

import pytest

from qpareto.objectives.engines.openvino.kind import OpenVinoKind
from qpareto.search.api import Fleet, launch_study
from qpareto.search.study_file.loading import load_study_file


def test_a_launch_whose_builds_take_long_says_what_it_does_before_the_first_trial_and_after_the_last(
    study_file: Path, other_images: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(OpenVinoKind, "chooses_kernels", True)  # here; the workers are processes of their own
    caplog.set_level("INFO")
    quick = ["latency.ci_width=0.5", "latency.max_seconds=0.3", "latency.max_wait_s=0"]
    spec = load_study_file(study_file, [*other_images, *quick])
    (point,) = launch_study(spec, Fleet(workers=2), trials=1).points
    assert point.confirmed is not None
    assert [message.partition(":")[0] for message in caplog.messages if "worker" in message] == [
        "one worker calibrates, and builds the first engines, which may take minutes",
        "2 workers build some of these again, to tell how far builds differ",
        "2 workers build the front once more, and measure it",
    ]
    (told,) = [message.partition(": see ")[2] for message in caplog.messages if ": see " in message]
    assert list(Path(told).parent.glob(Path(told).name))
