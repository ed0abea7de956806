from __future__ import annotations

from pathlib import Path

from qpareto.objectives.store import KindReport, Store, cache_report
from store_contents import flip_a_byte, write_one


def test_a_report_tells_entries_bytes_and_what_this_process_found(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for kind, key in (("engines", "a"), ("engines", "b"), ("accuracy", "a")):
        store.make(kind, key, write_one)
    flip_a_byte(tmp_path / "accuracy" / "a" / "one.txt")
    assert store.find("accuracy", "a") is None
    store.find("engines", "a")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_text("said")
    report = cache_report(store)
    assert list(report.kinds) == ["engines"]
    bytes_of_two = sum(path.stat().st_size for path in (tmp_path / "engines").glob("*/*"))
    assert report.kinds["engines"] == KindReport(entries=2, bytes=bytes_of_two)
    assert report.bytes == bytes_of_two
    assert (report.damaged, report.log_bytes) == (1, 4)
    assert report.counts == {"made": 3, "damaged": 1, "found": 1}


def test_a_cache_that_is_not_there_is_empty(tmp_path: Path) -> None:
    report = cache_report(Store(tmp_path / "absent"))
    assert (report.kinds, report.bytes, report.damaged, report.log_bytes) == ({}, 0, 0, 0)
