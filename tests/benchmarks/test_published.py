"""What README.md and docs/ show is what the stored measurements give: no figure of a block is typed by hand."""

from __future__ import annotations

from page_blocks import blocks_of_page
from publish import Pages


def test_every_block_of_every_page_is_what_its_data_give() -> None:
    pages = Pages.of_checkout()
    found = pages.rewritten()
    stale = [page.name for page, text in pages.texts.items() if found[page] != text]
    assert stale == [], "run: make results"


def test_every_picture_is_of_its_data() -> None:
    stale = [path.name for path in Pages.of_checkout().stale_pictures()]
    assert stale == [], "run: make results"


def test_the_pages_that_people_read_first_have_blocks() -> None:
    texts = Pages.of_checkout().texts
    marked = {page.name for page, text in texts.items() if blocks_of_page(page, text)}
    assert {"README.md", "index.md", "results.md"} <= marked


def test_all_stored_data_is_shown_somewhere() -> None:
    pages = Pages.of_checkout()
    named = {block.name for page, text in pages.texts.items() for block in blocks_of_page(page, text)}
    assert {path.stem for path in pages.recorded.glob("*.json*")} - named == set()
