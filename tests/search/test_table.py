from __future__ import annotations

import re

from qpareto.search.table import Table, figures, html, markdown, words

TABLE = Table([*words("layer"), *figures("ms", "share, %")], [("a|b", "1.0", "50"), ("<c>", "2.0", "50")])


def test_markdown_sets_figures_to_the_right_and_no_cell_ends_one() -> None:
    assert markdown(TABLE).splitlines() == [
        "| layer | ms | share, % |",
        "| --- | ---: | ---: |",
        "| a\\|b | 1.0 | 50 |",
        "| <c> | 2.0 | 50 |",
    ]


def test_what_a_cell_holds_is_text_and_no_markup_in_html() -> None:
    page = html(TABLE)
    assert re.findall(r"<th>(.*?)</th>", page) == ["layer", "ms", "share, %"]
    assert re.findall(r"<td>(.*?)</td>", page) == ["a|b", "1.0", "50", "&lt;c&gt;", "2.0", "50"]


def test_a_table_without_rows_has_its_head() -> None:
    assert markdown(Table(words("trial", "reason"), [])) == "| trial | reason |\n| --- | --- |"
    assert "<tbody>\n</tbody>" in html(Table(words("trial"), []))
