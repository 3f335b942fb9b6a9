"""HTML that stays whole wherever a notebook or a report carries it."""

from __future__ import annotations

from orch_nb.render.document import CodeBlock
from orch_nb.render.html import block_html


def test_a_blank_line_in_code_does_not_end_the_html_where_it_stands_in_markdown() -> None:
    # CommonMark ends a block of HTML at a blank line (spec 0.31.2, "HTML blocks").
    shown = block_html(CodeBlock("first\n\nlast", "yaml"))
    assert "\n" not in shown
    assert "first&#10;&#10;last" in shown
