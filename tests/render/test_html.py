"""HTML that stays whole wherever a notebook or a report carries it."""

from __future__ import annotations

import re

import pytest

from orch_nb.render.document import CodeBlock, Column, Row, Table, line
from orch_nb.render.html import block_html


def test_a_blank_line_in_code_does_not_end_the_html_where_it_stands_in_markdown() -> None:
    # CommonMark ends a block of HTML at a blank line (spec 0.31.2, "HTML blocks").
    shown = block_html(CodeBlock("first\n\nlast", "yaml"))
    assert "\n" not in shown
    assert "first&#10;&#10;last" in shown


@pytest.mark.parametrize(
    ("title", "text", "least"),  # pixels
    [
        ("needs", "", 40),  # never narrower than the word above it
        ("does", "ruff check .", 96),
        ("does", "x" * 30, 160),
        ("why", "x" * 200, 220),
    ],
)
def test_beside_many_columns_a_column_that_wraps_keeps_its_words(title, text, least):
    table = Table("", (Column("task"), Column(title, wrap=True)), (Row((line("a"), line(text))),))
    cells = re.findall("<td[^>]*>", block_html(table))
    assert "min-width" not in cells[0]
    assert f"min-width:{least}px" in cells[1]
