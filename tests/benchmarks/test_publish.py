"""Pages written from a kept study with NNCF's engines beside it; data that is old, missing or foreign."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kept import Kept
from kept_pictures import drawn_hash, figure_hash, picture, write_picture
from kept_study import kept_study, write_document
from kinds import STUDY_KINDS
from made_up_trials import measured
from page_blocks import PageError
from publish import Pages, changes
from qpareto.errors import QParetoError
from qpareto.objectives.engines import engine_kind
from qpareto.search.show.headline import headline
from qpareto.search.show.view import view_of_study
from qpareto.search.study.attributes import StudyAttributes
from qpareto.search.study.opening import open_study
from qpareto.search.study.search_study import SearchStudy
from qpareto.search.study_file.loading import load_study_file
from recorded_study import recorded_study
from short import headline_sentence, made_line, short_table

NAME = "yolo11n-coco-cpu"
RECIPE = engine_kind("openvino").recipe
PageWriter = Callable[[str], Pages]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> SearchStudy:
    """One of 42 trials; all of its front and its recipes confirmed on other images."""
    opened = open_study(load_study_file(recorded_study(tmp_path_factory.mktemp("study"))))
    opened.keep(StudyAttributes(identity=replace(opened.identity, engine_recipe=RECIPE)))
    results = view_of_study(opened).results
    for point in {p.trial: p for p in (*results.front, *results.baselines)}.values():
        found = point.measurement
        names = ("mask", "int8_layers", "float_type", "calibration", "device", "versions", "graph_hash")
        kept = {name: found.as_json()[name] for name in names}
        again = measured(
            found.accuracy.value - 0.011, found.timing.ratio.value + 0.01, **kept, images=250, dataset_hash="other"
        )
        opened.keep(StudyAttributes(confirmed={point.trial: again}))
    return opened


@pytest.fixture(scope="module")
def document(study: SearchStudy) -> dict[str, Any]:
    return kept_study(study, peers=rows(study))


@pytest.fixture(scope="module")
def kept(document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Kept:
    path = tmp_path_factory.mktemp("kept") / f"{NAME}.json"
    write_document(document, path)
    return Kept.opened(path)


@pytest.fixture
def page(document: dict[str, Any], tmp_path: Path) -> PageWriter:
    """Writes one page beside the study's data."""

    def written(text: str) -> Pages:
        path = tmp_path / "docs" / "page.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        recorded = tmp_path / "recorded"
        recorded.mkdir(exist_ok=True)
        if not (recorded / f"{NAME}.json").exists():
            write_document(document, recorded / f"{NAME}.json")
        return Pages(pages=(path,), recorded=recorded, images=tmp_path / "docs" / "images")

    return written


def rows(opened: SearchStudy, **changed: Any) -> list[dict[str, Any]]:
    """NNCF's figures as benchmarks/search/peers.py writes them."""
    identity = opened.stored.identity
    assert identity is not None
    row: dict[str, Any] = {
        "study": NAME,
        "device": identity.device,
        "engine": {"kind": "openvino", "recipe": identity.engine_recipe},
        "versions": identity.versions,
        "map50_95": 0.41,
        "map50_95_change": -0.0047,
        "map50_95_change_ci": [-0.01, 0.001],
        "latency_ratio": 0.43,
        "latency_ratio_ci": [0.42, 0.44],
        "flags": [],
        "images": 328,
        "int8_layers": 80,
        "layers": 90,
        "calibration_images": 300,
        "wall_s": 100.4,
        "cpu_s": 150.0,
    }
    again = {name: row[name] for name in ("map50_95", "latency_ratio", "latency_ratio_ci", "flags")}
    confirmed = {"confirmed": {**again, "map50_95_change": -0.003, "map50_95_change_ci": [-0.01, 0.004], "images": 250}}
    named: list[dict[str, Any]] = [
        {"peer": "float", "preset": None, "map50_95_change": 0.0},
        {"peer": "mixed", "preset": "mixed", "map50_95_change": -0.04},
        {"peer": "mixed, float decode", "preset": "mixed", **confirmed},
        {"peer": "performance", "preset": "performance", "map50_95_change": -0.06},
        {"peer": "accuracy control 0.005", "preset": "mixed", "failed": "took too long"},
    ]
    return [row | each | changed for each in named]


def block(kind: str, *, name: str = NAME, flags: str = "", text: str = "") -> str:
    return f"# Page\n\n<!-- results: {name} {kind}{flags} -->\n{text}<!-- /results -->\n"


def test_every_kind_of_block_is_written_from_the_data_and_then_stays(kept: Kept, page: PageWriter) -> None:
    pages = page("".join(block(kind) for kind in STUDY_KINDS))
    (text,) = pages.rewritten().values()
    for kind, written in STUDY_KINDS.items():
        assert f"<!-- results: {NAME} {kind} -->\n\n" in text
        assert f"{written(kept)}\n\n<!-- /results -->" in text
    assert list(page(text).rewritten().values()) == [text]


def test_a_figure_that_was_typed_is_told_of(page: PageWriter) -> None:
    (right,) = page(block("readme")).rewritten().values()
    assert list(changes(page(right))) == []
    pages = page(right.replace("0.4", "0.5", 1))
    assert list(changes(pages)) == list(pages.pages)


def test_the_headline_is_the_answer_of_the_terminal(kept: Kept) -> None:
    best = headline(kept.view).best
    assert best is not None
    sentence, found = headline_sentence(kept), best.decisive
    assert sentence.startswith("**YOLO11n (reconstructed weights) on two threads of an AMD EPYC: ")
    assert f"{1 / found.timing.ratio.value:.2f}x faster at {found.accuracy.change.value:+.4f} mAP50-95" in sentence
    assert "confirmed on 250 other images" in sentence
    assert found.accuracy.dataset_hash == "other"


def test_the_short_table_has_eight_rows_of_the_figures_that_count(kept: Kept) -> None:
    table = short_table(kept).splitlines()[2:]
    assert len(table) == 8
    titles = [line.split("|")[1].strip() for line in table]
    assert titles[0] == "float (FP32)"
    assert titles[1] == "ModelOpt `entropy`, all layers INT8"
    assert titles[4:6] == ["NNCF `performance`", "NNCF `mixed`, head decoding in float"]
    assert sum("the answer" in title for title in titles) == 1
    peer = next(line for line in table if "NNCF `mixed`" in line)
    assert "| -0.0030 (-0.0100 to +0.0040) |" in peer
    best = headline(kept.view).best
    assert best is not None
    assert any(f"{best.decisive.accuracy.change.value:+.4f}" in line for line in table if "the answer" in line)


def test_who_was_not_confirmed_is_said(kept: Kept) -> None:
    told = made_line(kept)
    assert "searched on 328 images of COCO val2017, figures confirmed on 250 other images".lower() in told.lower()
    assert "(but not those of NNCF `performance`, which are the search's)" in told
    assert "mixed" not in told


def test_while_the_answer_is_not_confirmed_the_short_table_is_of_the_images_of_the_search(
    document: dict[str, Any], tmp_path: Path
) -> None:
    """As after a `confirm` that was stopped: accuracies of two sets of images would stand one below the other."""
    told = {name: found for name, found in document["attributes"].items() if not name.startswith("confirmed:")}
    told["confirmed:0"] = document["attributes"]["confirmed:0"]
    write_document({**document, "attributes": told}, tmp_path / f"{NAME}.json")
    partly = Kept.opened(tmp_path / f"{NAME}.json")
    reference = next(point for point in partly.view.results.baselines if point.baseline == "float")
    assert reference.again is not None
    first, *_ = (line for line in short_table(partly).splitlines() if "float (FP32)" in line)
    assert f"| {reference.measurement.accuracy.value:.4f} |" in first
    assert f"| {reference.decisive.accuracy.value:.4f} |" not in first
    assert "COCO val2017, and these figures are of those: they are not confirmed yet. " in made_line(partly)
    peer = next(line for line in short_table(partly).splitlines() if "NNCF `mixed`" in line)
    assert "| -0.0047 (-0.0100 to +0.0010) |" in peer


def test_the_front_table_holds_nncfs_engines_searched_and_confirmed(kept: Kept) -> None:
    table = STUDY_KINDS["front"](kept)
    line = next(line for line in table.splitlines() if "NNCF `mixed`, head decoding in float" in line)
    assert "| -0.0047 (-0.0100 to +0.0010) |" in line
    assert line.endswith("| 80 | 300 images | -0.0030 (-0.0100 to +0.0040) | 0.430 (0.420 to 0.440) |")
    assert "**front, the answer**" in table
    assert "accuracy control" not in table


def test_peers_of_another_machine_or_engine_are_refused(study: SearchStudy) -> None:
    for changed in (
        {"device": "Another"},
        {"engine": {"kind": "openvino", "recipe": 1}},
        {"versions": {"openvino": "0"}},
    ):
        with pytest.raises(SystemExit, match="measure it anew"):
            kept_study(study, peers=rows(study, **changed))
    with pytest.raises(SystemExit, match="None of these peers"):
        kept_study(study, peers=rows(study, study="another"))


def test_data_that_is_not_there_is_refused(page: PageWriter) -> None:
    with pytest.raises(PageError, match=r"page\.md, block 'nothing front': there is no nothing\.json"):
        page(block("front", name="nothing")).rewritten()


def test_a_block_may_wait_for_its_data_and_is_written_when_it_is_there(page: PageWriter) -> None:
    old = "Historical, of 1 May 2026: 0.5\n"
    waiting = page(block("short", name="nothing", flags=" pending", text=old))
    assert list(waiting.rewritten().values()) == list(waiting.texts.values())
    with pytest.raises(PageError, match="has no data"):
        page(block("short", name="nothing", flags=" pending", text="0.5\n")).rewritten()
    (text,) = page(block("short", flags=" pending", text=old)).rewritten().values()
    assert "pending" not in text
    assert "1 May" not in text


def test_an_unknown_kind_is_told_with_those_there_are(page: PageWriter) -> None:
    with pytest.raises(PageError, match="there is no such kind; there are readme, study"):
        page(block("everything")).rewritten()


@pytest.mark.parametrize("recipe", [RECIPE - 1, None])
def test_data_of_an_older_engine_recipe_is_refused_unless_it_is_called_historical(
    recipe: int | None, document: dict[str, Any], page: PageWriter
) -> None:
    identity = document["attributes"]["identity"] | {"engine recipe": recipe}
    page("")
    recorded = page("").recorded
    old = document | {"attributes": document["attributes"] | {"identity": identity}}
    write_document(old, recorded / f"{NAME}.json")
    with pytest.raises(PageError, match=r"page\.md, block .* or mark the block historical"):
        page(block("short")).rewritten()
    (text,) = page(block("short", flags=" historical")).rewritten().values()
    assert "*Historical, measured on 1 November 2026 by qpareto 0.1.0: it " in text


def test_a_picture_knows_what_it_shows(kept: Kept, page: PageWriter, tmp_path: Path) -> None:
    pages = page(block("picture"))
    assert f"](images/front-{NAME}.png)" in next(iter(pages.rewritten().values()))
    (path,) = pages.stale_pictures()
    try:
        assert write_picture([kept], path)
    except QParetoError as error:
        pytest.skip(str(error))
    assert page(block("picture")).stale_pictures() == []
    assert not write_picture([kept], path)
    drawn = path.read_bytes()
    path.write_bytes(drawn.replace(figure_hash(picture([kept])).encode(), b"0" * 32))
    assert page(block("picture")).stale_pictures() == [path]
    assert drawn_hash(tmp_path / "none.png") is None


def test_nncfs_engines_are_in_the_picture(kept: Kept) -> None:
    names = [trace.name for trace in picture([kept]).data]
    assert "NNCF mixed, head decoding in float" in names


def test_how_often_intervals_held_is_a_block_too(page: PageWriter) -> None:
    recorded = page("").recorded
    told = {"mask": "3", "int8": 2, "spread": 0.002, "flags": [], "device": "AMD EPYC", "own": [0.499, 0.501]}
    made = {"engine": {"kind": "openvino", "recipe": RECIPE}, "versions": {"qpareto": "0.1.0"}, "date": "2026-11-29"}
    lines = [told | made | {"ratio": 0.5, "told": [0.49, 0.51]}, told | made | {"ratio": 0.505, "told": [0.5, 0.51]}]
    (recorded / "holds.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (text,) = page(block("coverage", name="holds")).rewritten().values()
    assert "| 2 | 2 | 0.5025 | 0.5000 | 0.5050 | 0.70 % | 2 of 2 | 1 of 2 | 0 |" in text
    assert "100.0 % of 2 new timings" in text
    assert "was 0.20 %. 29 November 2026; qpareto 0.1.0." in text
    (recorded / "old.jsonl").write_text(json.dumps(told | {"ratio": 0.5, "told": [0.49, 0.51]}) + "\n")
    with pytest.raises(PageError, match="does not say which openvino engines"):
        page(block("coverage", name="old")).rewritten()


@pytest.mark.parametrize("kind", ["samplers", "rivals"])
def test_a_recording_of_samplers_is_shown_with_its_day(kind: str, page: PageWriter) -> None:
    (text,) = page(block(kind)).rewritten().values()
    assert "Recorded on 24 November 2026: AMD EPYC, 328 images of COCO val2017; openvino 2026.4.1" in text
    assert {"samplers": "| ours+warm |", "rivals": "| NNCF mixed, float decode |"}[kind] in text
