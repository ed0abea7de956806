"""What `measure.py` runs: commands that go on where they were, into one folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from measure import PEERS, STEPS, Plan

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(
        study=Path("studies/yolov5n-coco-cpu.yaml"),
        folder=tmp_path,
        recorded=tmp_path / "recorded",
        overrides=["search.trials=8"],
        peers=PEERS,
    )


def test_every_step_is_of_one_study_cache_and_storage(plan: Plan, tmp_path: Path) -> None:
    for step in STEPS:
        words = plan.command(step)
        assert str(plan.study) in words
        told = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
        assert told == [
            f"cache={tmp_path}/cache",
            f"storage=sqlite:///{tmp_path}/yolov5n-coco-cpu.db",
            "search.trials=8",
        ]


def test_scripts_that_it_runs_are_there(plan: Plan) -> None:
    scripts = [Path(word) for step in STEPS for word in plan.command(step) if word.endswith(".py")]
    assert [path.relative_to(ROOT).as_posix() for path in scripts] == [
        "benchmarks/search/peers.py",
        "benchmarks/results/kept_study.py",
    ]
    assert all(path.is_file() for path in scripts)


def test_nncfs_figures_are_kept_where_there_are_any(plan: Plan, tmp_path: Path) -> None:
    assert "--peers" not in plan.command("keep")
    (tmp_path / "yolov5n-coco-cpu-peers.json").write_text("[]")
    words = plan.command("keep")
    assert words[words.index("--peers") + 1] == str(tmp_path / "yolov5n-coco-cpu-peers.json")
    assert words[-1] == str(tmp_path / "recorded" / "yolov5n-coco-cpu.json")
