"""The record of NNCF's figures: what was measured is kept, what failed is tried again."""

from __future__ import annotations

import json
from pathlib import Path

from peers import Record


def test_what_was_measured_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "peers.json"
    record = Record.opened(path)
    row = record.row("a-study", "mixed")
    assert row == {}
    row |= {"study": "a-study", "peer": "mixed", "map50_95": 0.3}
    record.keep()
    assert Record.opened(path).row("a-study", "mixed")["map50_95"] == 0.3
    assert Record.opened(path).row("a-study", "performance") == {}


def test_who_failed_is_tried_again_and_a_failed_confirmation_alone(tmp_path: Path) -> None:
    path = tmp_path / "peers.json"
    named: list[tuple[str, dict[str, object]]] = [
        ("mixed", {"failed": "killed"}),
        ("performance", {"map50_95": 0.3, "confirmed": {"failed": "killed"}}),
    ]
    path.write_text(json.dumps([{"study": "s", "peer": peer, **told} for peer, told in named]))
    record = Record.opened(path)
    assert record.row("s", "performance") == {"study": "s", "peer": "performance", "map50_95": 0.3}
    assert record.row("s", "mixed") == {}


def test_a_study_without_images_to_confirm_on_is_not_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "peers.json"
    path.write_text(json.dumps([{"study": "s", "peer": "mixed", "confirmed": None}]))
    assert "confirmed" in Record.opened(path).row("s", "mixed")
