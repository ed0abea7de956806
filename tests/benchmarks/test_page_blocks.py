"""Blocks of a page: what a writer may mark, and what is refused with the page's name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from page_blocks import Block, PageError, blocks_of_page, rewritten

PAGE = Path("docs/page.md")
TEXT = """# A page

<!-- results: a-study front -->
old
<!-- /results -->

Prose with 0.5 in it.

<!-- results: other picture historical pending -->
<!-- /results -->
"""


def test_a_block_has_a_name_a_kind_and_flags() -> None:
    first, second = blocks_of_page(PAGE, TEXT)
    assert (first.name, first.kind, first.flags, first.text) == ("a-study", "front", frozenset(), "old\n")
    assert (second.name, second.kind, second.flags) == ("other", "picture", frozenset({"historical", "pending"}))


def test_only_what_stands_between_marks_is_written_anew() -> None:
    def write(block: Block) -> Block:
        return replace(block, text=f"new {block.kind}", flags=block.flags - {"pending"})

    found = rewritten(PAGE, TEXT, write)
    assert "\n<!-- results: a-study front -->\n\nnew front\n\n<!-- /results -->\n" in found
    assert "\n<!-- results: other picture historical -->\n\nnew picture\n\n<!-- /results -->\n" in found
    assert "Prose with 0.5 in it." in found
    assert rewritten(PAGE, found, write) == found


def test_a_block_that_is_left_alone_stays_as_it_is() -> None:
    text = TEXT.replace("old\n", "\nold\n\n")
    assert rewritten(PAGE, text, lambda block: block) == text


@pytest.mark.parametrize(
    "text",
    [
        "<!-- results: a front -->\nno end",
        "no begin\n<!-- /results -->",
        "<!-- results: a front -->\n<!-- results: b front -->\n<!-- /results -->\n<!-- /results -->",
        "<!-- results: a front --> on one line <!-- /results -->",
    ],
)
def test_a_mark_without_its_partner_is_refused_by_the_page(text: str) -> None:
    with pytest.raises(PageError, match=r"page\.md: each"):
        rewritten(PAGE, text, lambda block: block)


@pytest.mark.parametrize("words", ["a", "a front historicle", ""])
def test_a_mark_that_says_something_else_is_refused(words: str) -> None:
    with pytest.raises(PageError, match=r"page\.md: .* is not NAME KIND"):
        blocks_of_page(PAGE, f"<!-- results: {words} -->\n<!-- /results -->")


@pytest.mark.parametrize("text", ["", "\n", "*Historical, of 23 November 2026:* 0.5\n"])
def test_a_block_without_data_may_be_empty_or_dated(text: str) -> None:
    _block(text).refuse_undated()


@pytest.mark.parametrize("text", ["0.5", "historical", "of 23 November 2026", "Historical, some day in 2026"])
def test_a_block_without_data_that_hides_its_age_is_refused(text: str) -> None:
    with pytest.raises(PageError, match=r"page\.md, block 'a front': .* has no data"):
        _block(text).refuse_undated()


def _block(text: str) -> Block:
    return Block(page=PAGE, name="a", kind="front", flags=frozenset(), text=text)
